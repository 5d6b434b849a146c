"""The history of a schedule, and whether the promises of readyd(8) hold in it.

Each moment is an interval (begin, end) in nanoseconds of CLOCK_MONOTONIC, in which it certainly lies; None as its end
means that it was not seen to be over. So "possible" and "certain" are different questions, and only what is certainly
wrong is reported.
"""
from dataclasses import dataclass, field
from typing import List, Optional

NEVER = 1 << 63
# readyd(8), Time stamps: a stamp of a local file system may be 40 ms early. A start is rounded down to 10 ms.
ASSUMED_NS = 60 * 10**6
# Between what a program does and what is seen of it.
CLOCK_NS = 2 * 10**6
# These say that something is not known.
UNKNOWN = ("age-unknown", "identity-unknown", "no-resources", "look-failed", "name-collision", "came-and-went")


@dataclass
class Life:
    """One process. The end is when it may have died at first, and when it was certainly dead."""
    name: str
    pid: int
    start: int
    born: tuple
    ended: tuple = (NEVER, None)
    status: Optional[str] = None  # "status=0", "signal=9"

    def dead_at(self):
        return NEVER if self.ended[1] is None else self.ended[1]


@dataclass
class Touch:
    """Something was done to a marker. mark: a valid one of that process came to be; done None: perhaps."""
    name: str
    pid: int
    what: str
    began: int
    ended: Optional[int] = None
    done: Optional[bool] = None
    marks: bool = False

    def over(self):
        return NEVER if self.ended is None else self.ended


@dataclass
class Ask:
    number: int
    way: str
    name: str  # the process that is meant
    asked: int
    timeout: int  # nanoseconds
    by_number: bool = True  # not as pid:start
    many: bool = False  # a wait ends early if another process cannot become ready


@dataclass
class Answer:
    ask: int
    at: int
    verdict: str
    pid: int
    keys: dict = field(default_factory=dict)


@dataclass
class History:
    lives: List[Life] = field(default_factory=list)
    touches: List[Touch] = field(default_factory=list)
    asks: List[Ask] = field(default_factory=list)
    answers: List[Answer] = field(default_factory=list)
    # (begin, end, what): something is wrong with the directory, the daemon.
    directory: List[tuple] = field(default_factory=list)
    daemon: List[tuple] = field(default_factory=list)
    private: bool = False  # only root and the user of the processes can write to the directory

    def life(self, name):
        return next((life for life in self.lives if life.name == name), None)


def overlaps(intervals, begin, end):
    return any(began <= end and (NEVER if over is None else over) >= begin for began, over, _ in intervals)


class Judge:
    def __init__(self, history):
        self.history = history
        self.faults = []

    # --- what is possible, what is certain

    def marks(self, life):
        return [t for t in self.history.touches if t.name == life.name and t.marks and t.done is not False]

    def may_be_marked(self, life, by):
        """Its own marker may have come before that moment, while it may have lived."""
        return any(t.began <= min(by, life.dead_at()) for t in self.marks(life))

    def may_be_assumed(self, life, answer):
        """The stated exception: a leftover too young to tell."""
        return answer.keys.get("age") == "assumed" and any(
            t.pid == life.pid and t.name != life.name and t.marks and t.over() >= life.born[0] - ASSUMED_NS
            for t in self.history.touches)

    def may_be_a_flash(self, life, answer):
        """What came and went before any look counts, where only its user could have made it, whatever it was."""
        if not self.history.private:
            return False
        own = [t for t in self.history.touches if t.pid == life.pid and t.done is not False and t.began <= answer.at]
        came = [t.began for t in own if t.over() >= life.born[0] and
                t.what in ("symlink", "fifo", "obstruct", "mark-other-user")]
        return bool(came) and any(t.what in ("clear", "remove", "remove-for") and t.over() >= min(came) for t in own)

    def is_undisturbed(self, mark, until):
        """Nothing could have hidden or removed this marker since."""
        if overlaps(self.history.directory, mark.began, until):
            return False
        return not any(t is not mark and t.pid == mark.pid and t.over() >= mark.began and t.began <= until
                       for t in self.history.touches)

    def is_marked(self, life, since, until):
        """It certainly had its marker at both moments and in between."""
        return any(t.done and t.over() < since and t.over() <= life.ended[0] and self.is_undisturbed(t, until)
                   for t in self.marks(life))

    def is_reused(self, life, by):
        return any(o.pid == life.pid and o is not life and o.born[0] > life.born[0] and o.born[0] <= by
                   for o in self.history.lives)

    # --- the promises

    def fault(self, ask, answer, text):
        self.faults.append(f"ask {ask.number} ({ask.way}) of {ask.name}: {answer.verdict} {answer.pid} "
                           f"{' '.join(f'{k}={v}' for k, v in answer.keys.items())}: {text}")

    def may_be_ready(self, life, answer):
        return self.may_be_marked(life, answer.at) or self.may_be_assumed(life, answer) or \
            self.may_be_a_flash(life, answer)

    def ready(self, ask, life, answer):
        if not self.may_be_ready(life, answer):
            self.fault(ask, answer, "no moment at which its marker existed and it lived")
        if life.dead_at() < ask.asked:
            self.fault(ask, answer, "it was dead before the question")

    def may_be_of_another(self, ask, life, answer):
        """What is not seen of a process that has been reaped: that another one had the number later, and has ended
        too, and of which user it was. Where only the number is known, any process that had it is meant."""
        nameless = ask.by_number and int(answer.keys.get("start", 0)) == 0
        other = any(o.pid == life.pid and o is not life and (nameless or life.born[0] < o.born[0]) and
                    o.ended[0] <= answer.at and self.may_be_marked(o, answer.at) for o in self.history.lives)
        return other or any(t.pid == life.pid and t.what == "mark-other-user" and t.began <= answer.at
                            for t in self.history.touches)

    def exited(self, ask, life, answer):
        if life.ended[0] > answer.at:
            self.fault(ask, answer, "it was alive")
        if not self.may_be_of_another(ask, life, answer) and not self.may_be_ready(life, answer):
            self.fault(ask, answer, "it never had a marker")

    def died(self, ask, life, answer):
        if life.ended[0] > answer.at:
            self.fault(ask, answer, "it was alive")
        if answer.keys.get("reason") not in UNKNOWN and not self.is_reused(life, answer.at) and \
                self.is_marked(life, life.ended[0] + 1, answer.at):
            self.fault(ask, answer, "it had its marker when it died")

    def pending(self, ask, life, answer):
        deadline = ask.asked + ask.timeout
        looked = deadline if answer.keys.get("reason") == "deadline" else ask.asked
        if answer.keys.get("reason") == "deadline" and answer.at < deadline - CLOCK_NS:
            self.fault(ask, answer, "before the deadline")
        if self.needs_daemon(ask) and overlaps(self.history.daemon, ask.asked, answer.at):
            return
        if life.dead_at() < looked:
            self.fault(ask, answer, "it was dead")
        if answer.keys.get("reason") not in UNKNOWN and ask.way not in ("wire-gate", "strict", "run") and \
                self.is_marked(life, looked, answer.at):
            self.fault(ask, answer, "its marker was there")

    def stale(self, ask, life, answer):
        others = [t for t in self.history.touches if t.pid == life.pid and t.began <= answer.at and
                  (t.name != life.name or t.what == "mark-other-user")]
        if not others:
            self.fault(ask, answer, "no other process could have left a marker")
        if self.is_marked(life, ask.asked, answer.at):
            self.fault(ask, answer, "its own marker was there")

    def unreachable(self, ask, life, answer):
        if not overlaps(self.history.directory, ask.asked, answer.at):
            self.fault(ask, answer, "nothing was wrong with the directory")

    def error(self, ask, life, answer):
        wrong = self.history.daemon + self.history.directory
        if not self.needs_daemon(ask) or not overlaps(wrong, ask.asked, answer.at):
            self.fault(ask, answer, "an error, and nothing was wrong with the daemon")

    @staticmethod
    def needs_daemon(ask):
        return ask.way in ("no-fallback", "wire-wait", "wire-gate")

    def status(self, ask, life, answer):
        """What is said of its end is true."""
        said = next((f"{k}={answer.keys[k]}" for k in ("status", "signal") if k in answer.keys), None)
        if said is not None and said != "status=unknown" and life.status is not None and said != life.status:
            self.fault(ask, answer, f"its end was {life.status}")

    def whose(self, ask, answer):
        """The process that the answer is about: it says so by its start."""
        meant, start = self.history.life(ask.name), int(answer.keys.get("start", 0))
        if meant is None or start in (0, meant.start) or meant.start == 0:
            return meant
        other = next((o for o in self.history.lives if (o.pid, o.start) == (answer.pid, start)), None)
        if other is None or not ask.by_number:
            self.fault(ask, answer, f"it has the start {meant.start}")
        elif other.dead_at() < ask.asked:
            self.fault(ask, answer, "that process was dead before the question")
        return other

    def judge(self):
        for answer in self.history.answers:
            ask = self.history.asks[answer.ask]
            life = self.whose(ask, answer)
            if life is not None:
                getattr(self, answer.verdict)(ask, life, answer)
                self.status(ask, life, answer)
        self.all_answered()
        self.nothing_forgotten()
        return self.faults

    def all_answered(self):
        answered = {answer.ask for answer in self.history.answers}
        for ask in self.history.asks:
            if ask.number not in answered:
                self.faults.append(f"ask {ask.number} ({ask.way}) of {ask.name}: no answer")

    def nothing_forgotten(self):
        """The latch: what a daemon has said is ready stays so for it, while it serves without a fault."""
        said = [(a, self.history.asks[a.ask]) for a in self.history.answers if a.verdict == "ready"]
        for answer in self.history.answers:
            ask = self.history.asks[answer.ask]
            if ask.way != "wire-wait" or answer.verdict not in ("pending", "died", "stale"):
                continue
            if any(self.needs_daemon(other) and other.name == ask.name and before.at < ask.asked and
                   not overlaps(self.history.daemon, other.asked, answer.at) for before, other in said):
                self.fault(ask, answer, "the daemon has said that it is ready")


def judge(history):
    return Judge(history).judge()
