"""Compares monitors that are interrupted with one that is not: python3 monitor_record.py SEED READYD READYCTL.

One is killed at random moments and resumed from its last token, one does not read for a time, and the daemon is killed and
started again. Each must tell the transitions of the full record, in order, none twice, and none left out unless it says that
there is a gap; and after each snapshot its state must be that of the record at this position."""

import ctypes
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time

seed, readyd, readyctl = sys.argv[1:]
rng = random.Random(int(seed))
libc = ctypes.CDLL(None)
JOURNAL = 8192
# Transitions in a socket's buffer and a small pipe, and more.
HELD = 2500
TRANSITIONS = {"ready", "exited", "died", "stale", "removed", "rewritten", "waited", "forgotten"}


def until(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"seed {seed}: still not true: {what}"
        time.sleep(0.005)


def start(argv, **more):
    """Ends with this program."""
    return subprocess.Popen(argv, preexec_fn=lambda: libc.prctl(1, signal.SIGKILL), **more)


class Reader:
    """What a monitor has told, over all of its processes."""

    def __init__(self, name):
        self.name, self.parts, self.events, self.rest = name, 0, [], b""
        self.start()

    def start(self):
        """Goes on from the last whole line."""
        token = [event["token"] for event in self.read() if "token" in event][-1:]
        self.rest = b""
        self.file = open(f"{self.name}.{self.parts}", "w+b")
        self.process = start([readyctl, "monitor", "--json"] + (["--since", *token] if token else []),
                             stdout=self.output(), stderr=subprocess.DEVNULL)
        self.parts += 1

    def output(self):
        self.input = open(self.file.name, "rb", buffering=0)
        return self.file

    def read(self):
        if self.parts > 0:
            *lines, self.rest = (self.rest + (self.input.read() or b"")).split(b"\n")
            self.events += [json.loads(line) for line in lines]
        return self.events

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.read()

    def has(self, change, count=1):
        return sum(event["change"] == change for event in self.read()) >= count

    def position(self):
        return next((event["token"] for event in reversed(self.read()) if "token" in event), None)


class SlowReader(Reader):
    """It is stopped when its pipe is full, until it is read again."""

    def output(self):
        end, begin = os.pipe()
        fcntl.fcntl(begin, fcntl.F_SETPIPE_SZ, 4096)
        self.input = open(end, "rb", buffering=0)
        os.set_blocking(end, False)
        return begin


class Daemon:
    def __init__(self):
        self.start()

    def start(self):
        self.process = start([readyd, "--socket", os.environ["READYD_SOCKET"], "--dir", os.environ["READYD_DIR"]],
                             stderr=open("readyd.log", "a"))

    def restart(self):
        lives = sum(event["change"] == "live" for event in full.read())
        self.process.kill()
        self.process.wait()
        self.start()
        until(lambda: full.has("live", lives + 1), "the record goes on")


def worker():
    return start(["cat"], stdin=subprocess.PIPE)


def marker(process):
    return f"{os.environ['READYD_DIR']}/ktstr-worker-ready-{process.pid}"


def mark(process):
    open(marker(process), "w").close()


def unmark(process):
    if os.path.exists(marker(process)):
        os.unlink(marker(process))


def end(process):
    process.kill()
    process.wait()
    workers[workers.index(process)] = worker()


def flood():
    """More transitions than the journal, and all that holds output before it, have room for."""
    some = [worker() for _ in range(32)]
    for one in some:
        mark(one)
    began = int(full.position().split(":")[1])
    while int(full.position().split(":")[1]) - began < JOURNAL + HELD:
        for _ in range(8):
            for change in unmark, mark:
                for one in some:
                    change(one)
    for one in some:
        one.kill()
        one.wait()


def step():
    what = rng.choice(["mark"] * 6 + ["unmark"] * 3 + ["end"] * 2 + ["cut"] * 3 + ["wait", "rest"])
    if what == "mark":
        mark(rng.choice(workers))
    elif what == "unmark":
        unmark(rng.choice(workers))
    elif what == "end":
        end(rng.choice(workers))
    elif what == "cut":
        cut.kill()
        cut.start()
    elif what == "wait":
        subprocess.run([readyctl, "wait", "--timeout", "0", str(rng.choice(workers).pid)], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    else:
        time.sleep(rng.uniform(0, 0.03))


# --- the comparison

def position(event):
    return tuple(int(number) for number in event["token"].split(":"))


def process(event):
    return event["pid"], event["start"]


def take(state, event):
    if event["change"] in ("forgotten", "exited", "died"):
        state.pop(process(event), None)
    else:
        state[process(event)] = event["verdict"]


def record():
    """Of the full monitor: each transition by its position, and the state at each position."""
    told, states, state = {}, {}, {}
    for event in full.events:
        if event["change"] == "snapshot":
            state = {}
        elif event["change"] == "state":
            take(state, event)
        elif event["change"] == "live":
            states[position(event)] = dict(state)
        elif event["change"] in TRANSITIONS:
            take(state, event)
            told[position(event)] = event
            states[position(event)] = dict(state)
    return told, states


def compare(reader, told, states):
    """Returns how many transitions it has, and how often it says that there is a gap."""
    at, state, has_gap, in_snapshot, gaps, count = None, {}, True, False, 0, 0
    for event in reader.events:
        what, where = f"seed {seed}: {reader.name}: {event} after {at}", event["change"]
        if where == "gap":
            has_gap, gaps = True, gaps + 1
        elif where == "snapshot":
            assert has_gap, f"a snapshot without a gap: {what}"
            state, in_snapshot, before, at = {}, True, at, None
        elif where == "state":
            assert in_snapshot, what
            take(state, event)
        elif where == "resumed":
            assert position(event) == at and not in_snapshot, what
        elif where == "live":
            assert at is None or position(event) == at, what
            at, has_gap, in_snapshot = position(event), False, False
            assert not before or at[0] != before[0] or at[1] - before[1] > JOURNAL, f"a gap that need not be: {what}"
            assert state == states.get(at, state), f"another state: {what}: {state} {states[at]}"
        elif where in TRANSITIONS:
            # During a snapshot, those that are later than what was told of other processes.
            assert in_snapshot and at is None or position(event) == (at[0], at[1] + 1), f"not the next one: {what}"
            at, count = position(event), count + 1
            take(state, event)
            assert event == told.get(at, event), f"{what}, but in the record {told[at]}"
        else:
            assert where == "lost", what
    return count, gaps


daemon = Daemon()
full = Reader("full")
until(lambda: full.has("live"), "the first one is live")
cut, slow = Reader("cut"), SlowReader("slow")
until(lambda: cut.has("live") and slow.has("live"), "the others are live")
workers = [worker() for _ in range(12)]
for turn in range(4):
    for _ in range(40):
        step()
        if turn != 1:
            slow.read()
    if turn == 1:
        flood()
        until(lambda: slow.has("gap", 2), "it has not read for so long that there is a gap")
    if turn < 3:
        daemon.restart()
last = worker()
mark(last)
until(lambda: any(e["change"] == "ready" and e["pid"] == last.pid for e in full.read()), "the last one")
for reader in cut, slow:
    until(lambda: reader.position() == full.position(), f"{reader.name} has all: {reader.position()} {full.position()}")
told, states = record()
found = {reader.name: compare(reader, told, states) for reader in (full, cut, slow)}
assert found["full"][1] == found["cut"][1] == 3 and found["slow"][1] == 4, f"seed {seed}: gaps: {found}"
for reader in full, cut, slow:
    reader.kill()
daemon.process.kill()
for left in workers + [last]:
    left.kill()
print(f"seed {seed}: {cut.parts} parts, transitions and gaps: {found}")
