"""Kills the parts of a fleet while 1,000 waits are open: python3 fleet_chaos.py SEED PORT CONFIG SECONDS.

The parts are a broker that is started with CONFIG, and four nodes, each a daemon and its bridge; the workers are
processes of this program. Parts are killed and started again, and workers become ready or end, in an order that follows
from the seed. Each line of a wait is compared with what was done to the worker, and each exit status with the lines; at
the end, mosquitto_sub must find the broker to have what is."""

import ctypes
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import time

seed, port, config, seconds = (arg for arg in sys.argv[1:])
build, top = os.environ["BUILD"], os.getcwd()
rng = random.Random(int(seed))
libc = ctypes.CDLL(None)
NODES, WAITS, GROUP, MORTAL = "abcd", 1000, 25, 15
DEATHS, BRIDGES_DIE = "ab", "cd"
CODES = {"ready": 0, "died": 3, "exited": 4, "unreachable": 6}
PATIENCE = 60
is_stored = "persistence true" in open(config).read()
began = time.monotonic()
history = []


def note(text):
    history.append("%7.3f %s" % (time.monotonic() - began, text))


def check(condition, text):
    if not condition:
        print("\n".join(history[-60:]))
        print("seed %s: %s" % (seed, text))
        sys.exit(1)


def start(argv, **more):
    """Ends with this program."""
    return subprocess.Popen(argv, preexec_fn=lambda: libc.prctl(1, signal.SIGKILL), **more)


class Part:
    def __init__(self, name, argv):
        self.name, self.argv = name, argv
        self.log = open(f"{name}.log", "a")
        self.killed_at = self.started_ms = 0
        self.lost_at = None
        self.start()

    def start(self):
        note(f"start {self.name}")
        self.started_ms = time.time() * 1000
        self.process = start(self.argv, stdout=self.log, stderr=self.log)
        self.is_up = True

    def kill(self):
        note(f"kill {self.name}")
        self.process.kill()
        check(self.process.wait() == -signal.SIGKILL, f"{self.name} has ended by itself")
        self.is_up, self.killed_at = False, time.monotonic()
        self.lost_at = self.lost_at or self.killed_at

    def may_be_lost(self):
        return self.lost_at and time.monotonic() - self.lost_at > 9


class Worker:
    """A cat(1) that lives until it is killed, or this program has ended."""
    alive, held = os.pipe()

    def __init__(self, node):
        self.node, self.is_marked, self.is_dead, self.is_mortal, self.told = node, False, False, False, None
        self.pid = os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, Worker.alive, 0)])
        with open(f"/proc/{self.pid}/stat") as file:
            self.start = file.read().rsplit(")", 1)[1].split()[19]

    def mark(self):
        self.is_marked = True
        open(f"{self.node}/m/ktstr-worker-ready-{self.pid}", "w").close()

    def die(self):
        note(f"worker {self.node}/{self.pid} dies")
        self.is_dead = True
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def target(self):
        return f"{self.node}/{self.pid}" + (f":{self.start}" if rng.random() < 0.5 else "")


class Wait:
    """A readyctl fleet wait for some workers of one node."""

    def __init__(self, workers):
        self.workers = {f"{w.node}/{w.pid}": w for w in workers}
        self.node = workers[0].node
        self.needed = rng.choice([len(workers)] * 8 + [1, (len(workers) + 1) // 2])
        self.told, self.rest, self.began = [], b"", time.monotonic()
        self.process = start([f"{build}/client/readyctl-fleet", "wait", "--broker", f"127.0.0.1:{port}", "--count",
                              str(self.needed), *[w.target() for w in workers]], stdout=subprocess.PIPE,
                             stderr=open("waits.err", "a"))
        selector.register(self.process.stdout, selectors.EVENT_READ, self.read)

    def read(self):
        data = os.read(self.process.stdout.fileno(), 65536)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.take(line.decode())
        if not data:
            self.end()

    def take(self, line):
        verdict, name, *fields = line.split()
        worker = self.workers.get(name)
        check(worker, f"no such process was waited for: {line}")
        check(name not in [name for _, name in self.told], f"told twice: {line}")
        self.told.append((verdict, name))
        if verdict == "unreachable":
            check("reason=node-offline" in fields, line)
            check(may_be_offline(self), f"the node was online: {line}")
            return
        check(f"start={worker.start}" in fields, f"another process: {line}")
        if verdict == "ready":
            check(worker.is_marked, f"a false ready: {line}")
        else:
            check(verdict == "died" and worker.is_dead, f"not true: {line}")
        worker.told = verdict

    def end(self):
        selector.unregister(self.process.stdout)
        waits.remove(self)
        good = sum(verdict == "ready" for verdict, _ in self.told)
        bad = [verdict for verdict, _ in self.told if verdict != "ready"]
        code = self.process.wait()
        check(good >= self.needed or len(self.workers) - len(bad) < self.needed, f"ends too soon: {code} {self.told}")
        check(code == (0 if good >= self.needed else CODES[bad[0]]), f"exit status {code}: {self.told}")
        wait_for([w for w in self.workers.values() if not w.told])


def wait_for(workers):
    """For those that were not told, again: a node that was offline comes back."""
    if workers:
        again.append((time.monotonic() + 0.3, workers))


def may_be_offline(wait):
    """Whether its bridge was killed since the wait began, or not known to be online again by then. A broker that stores what
    it retains may come back with a will that was put right since, which the first connection of a wait believes. And a daemon
    that the bridge has not found again for 10 seconds makes its node offline."""
    bridge, online = bridges[wait.node], online_at[wait.node]
    return daemons[wait.node].may_be_lost() or not bridge.is_up or online < bridge.killed_at or wait.began < online or \
        is_stored and broker.killed_at > bridge.killed_at > 0 and wait.began > broker.killed_at - 5


class Reader:
    """mosquitto_sub, which knows nothing of this project; it connects again by itself."""

    def __init__(self):
        self.rest = b""
        self.process = start(["mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-q", "1", "-t", "readyd/1/+/status",
                              "-F", "%t %p"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        selector.register(self.process.stdout, selectors.EVENT_READ, self.read)

    def read(self):
        data = os.read(self.process.stdout.fileno(), 65536)
        if not data:
            selector.unregister(self.process.stdout)
            self.__init__()
            return
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            topic, text = line.decode().split(" ", 1)
            node, status = topic.split("/")[2], json.loads(text)
            note(f"{node} is {status['state']}")
            if status["state"] == "online" and status["time_ms"] >= int(daemons[node].started_ms) and daemons[node].is_up:
                daemons[node].lost_at = None
            is_later = status["time_ms"] >= int(bridges[node].started_ms) and bridges[node].is_up
            if status["state"] == "online" and is_later and online_at.get(node, -1) < bridges[node].killed_at:
                online_at[node] = time.monotonic()


def retained():
    """What the broker has now, by topic."""
    got = subprocess.run(["mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-t", "readyd/1/#", "-F", "%t %p", "-W", "2"],
                         stdout=subprocess.PIPE, text=True)
    return dict((topic, json.loads(text)) for topic, text in (line.split(" ", 1) for line in got.stdout.splitlines()))


def wrong():
    """What the broker has that is not so, or lacks."""
    have = retained()
    epochs = {node: have.get(f"readyd/1/{node}/status", {}) for node in NODES}
    if any(status.get("state") != "online" for status in epochs.values()):
        return f"status: {epochs}"
    live = {f"readyd/1/{w.node}/process/{w.pid}:{w.start}" for w in workers if not w.is_dead}
    for topic in live:
        if have.get(topic, {}).get("verdict") != "ready":
            return f"{topic}: {have.get(topic)}"
    for topic, state in have.items():
        node, kind = topic.split("/")[2:4]
        if state["epoch"] != epochs[node]["epoch"]:
            return f"an old epoch: {topic} {state}"
        if kind == "process" and topic not in live and state["verdict"] != "died":
            return f"{topic}: {state}"
    return None


def turn(until):
    now = time.monotonic()
    while again and again[0][0] <= now:
        left = [w for w in again.pop(0)[1] if not w.is_dead]
        if left:
            waits.append(Wait(left))
    for at, part in list(down):
        if at <= now:
            part.start()
            down.remove((at, part))
    due = [until, now + 0.5] + [at for at, _ in again[:1]] + [at for at, _ in down]
    for key, _ in selector.select(max(0, min(due) - now)):
        key.data()


def pass_time(span):
    until = time.monotonic() + span
    while time.monotonic() < until:
        turn(until)


def until_true(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        turn(time.monotonic() + 0.1)
        check(time.monotonic() < end, f"still not true: {what()}")


def kill(parts):
    parts = [part for part in parts if part.is_up]
    if parts:
        part = rng.choice(parts)
        part.kill()
        down.append((time.monotonic() + rng.choice([0, rng.uniform(0, 1.5)]), part))


def act():
    what = rng.choice(["mark"] * 8 + ["die"] * 2 + ["broker", "bridge", "daemon", "daemon"])
    if what == "mark":
        left = [w for w in workers if not w.is_marked and not w.is_dead and not w.is_mortal]
        for worker in rng.sample(left, min(len(left), rng.randint(1, 20))):
            worker.mark()
    elif what == "die":
        left = [w for w in workers if w.is_mortal and not w.is_dead]
        if left:
            rng.choice(left).die()
    else:
        kill({"broker": [broker], "bridge": [bridges[n] for n in BRIDGES_DIE], "daemon": list(daemons.values())}[what])


# Waits for them on their nodes make the daemons follow them.
workers = [Worker(NODES[i % len(NODES)]) for i in range(WAITS)]
for node in DEATHS:
    for worker in [w for w in workers if w.node == node][:MORTAL]:
        worker.is_mortal = True
selector = selectors.DefaultSelector()
waits, again, down, online_at = [], [], [], {}
broker = Part("broker", ["mosquitto", "-c", config])
daemons, bridges = {}, {}
for node in NODES:
    os.makedirs(f"{node}/m")
    daemons[node] = Part(f"daemon-{node}", [f"{build}/daemon/readyd", "--socket", f"{top}/{node}/s", "--dir", f"{top}/{node}/m"])
    bridges[node] = Part(f"bridge-{node}", ["env", "READYD_DIR=", f"{build}/fleet/readyd-mqtt", "--broker", f"127.0.0.1:{port}",
                                            "--node", node, "--socket", f"{top}/{node}/s"])
Reader()
until_true(lambda: len(online_at) == len(NODES), lambda: online_at)
for worker in workers:
    if worker.is_mortal:
        start([f"{build}/client/readyctl", "wait", str(worker.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
              env={**os.environ, "READYD_SOCKET": f"{top}/{worker.node}/s", "READYD_DIR": f"{top}/{worker.node}/m"})
mortals = [w for w in workers if w.is_mortal]
pending = {f"readyd/1/{w.node}/process/{w.pid}:{w.start}" for w in mortals}
until_true(lambda: pending <= retained().keys(), lambda: pending - retained().keys())
for node in NODES:
    of_node = [w for w in workers if w.node == node]
    rng.shuffle(of_node)
    waits += [Wait(of_node[i:i + GROUP]) for i in range(0, len(of_node), GROUP)]
pass_time(2)
check(sum(len(wait.workers) for wait in waits) == WAITS, "a wait has ended too soon")

until = time.monotonic() + float(seconds)
while time.monotonic() < until:
    act()
    pass_time(rng.uniform(0.02, 0.4))
open_waits = sum(1 for w in workers if not w.told)
for worker in workers:
    if not worker.is_dead:
        worker.mark()
until_true(lambda: not waits and not again, lambda: [w.workers.keys() for w in waits])
check(all(w.told for w in workers if not w.is_dead), "a wait was not told")
until_true(lambda: not wrong(), wrong)
kills = [line.split()[2].split("-")[0] for line in history if " kill " in line]
print("killed:", ", ".join(f"{kills.count(what)} times a {what}" for what in ("broker", "bridge", "daemon")))
print("waits:", WAITS, "of which open at the end of it:", open_waits, "died:", sum(w.is_dead for w in workers))
