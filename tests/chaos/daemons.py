"""The daemon, and what happens to it."""
import contextlib
import os
import resource
import signal
import subprocess
import time

import asker
from place import HANGS, Daemon


class Daemons:
    """What a schedule does with the daemon; a part of run.Run."""

    def start_daemon(self):
        self.daemon = Daemon(self.place)
        if not self.daemon.serves():
            self.daemon.process.wait()
            return False
        self.frozen = False
        return True

    def do_start(self, _=0):
        if self.daemon is not None and self.daemon.is_alive():
            return
        if self.start_daemon():
            self.ends("daemon")

    def stop_daemon(self, number):
        if self.daemon is None or not self.daemon.is_alive():
            return
        self.begins("daemon", self.history.daemon)
        if self.frozen and number != signal.SIGKILL:
            self.do_thaw()
        self.daemon.signal(number)
        try:
            status = self.daemon.process.wait(HANGS)
        except subprocess.TimeoutExpired:
            status = "none"
        want = -signal.SIGKILL if number == signal.SIGKILL else 0
        if status != want:
            self.faults.append(f"readyd ended with {status}, not {want}")
        self.frozen = False
        self.ends("frozen")

    def do_kill(self, _):
        self.stop_daemon(signal.SIGKILL)

    def do_end(self, dice):
        self.stop_daemon((signal.SIGTERM, signal.SIGINT)[dice % 2])

    def do_restart(self, dice):
        self.stop_daemon((signal.SIGKILL, signal.SIGTERM)[dice % 2])
        self.do_start()

    def do_freeze(self, _):
        if self.daemon is not None and self.daemon.is_alive():
            self.begins("frozen", self.history.daemon)
            self.daemon.signal(signal.SIGSTOP)
            self.frozen = True

    def do_thaw(self, _=0):
        if self.daemon is not None and self.frozen:
            self.daemon.signal(signal.SIGCONT)
            self.frozen = False
            self.ends("frozen")

    def do_hang_up(self, _):
        if self.daemon is not None:
            self.daemon.signal(signal.SIGHUP)

    def do_second(self, _):
        """Beside one that serves: it does not."""
        if self.daemon is None or not self.daemon.is_alive():
            return
        if "socket" in self.open_faults:
            self.two_may_serve = True
        self.others.append(Daemon(self.place))
        if not self.two_may_serve and not self.wait_until(lambda: not self.others[-1].is_alive()):
            self.faults.append("a second daemon serves")

    def do_crowd_of_starts(self, dice):
        """Several at once: one serves, and the others end with 1."""
        if self.daemon is not None and self.daemon.is_alive():
            return
        crowd = [Daemon(self.place) for _ in range(2 + dice % 3)]
        serving = [daemon for daemon in crowd if daemon.serves()]
        if len(serving) != 1:
            self.faults.append(f"{len(serving)} of {len(crowd)} daemons serve")
        for daemon in crowd:
            if daemon not in serving and daemon.process.wait(HANGS) != 1:
                self.faults.append(f"a daemon too many ended with {daemon.process.returncode}")
        if serving:
            self.daemon = serving[0]
            self.ends("daemon")

    def do_limit(self, dice):
        """Descriptors run out, now or soon."""
        if self.daemon is None or not self.daemon.is_alive():
            return
        self.begins("limit", self.history.daemon)
        hard = resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (self.daemon.descriptors() + dice, hard))

    def do_unlimit(self, _=0):
        if "limit" not in self.open_faults:
            return
        if self.daemon.is_alive():
            hard = resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE)[1]
            resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.ends("limit")

    def do_unlink_socket(self, _):
        self.begins("socket", self.history.daemon)
        with contextlib.suppress(OSError):
            os.unlink(self.place.socket)

    def do_unlink_lock(self, _):
        self.begins("socket", self.history.daemon)
        self.two_may_serve = True
        with contextlib.suppress(OSError):
            os.unlink(f"{self.place.socket}.lock")

    def connects(self):
        try:
            return self.request("PING", 1) == "PONG"
        except OSError:
            return False

    def request(self, text, seconds=HANGS):
        wire = asker.Wire(self.place.socket, time.monotonic() + seconds)
        try:
            return wire.ask(text)
        finally:
            wire.close()
