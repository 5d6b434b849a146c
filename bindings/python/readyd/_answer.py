"""Verdicts and answers; see readyctl(1)."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Optional


class Verdict(str, enum.Enum):
    """What is known of one process."""

    READY = "ready"
    PENDING = "pending"
    DIED = "died"
    EXITED = "exited"
    STALE = "stale"
    UNREACHABLE = "unreachable"

    def __str__(self) -> str:
        return self.value


_EXIT = {Verdict.READY: 0, Verdict.PENDING: 1, Verdict.DIED: 3, Verdict.EXITED: 4, Verdict.STALE: 5,
         Verdict.UNREACHABLE: 6}

REASONS = frozenset((
    "deadline", "not-a-file", "not-started", "no-process", "pid-reused", "older-than-process", "foreign-owner",
    "no-directory", "directory-denied", "namespace-denied", "name-collision", "no-resources", "identity-unknown",
    "age-unknown", "look-failed", "directory-hangs", "came-and-went", "connection-lost", "node-offline"))


@dataclass(frozen=True)
class Answer:
    """One answer. pid and start together identify the process; start is None if it is not known."""

    verdict: Verdict
    pid: int
    start: Optional[int] = None
    status: Optional[int] = None  # exit status
    signal: Optional[int] = None  # in place of a status
    core: bool = False
    reason: Optional[str] = None
    detail: Optional[str] = None  # with reason "deadline": why the last look found no valid marker
    backend: str = "file"  # or "daemon"
    latched: bool = False  # seen ready before; the marker has been removed since
    empty: bool = False  # the marker is an empty file
    age_assumed: bool = False  # too close to the start of the process to tell which is older
    # An end without a status, which may be one that the kernel does not report.
    gone: bool = field(default=False, repr=False)

    @property
    def ready(self) -> bool:
        return self.verdict is Verdict.READY

    @property
    def exit_code(self) -> int:
        """The exit status of readyctl(1) for this answer; 124 for a wait that has timed out."""
        return 124 if self.reason == "deadline" else _EXIT[self.verdict]

    def __str__(self) -> str:
        """The line that readyctl(1) prints."""
        words = [str(self.verdict), str(self.pid)]
        if self.start is not None:
            words.append(f"start={self.start}")
        if self.reason is not None:
            words.append(f"reason={self.reason}")
        if self.signal is not None:
            words.append(f"signal={self.signal}")
        elif self.status is not None:
            words.append(f"status={self.status}")
        elif self.gone:
            words.append("status=unknown")
        words += [word for word, on in (("core=1", self.core), ("latched=1", self.latched),
                                        ("empty=1", self.empty), ("age=assumed", self.age_assumed)) if on]
        return " ".join(words)


class NotReady(Exception):
    """The process is not ready, and answer says why."""

    def __init__(self, answer: Answer) -> None:
        detail = f" (marker: {answer.detail})" if answer.detail else ""
        super().__init__(f"{answer}{detail}")
        self.answer = answer


def parse(line: str) -> Optional[Answer]:
    """An answer of readyd-protocol(7); None if the line is not one. Unknown keys and reasons are ignored."""
    words = line.split(" ")
    try:
        verdict, pid = Verdict(words[0]), int(words[1])
    except (ValueError, IndexError):
        return None
    keys = dict(word.split("=", 1) for word in words[2:] if "=" in word)
    reason = keys.get("reason")

    def number(key: str) -> Optional[int]:
        value = keys.get(key, "")
        return int(value) if value.isascii() and value.isdigit() else None

    return Answer(verdict, pid, number("start"), number("status"), number("signal"), keys.get("core") == "1",
                  reason if reason in REASONS else None, None, "daemon", keys.get("latched") == "1",
                  keys.get("empty") == "1", keys.get("age") == "assumed", "status" in keys)
