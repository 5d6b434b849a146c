"""What happens in a schedule, as data that follows from its seed alone.

An operation is (pause in microseconds before it, name, arguments). Workers are named w0, w1, ... in the order of their
creation. What cannot be done when its turn comes, since an earlier operation has failed, is left out by run.py.
"""
import random

# Ways of making a marker, and what may be in their way.
MAKE = ("create", "rename", "link", "tmpfile", "empty")
OBSTACLES = ("directory", "symlink", "fifo")
WAYS = ("wait", "wait", "wait", "wait-many", "no-fallback", "file", "library", "library", "library-file", "python",
        "python-file", "wire-wait", "wire-gate", "status", "status", "query", "stale-fail", "strict")
# What is undone by another operation, or at the end.
FAULTS = {"freeze": "thaw", "kill": "start", "end": "start", "limit": "unlimit", "cover": "uncover", "move": "move-back"}


class Story:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.operations = []
        self.workers = []
        self.pace = self.dice.choice((0, 500, 3000, 15000, 40000))
        self.faults = []
        self.options = {"mode": self.dice.choice((0o755, 0o755, 0o1777)), "daemon": self.dice.random() < 0.85,
                        "settle": self.dice.random() < 0.5}

    def pause(self):
        return 0 if self.dice.random() < 0.3 else int(self.dice.expovariate(1 / (self.pace + 1)))

    def add(self, name, *arguments):
        self.operations.append((self.pause(), name) + arguments)

    def sleep(self):
        return f"sleep:{int(self.dice.expovariate(1 / (self.pace + 200)))}"

    def marking(self):
        """The steps that lead to a marker, or not quite."""
        dice, steps = self.dice, []
        if dice.random() < 0.2:
            steps += [dice.choice(OBSTACLES), self.sleep(), "clear"]
        if dice.random() < 0.1:
            steps += ["exec"]
        if dice.random() < 0.12:
            steps += ["headless", self.sleep()]
        steps += [dice.choice(MAKE)]
        if dice.random() < 0.1:
            steps += ["exec"]
        for step, share in (("rewrite", 0.15), ("rename", 0.1), ("remove", 0.2)):
            if dice.random() < share:
                steps += [self.sleep(), step]
        return steps

    def steps(self):
        dice = self.dice
        steps = [self.sleep()] if dice.random() < 0.8 else []
        if dice.random() < 0.8:
            steps += self.marking()
        end = dice.random()
        if end < 0.3:
            steps += [self.sleep()] * (dice.random() < 0.5) + [dice.choice(("exit:0", "exit:7", "kill:9", "kill:15"))]
        else:
            steps += ["park"]
        return steps

    def worker(self):
        name = f"w{len(self.workers)}"
        reuses = self.dice.choice(self.workers) if self.workers and self.dice.random() < 0.35 else None
        # How long after the end of the former process: beyond what stamps can tell apart, or not.
        self.add("worker", name, self.steps(), reuses, self.dice.choice((0, 30, 90)))
        self.workers.append(name)

    def targets(self, count):
        return [self.dice.choice(self.workers) for _ in range(count)]

    def timeout(self):
        return self.dice.choice((0, 20, 100, 400)) if self.dice.random() < 0.25 else 60000

    def ask(self):
        way = self.dice.choice(WAYS)
        count = self.dice.randint(2, 12) if way in ("wait-many", "library", "library-file") else 1
        for _ in range(self.dice.choice((1, 1, 1, 2, 5))):
            self.add("ask", way, sorted(set(self.targets(count))), self.timeout(), self.dice.random() < 0.3)

    def run(self):
        name = f"w{len(self.workers)}"
        self.add("run", name, self.steps(), self.timeout(), self.dice.random() < 0.2)
        self.workers.append(name)

    def fault(self):
        name = self.dice.choice(tuple(FAULTS))
        if name in self.faults:
            return
        self.faults.append(name)
        self.add(name, self.dice.randrange(16))

    def undo(self):
        if self.faults:
            self.add(FAULTS[self.faults.pop(self.dice.randrange(len(self.faults)))], self.dice.randrange(16))

    def disturb(self):
        dice = self.dice
        name = dice.choices(("unlink-socket", "unlink-lock", "second", "replace", "flood", "mute", "garbage", "noise",
                             "hang-up", "crowd-of-starts", "restart", "detour"),
                            (3, 1, 3, 4, 1, 3, 3, 4, 3, 1, 5, 3))[0]
        self.add(name, dice.randrange(1 << 16))

    def touch(self):
        """An operation on a worker, or on its marker by another process."""
        name = self.dice.choice(("slay", "slay", "reap", "mark-for", "mark-other-user", "remove-for", "rewrite-for",
                                 "obstruct", "halt"))
        self.add(name, self.dice.choice(self.workers), self.dice.choice(OBSTACLES))

    def write(self):
        self.worker()
        for _ in range(self.dice.randint(12, 40)):
            self.dice.choices((self.worker, self.ask, self.run, self.fault, self.undo, self.disturb, self.touch),
                              (20, 34, 3, 9, 8, 9, 14))[0]()
        return self


def schedule(seed):
    story = Story(seed).write()
    return story.options, story.operations
