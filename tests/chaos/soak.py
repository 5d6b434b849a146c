#!/usr/bin/env python3
"""Usage: soak.py [--minutes N] [--share PERCENT]

Waits as fast as a share of a CPU permits, nearly always by the library in one process (crowd.c), while the daemon is killed
or ended and restarted every 20 seconds, and checks that both have at the end of each such period what they had at the end
of the first: descriptors, watches, memory, lines in the log. Runs below the caller's temporary directory. Prints a line of figures each minute; exits with 1 if one grows, or if
an answer is wrong or does not come.
"""
import argparse
import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from asker import Wire
from place import HANGS, Daemon, Place, selectors_wait, unshare

PERIOD = 20
# What the allocator may keep, or not yet have touched in the first period.
SLACK_KIB = 1024


class Failed(Exception):
    pass


def fork_sleeper():
    pid = os.fork()
    if pid == 0:
        os.closerange(0, 64)
        signal.pause()
    return pid


def memory_of(pid):
    with open(f"/proc/{pid}/status", encoding="latin1") as file:
        return int(re.search(r"RssAnon:\s*(\d+)", file.read()).group(1))


def watches_of(pid):
    """One of its descriptors may be a connection that it closes meanwhile."""
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/fdinfo/{fd}", encoding="latin1") as file:
            count += len(re.findall("^inotify wd:", file.read(), re.M))
    return count


def cpu_of(pid):
    """Seconds, with those of its children that it has waited for."""
    with open(f"/proc/{pid}/stat", encoding="latin1") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


class Soak:
    def __init__(self, place, share):
        self.place, self.share = place, share
        self.waits = self.restarts = 0
        self.first = self.last = None
        self.daemon = None
        self.environment = dict(os.environ, READYD_DIR=place.markers, READYD_SOCKET=place.socket)
        self.began = time.monotonic()
        os.mkdir(place.markers)
        self.start()
        self.crowd = subprocess.Popen([f"{place.build}/tests/chaos/crowd"], env=self.environment,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def start(self):
        self.daemon = Daemon(self.place)
        if not self.daemon.serves():
            raise Failed("readyd does not serve")

    def connect(self):
        return Wire(self.place.socket, time.monotonic() + HANGS)

    def cpu_used(self):
        own = sum(sum(resource.getrusage(which)[:2]) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return own + cpu_of(self.daemon.pid) + cpu_of(self.crowd.pid)

    def begin_round(self):
        self.crowd.stdin.write(b"\n")
        self.crowd.stdin.flush()

    def end_round(self):
        """The answers were right; or: which one was not."""
        if not selectors_wait(self.crowd.stdout, 2 * HANGS):
            raise Failed("the crowd hangs")
        line = self.crowd.stdout.readline().decode().strip()
        if not line.isdecimal():
            raise Failed(f"crowd: {line}")
        self.waits += int(line)

    def ask_readyctl(self):
        """A wait by a process of its own."""
        pid = fork_sleeper()
        client = subprocess.Popen([self.place.readyctl, "wait", "--timeout", str(HANGS), str(pid)], env=self.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        open(self.place.marker(pid), "w", encoding="ascii").close()
        said = client.communicate(timeout=2 * HANGS)[0].decode()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.unlink(self.place.marker(pid))
        if not said.startswith(f"ready {pid} "):
            raise Failed(f"readyctl: {said}")
        self.waits += 1

    def period(self, seconds):
        """Rounds, with pauses that keep to the share."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.begin_round()
            self.end_round()
            self.ask_readyctl()
            ahead = self.cpu_used() / self.share - (time.monotonic() - self.began)
            if ahead > 0:
                time.sleep(min(ahead, 1))

    def is_at_rest(self):
        wire = self.connect()
        counters = dict(word.split("=", 1) for word in wire.ask("STATS").split()[1:])
        wire.close()
        return all(counters[name] == "0" for name in ("waits", "waited", "gates"))

    def most_descriptors(self):
        """Those of the start do not count: it may have got its inotify instances later, if others had them all."""
        return self.first["descriptors"] + 1 if self.first else sys.maxsize

    def measure(self):
        until = time.monotonic() + HANGS
        while not self.is_at_rest() or self.daemon.descriptors() > self.most_descriptors():
            if time.monotonic() > until:
                raise Failed(f"not at rest: {self.daemon.descriptors()} descriptors")
            time.sleep(0.05)
        with open(f"{self.place.top}/readyd.log", "rb") as file:
            lines = len(file.readlines())
        return {"descriptors": self.daemon.descriptors(), "watches": watches_of(self.daemon.pid),
                "memory_kib": memory_of(self.daemon.pid), "log_lines": lines / (self.restarts + 1),
                "crowd_descriptors": len(os.listdir(f"/proc/{self.crowd.pid}/fd")),
                "crowd_memory_kib": memory_of(self.crowd.pid)}

    def compare(self):
        self.last = self.measure()
        self.first = self.first or self.last
        slack = {"memory_kib": SLACK_KIB, "crowd_memory_kib": SLACK_KIB, "log_lines": 2, "descriptors": 1}
        for name, value in self.last.items():
            if value > self.first[name] + slack.get(name, 0):
                raise Failed(f"{name} has grown from {self.first[name]} to {value}")

    def restart(self):
        """In the middle of a round."""
        self.begin_round()
        self.daemon.signal((signal.SIGKILL, signal.SIGTERM)[self.restarts % 2])
        self.daemon.process.wait(HANGS)
        self.daemon.log.close()
        self.restarts += 1
        self.start()
        self.end_round()

    def run(self, minutes):
        line = 0
        while time.monotonic() - self.began < minutes * 60:
            self.period(min(PERIOD, max(1, self.began + minutes * 60 - time.monotonic())))
            self.compare()
            self.restart()
            if time.monotonic() - self.began >= line * 60:
                line += 1
                self.show()
        self.show()

    def show(self):
        print(f"minutes={(time.monotonic() - self.began) / 60:.1f} waits={self.waits} restarts={self.restarts} " +
              f"cpu_seconds={self.cpu_used():.0f} " +
              " ".join(f"{name}={value:.6g}" for name, value in self.last.items()), flush=True)

    def end(self):
        self.crowd.kill()
        self.crowd.wait(HANGS)
        self.daemon.signal(signal.SIGKILL)
        self.daemon.process.wait(HANGS)


def isolate():
    """A process that has the pid of a worker in another namespace, and sees the directory, could have left its marker."""
    command = unshare()
    if os.getpid() != 1 and subprocess.run([*command, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.execvp(command[0], [*command, sys.executable, "-B", *sys.argv])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--share", type=float, default=50)
    options = parser.parse_args()
    isolate()
    top = tempfile.mkdtemp(prefix="readyd-soak.")
    soak = Soak(Place(top, os.path.abspath(os.environ.get("BUILD", "build"))), options.share / 100)
    try:
        soak.run(options.minutes)
    except (Failed, OSError) as error:
        print(f"failed: {error!r}")
        return 1
    finally:
        soak.end()
        shutil.rmtree(top, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
