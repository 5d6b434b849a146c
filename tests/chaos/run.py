"""Carries out a schedule as the first process of new pid and mount namespaces, and writes down what happens."""
import contextlib
import os
import selectors
import signal
import time

from clients import Clients
from daemons import Daemons
from directories import Directories
from history import History, Touch, overlaps
from place import HANGS, now, state_of
from schedule import MAKE
from workers import Workers


class Run(Clients, Daemons, Directories, Workers):
    def __init__(self, options, operations, place):
        self.options, self.operations, self.place = options, operations, place
        self.history, self.faults, self.story = History(), [], []
        self.workers = {}  # name: pid
        self.zombies = set()  # ended, not reaped
        self.run_workers = set()  # their parent is readyctl
        self.asking = {}  # pid: (the ask numbers in order, pipe, file object of the rest)
        self.daemon, self.others = None, []
        self.open_faults = {}  # what: (list, index)
        self.held = []  # sockets of clients that do not read
        self.moved = self.covers = 0
        self.frozen = self.two_may_serve = False
        self.selector = selectors.DefaultSelector()
        self.environment = {"PATH": os.environ["PATH"], "READYD_SOCKET": place.socket, "READYD_DIR": place.markers,
                            "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
        self.history.private = options["mode"] == 0o755
        os.mkdir(place.markers)
        os.chmod(place.markers, options["mode"])
        open(place.log, "w", encoding="ascii").close()

    def say(self, text):
        self.story.append(f"{now() / 1e9:.6f} {text}")

    # --- what is wrong, and since when

    def begins(self, what, intervals):
        if what not in self.open_faults:
            intervals.append((now(), None, what))
            self.open_faults[what] = (intervals, len(intervals) - 1)

    def ends(self, what):
        if what in self.open_faults:
            intervals, index = self.open_faults.pop(what)
            intervals[index] = (intervals[index][0], now(), what)

    @contextlib.contextmanager
    def wrong(self, what, intervals):
        intervals.append((now(), None, what))
        index = len(intervals) - 1
        yield
        intervals[index] = (intervals[index][0], now(), what)

    # --- time passes

    def pump(self, seconds):
        """Reads what clients print, and notes which workers have ended."""
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            for key, _ in self.selector.select(max(left, 0)):
                key.data()
            if left <= 0:
                return

    def wait_until(self, what, seconds=HANGS):
        until = time.monotonic() + seconds
        while not what():
            if time.monotonic() > until:
                return False
            self.pump(0.005)
        return True

    # --- the whole

    def operate(self):
        if self.options["daemon"]:
            self.start_daemon()
        else:
            self.begins("daemon", self.history.daemon)
        for pause, name, *arguments in self.operations:
            self.pump(pause / 1e6)
            self.say(" ".join([name] + [str(argument) for argument in arguments]))
            getattr(self, "do_" + name.replace("-", "_"))(*arguments)
            if "socket" in self.open_faults and not self.frozen and self.connects():
                self.ends("socket")

    def heal(self):
        self.say("heal")
        self.do_thaw()
        self.do_unlimit()
        self.do_uncover()
        self.do_move_back()
        for client in self.held:
            client.close()
        self.do_start()
        self.end_others()
        if not self.wait_until(self.connects):
            self.faults.append("the daemon cannot be reached again")
        self.ends("socket")

    def end_others(self):
        """Those that were started beside another one."""
        for daemon in self.others:
            daemon.signal(signal.SIGTERM)
            daemon.process.wait(HANGS)
            os.close(daemon.ready)
        if self.two_may_serve and not self.daemon.is_alive():
            self.do_start()

    def is_settled(self):
        """Whether every wait for a process that has its marker, or has ended, has its answer."""
        self.read_log()
        return not any(self.must_be_answered(ask) for asks, _ in self.asking.values() for ask in asks)

    def must_be_answered(self, ask):
        """A client that was slow to start may have taken the number for the next process. Where the directory was
        another one when the marker was made, what lies there now may be of an earlier process."""
        life = self.history.life(ask.name)
        if life is not None and self.last_of(life.pid) != ask.name:
            return False
        if ask.many or ask.way in ("run", "strict") or life is None or self.has_answer(ask):
            return False
        marks = [t for t in self.history.touches if t.pid == life.pid]
        return bool(marks) and marks[-1].name == ask.name and marks[-1].marks and bool(marks[-1].done) and \
            not overlaps(self.history.directory, marks[-1].began, now()) and \
            os.path.isfile(self.place.marker(life.pid)) and not os.path.islink(self.place.marker(life.pid))

    def finish(self):
        self.heal()
        if self.options["settle"] and not self.wait_until(self.is_settled):
            self.faults.append("a wait is not answered though the marker is there")
        for name, pid in list(self.workers.items()):
            if not self.is_dead(name):
                self.may_die(name)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if not self.wait_until(lambda: all(self.is_dead(name) for name in self.workers)):
            self.faults.append("a worker does not end")
        self.say("all workers are dead")
        if not self.wait_until(lambda: not self.asking):
            self.faults.append("a wait is not answered though its process is dead")
        for name in list(self.zombies):
            self.reap(name)

    def read_log(self):
        """The touches of the workers, from their log, in the order of time."""
        own = {}
        touches = [t for t in self.history.touches if t.what in ("mark-for", "mark-other-user", "remove-for",
                                                                 "rewrite-for", "obstruct")]
        for name, at, what, step in self.log_lines():
            if what == "try" and name in self.workers:
                own[name] = Touch(name, self.workers[name], step, int(at), marks=step in MAKE + ("rewrite",))
                touches.append(own[name])
            elif what in ("did", "failed") and name in own:
                own[name].ended, own[name].done = int(at), what == "did"
            elif what == "bye":
                life = self.history.life(name)
                if life is not None:
                    life.ended = (min(life.ended[0], int(at)), life.ended[1])
        for touch in touches:
            life = self.history.life(touch.name)
            if touch.ended is None and life.ended[1] is not None:
                touch.ended = life.ended[1]
        self.history.touches = sorted(touches, key=lambda t: t.began)

    # --- what is left

    def counters(self):
        return dict(word.split("=", 1) for word in self.request("STATS").split()[1:])

    def is_at_rest(self):
        """No wait, no gate, no client but this one, and the descriptors of the beginning."""
        counters = self.counters()
        return all(counters[name] == "0" for name in ("waits", "waited", "gates")) and counters["clients"] == "1" and \
            self.daemon.descriptors() <= self.daemon.base + 1

    def check_rest(self):
        if self.two_may_serve:
            return
        if not self.wait_until(self.is_at_rest):
            self.faults.append(f"the daemon is not at rest: {self.counters()}, {self.daemon.descriptors()} descriptors, "
                               f"{self.daemon.base} at the start")
        # What a wait has left is one more tick; the loop then sleeps without a time-out.
        if not self.wait_until(self.sleeps):
            self.faults.append("the daemon wakes though nothing happens")

    def sleeps(self):
        before = self.daemon.switches()
        self.pump(0.3)
        return self.daemon.switches() == before

    def check_end(self):
        """Nothing is left but the markers."""
        self.stop_daemon(signal.SIGTERM)
        left = [name for name in os.listdir(self.place.top) if name.startswith("s")]
        if left and not self.two_may_serve:
            self.faults.append(f"files are left: {left}")
        left = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != "1"]
        if left and not self.wait_until(self.is_alone):
            self.faults.append("processes are left: " + ", ".join(self.describe(pid) for pid in left))
        with open(f"{self.place.top}/readyd.log", "rb") as file:
            lines = len(file.readlines())
        if lines > 40 * (1 + len(self.history.daemon) + len(self.history.directory)):
            self.faults.append(f"{lines} lines in the log")

    def is_alone(self):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return not any(pid.isdigit() and pid != "1" for pid in os.listdir("/proc"))

    @staticmethod
    def describe(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return f"{pid} {file.read().decode()!r} {state_of(pid)}"
        except OSError:
            return pid
