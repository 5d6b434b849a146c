"""The clients that ask, and what they are told."""
import contextlib
import json
import os
import random
import selectors
import socket
import sys

import asker
from history import Answer, Ask, Life
from place import now, start_of


class Clients:
    """What a schedule does with clients; a part of run.Run."""

    def start_asker(self, asks, command=None, function=None, **environment):
        read, write = os.pipe()
        if command is not None:
            pid = self.spawn(command, write, **environment)
        else:
            pid = os.fork()
            if pid == 0:
                self.be_asker(write, function, environment)
        os.close(write)
        self.asking[pid] = [asks, b""]
        self.selector.register(read, selectors.EVENT_READ, lambda: self.on_output(pid, read))

    def be_asker(self, write, function, environment):
        status = 1
        try:
            os.dup2(write, 1)
            os.dup2(os.open(f"{self.place.top}/err", os.O_WRONLY | os.O_APPEND | os.O_CREAT), 2)
            os.closerange(3, 1024)
            sys.stdout = os.fdopen(1, "w")
            os.environ.update(self.environment)
            os.environ.update(environment)
            function()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def on_output(self, pid, fd):
        data = os.read(fd, 65536)
        entry = self.asking[pid]
        entry[1] += data
        while b"\n" in entry[1]:
            line, entry[1] = entry[1].split(b"\n", 1)
            self.on_line(entry[0], line.decode())
        if data:
            return
        self.selector.unregister(fd)
        os.close(fd)
        del self.asking[pid]
        _, status = os.waitpid(pid, 0)
        self.on_exit(entry[0], os.waitstatus_to_exitcode(status))

    def on_line(self, asks, line):
        at = now()
        self.say(f"{asks[0].way}: {line}")
        if asks[0].way == "run":
            self.on_run_line(asks[0], at, json.loads(line))
            return
        words = line.split()
        if words[0] == "error":
            return
        keys = dict(word.split("=", 1) for word in words[2:] if "=" in word)
        pid = int(words[1])
        ask = self.ask_of(asks, pid, keys)
        if ask is None:
            self.faults.append(f"an answer that was not asked for: {line}")
        else:
            self.history.answers.append(Answer(ask.number, at, words[0], pid, keys))

    def ask_of(self, asks, pid, keys):
        """A number with two processes has two questions."""
        open_asks = [ask for ask in asks if self.workers[ask.name] == pid and not self.has_answer(ask)]
        start = int(keys.get("start", 0))
        exact = [ask for ask in open_asks if self.history.life(ask.name).start == start]
        return (exact or open_asks or [None])[0]

    def has_answer(self, ask):
        return any(answer.ask == ask.number for answer in self.history.answers)

    EXITS = {"ready": (0,), "pending": (1, 124), "died": (3,), "exited": (4,), "stale": (5, 124), "unreachable": (6,)}

    def on_exit(self, asks, status):
        """One that ends without an answer has failed."""
        answered = [answer for answer in self.history.answers if answer.ask == asks[0].number]
        program = asks[0].way in ("wait", "no-fallback", "file", "status", "query", "stale-fail", "strict")
        if program and len(asks) == 1 and answered and status not in self.EXITS[answered[0].verdict]:
            self.faults.append(f"ask {asks[0].number} ({asks[0].way}): exit status {status} with {answered[0]}")
        for ask in asks:
            if not self.has_answer(ask):
                self.history.answers.append(Answer(ask.number, now(), "error", 0, {"exit": str(status)}))

    # A time-out of 0 is given as it is: a wait that only looks.
    def do_ask(self, way, names, timeout, by_start):
        names = [name for name in names if name in self.workers]
        if way.startswith("python") or way.startswith("wire"):
            names = names[:1]
        seen, chosen = set(), []
        for name in names:
            # One number twice is one question, unless their starts are named.
            if by_start or self.workers[name] not in seen:
                chosen.append(name)
            seen.add(self.workers[name])
        if not chosen:
            return
        # Otherwise any process that has the number by now may be meant, even a client.
        by_start = by_start or any(self.is_reaped(name) for name in chosen)
        chosen = [name for name in chosen if not by_start or self.history.life(name).start]
        if not chosen:
            return
        if not by_start:
            chosen = [self.last_of(self.workers[name]) for name in chosen]
        asks = []
        for name in chosen:
            asks.append(Ask(len(self.history.asks), way, name, now(), timeout * 10**6, not by_start, len(chosen) > 1))
            self.history.asks.append(asks[-1])
        words = [f"{self.workers[n]}:{self.history.life(n).start}" if by_start else str(self.workers[n])
                 for n in chosen]
        self.say(f"ask {asks[0].number} {way} {' '.join(words)} timeout={timeout}")
        self.start_way(way, asks, words, timeout)

    def is_reaped(self, name):
        """Or will be, by its parent."""
        return name not in self.zombies and (self.is_dead(name) or name in self.run_workers)

    def last_of(self, pid):
        return [name for name, number in self.workers.items() if number == pid][-1]

    def start_way(self, way, asks, words, timeout):
        wait = [self.place.readyctl, "wait", "--timeout", f"{timeout}ms"]
        seconds = timeout / 1000
        socket_path = self.place.socket
        if way in ("wait", "wait-many"):
            self.start_asker(asks, wait + words)
        elif way == "file":
            self.start_asker(asks, wait + words, READYD_BACKEND="file")
        elif way in ("no-fallback", "stale-fail", "strict"):
            option = {"no-fallback": "--no-fallback", "stale-fail": "--stale=fail", "strict": "--strict-age"}[way]
            self.start_asker(asks, wait + [option] + words)
        elif way in ("status", "query"):
            self.start_asker(asks, [self.place.readyctl, "status"] + words)
        elif way.startswith("library"):
            backend = "file" if way == "library-file" else "auto"
            self.start_asker(asks, [self.place.waiter, str(timeout)] + words, READYD_BACKEND=backend)
        elif way.startswith("python"):
            backend = "file" if way == "python-file" else "auto"
            self.start_asker(asks, function=lambda: asker.run(asker.package, words[0], seconds),
                             READYD_BACKEND=backend)
        elif way == "wire-wait":
            self.start_asker(asks, function=lambda: asker.run(asker.wire_wait, socket_path, words[0], seconds))
        else:
            self.start_asker(asks, function=lambda: asker.run(asker.wire_gate, socket_path, words[0], seconds))

    def do_run(self, name, steps, timeout, detach):
        ask = Ask(len(self.history.asks), "run", name, now(), timeout * 10**6)
        self.history.asks.append(ask)
        self.start_asker([ask], [self.place.readyctl, "run", "--json", "--timeout", f"{timeout}ms", "--kill-after",
                                 "1s"] + ["--detach"] * detach + ["--"] + self.worker_command(name, steps))

        def has_begun():
            return self.find_run_worker(name) or self.has_answer(ask)
        self.wait_until(has_begun)

    def find_run_worker(self, name):
        for line in self.log_lines():
            if line[0] == name and line[2] == "up":
                return self.know_run_worker(name, int(line[3]), int(line[1]))
        return False

    def know_run_worker(self, name, pid, at):
        """Its parent ends it, and reaps it, when it likes."""
        if name in self.workers:
            return True
        ask = next(ask for ask in self.history.asks if ask.name == name)
        life = Life(name, pid, 0, (ask.asked, at), (at, None))
        self.workers[name] = pid
        self.run_workers.add(name)
        self.history.lives.append(life)
        try:
            self.watch_end(name, pid)
            life.start = start_of(pid)
        except OSError:
            life.ended = (at, now())
        return True

    def on_run_line(self, ask, at, answer):
        self.find_run_worker(ask.name)
        if self.has_answer(ask) or ask.name not in self.workers:
            return
        keys = {key: str(answer[key]) for key in ("start", "reason") if answer.get(key) is not None}
        self.history.answers.append(Answer(ask.number, at, answer["verdict"], answer["pid"], keys))

    def log_lines(self):
        with open(self.place.log, encoding="ascii") as file:
            return [line.split() for line in file if line.endswith("\n")]

    def do_mute(self, dice):
        """Asks a lot, and reads nothing."""
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.connect(self.place.socket)
            numbers = list(self.workers.values()) or [1]
            for i in range(200):
                client.send(f"{('QUERY', 'WAIT')[i % 2]} {numbers[(dice + i) % len(numbers)]}\nLIST\n".encode())
        self.held.append(client)

    def do_garbage(self, dice):
        dice = random.Random(dice)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            client.connect(self.place.socket)
            client.send(dice.randbytes(dice.choice((1, 100, 1000))))
