#!/usr/bin/env python3
"""Usage: soak.py [--minutes N] [--share PERCENT]

Waits as fast as a share of a CPU permits, while the daemon is killed or ended and restarted every 20 seconds, and checks
that it has at the end of each such period what it had at the end of the first: descriptors, watches, memory, lines in its
log. Runs below the caller's temporary directory. Prints a line of figures each minute; exits with 1 if one grows, or if
an answer is wrong or does not come.
"""
import argparse
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time

from asker import Wire
from place import HANGS, Daemon, Place

PERIOD = 20
WAITS = 24
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
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="latin1") as file:
            count += len(re.findall("^inotify wd:", file.read(), re.M))
    return count


def cpu_used():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="latin1") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Soak:
    def __init__(self, place, share):
        self.place, self.share = place, share
        self.waits = self.restarts = 0
        self.first = self.last = None
        self.daemon = None
        os.mkdir(place.markers)
        self.start()

    def start(self):
        self.daemon = Daemon(self.place)
        if not self.daemon.serves():
            raise Failed("readyd does not serve")

    def connect(self):
        return Wire(self.place.socket, time.monotonic() + HANGS)

    def round(self):
        """A new process, waited for in three ways, that is marked, or dies."""
        pid = fork_sleeper()
        marked = self.waits // WAITS % 4 != 3
        wire, gates = self.connect(), []
        wire.socket.sendall(f"WAIT {pid}\n".encode() * WAITS)
        gate = wire.ask(f"GATE {pid}", gates)
        if not gate.startswith("GATE "):
            raise Failed(f"instead of a gate: {gate}")
        if marked:
            open(self.place.marker(pid), "w", encoding="ascii").close()
        else:
            os.kill(pid, signal.SIGKILL)
        verdict = "ready" if marked else "died"
        for _ in range(WAITS):
            line = self.next_line(wire)
            if not line.startswith(f"{verdict} {pid} "):
                raise Failed(f"not {verdict} {pid}: {line}")
        self.waits += WAITS
        wire.close()
        for fd in gates:
            os.close(fd)
        if marked:
            os.kill(pid, signal.SIGKILL)
            os.unlink(self.place.marker(pid))
        os.waitpid(pid, 0)

    @staticmethod
    def next_line(wire):
        while b"\n" not in wire.text:
            wire.receive()
        line, wire.text = wire.text.split(b"\n", 1)
        return line.decode()

    def period(self, seconds):
        """Rounds, with pauses that keep to the share."""
        began, used = time.monotonic(), cpu_used() + cpu_of(self.daemon.pid)
        while time.monotonic() - began < seconds:
            self.round()
            ahead = (cpu_used() + cpu_of(self.daemon.pid) - used) / self.share - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(min(ahead, 1))

    def is_at_rest(self):
        wire = self.connect()
        counters = dict(word.split("=", 1) for word in wire.ask("STATS").split()[1:])
        wire.close()
        return all(counters[name] == "0" for name in ("waits", "waited", "gates"))

    def measure(self):
        until = time.monotonic() + HANGS
        while not self.is_at_rest() or self.daemon.descriptors() > self.daemon.base + 1:
            if time.monotonic() > until:
                raise Failed(f"not at rest: {self.daemon.descriptors()} descriptors, {self.daemon.base} at the start")
            time.sleep(0.05)
        with open(f"{self.place.top}/readyd.log", "rb") as file:
            lines = len(file.readlines())
        return {"descriptors": self.daemon.descriptors(), "watches": watches_of(self.daemon.pid),
                "memory_kib": memory_of(self.daemon.pid), "log_lines": lines / (self.restarts + 1),
                "own_descriptors": len(os.listdir("/proc/self/fd"))}

    def compare(self):
        self.last = self.measure()
        self.first = self.first or self.last
        slack = {"memory_kib": SLACK_KIB, "log_lines": 2, "descriptors": 1}
        for name, value in self.last.items():
            if value > self.first[name] + slack.get(name, 0):
                raise Failed(f"{name} has grown from {self.first[name]} to {value}")

    def restart(self):
        self.daemon.signal((signal.SIGKILL, signal.SIGTERM)[self.restarts % 2])
        self.daemon.process.wait(HANGS)
        self.daemon.log.close()
        self.restarts += 1
        self.start()

    def run(self, minutes):
        began, line = time.monotonic(), 0
        while time.monotonic() - began < minutes * 60:
            self.period(min(PERIOD, max(1, began + minutes * 60 - time.monotonic())))
            self.compare()
            self.restart()
            if time.monotonic() - began >= line * 60:
                line += 1
                self.show(began)
        self.show(began)

    def show(self, began):
        print(f"minutes={(time.monotonic() - began) / 60:.1f} waits={self.waits} restarts={self.restarts} " +
              " ".join(f"{name}={value:.6g}" for name, value in self.last.items()), flush=True)

    def end(self):
        self.daemon.signal(signal.SIGKILL)
        self.daemon.process.wait(HANGS)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--share", type=float, default=50)
    options = parser.parse_args()
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
