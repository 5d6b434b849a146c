"""All processes of a daemon: their present state, and then each transition."""

from __future__ import annotations

import errno
import os
import random
import re
import select
import time
from dataclasses import dataclass
from typing import Iterator, Optional, Tuple

from . import _kernel as kernel
from ._answer import Answer, parse
from ._daemon import Connection, Hello, Untrusted, _unescape
from ._waiter import LATE, Options

RETRY, RETRY_MOST = 0.1, 5.0
_POSITIONS = ("snapshot", "live", "resumed", "gap")


@dataclass(frozen=True)
class Event:
    """change is "snapshot", "state", "live", "resumed", "gap", "lost" or a transition: "ready", "exited", "died",
    "stale", "removed", "rewritten", "waited", "forgotten"; see readyctl-monitor(1)."""

    change: str
    epoch: int = 0
    seq: int = 0
    answer: Optional[Answer] = None  # what the process is now; None: the event is not about one
    time_ms: int = 0
    waiters: int = 0
    name: str = ""
    reason: Optional[str] = None  # of "lost"

    @property
    def token(self) -> str:
        """That of "live", "resumed" or a transition after one of these is a position to continue from."""
        return f"{self.epoch}:{self.seq}"


def _token(word: str) -> Tuple[int, int]:
    if not re.fullmatch(r"[0-9]+:[0-9]+", word):
        raise ValueError(f"not EPOCH:SEQ: {word!r}")
    epoch, _, seq = word.partition(":")
    return int(epoch), int(seq)


def parse_event(line: str) -> Optional[Event]:
    """A line of a monitor; None if it is not one."""
    words = line.split(" ")
    kind = words[0].lower()
    if kind not in _POSITIONS + ("state", "event"):
        return None
    try:
        epoch, seq = _token(words[1])
        if kind in _POSITIONS:
            return Event(kind, epoch, seq)
        # A transition that is not known says what the process is now.
        change = words[2] if kind == "event" else kind
        rest = words[3 if kind == "event" else 2:]
        answer = parse(" ".join(rest))
        keys = dict(word.split("=", 1) for word in rest[2:] if "=" in word)
        known = change in ("ready", "exited", "died", "stale", "removed", "rewritten", "waited", "forgotten")
        return None if answer is None else Event(
            change if known else "state", epoch, seq, answer, int(keys.get("time", 0)), int(keys.get("waiters", 0)),
            _unescape(keys.get("name", "")))
    except (ValueError, IndexError):
        return None


class Monitor:
    """Follows all processes of the daemon. Poll fileno() for reading, then call next() until it returns None; or iterate
    over it, which sleeps. It is not ended by the end of the daemon: it reports "lost" once, and tries again."""

    def __init__(self, token: Optional[str] = None, **options: object) -> None:
        self._options = Options(**options)  # type: ignore[arg-type]
        if self._options.backend == "file":
            raise ValueError("a monitor requires the daemon")
        self._position = None if token is None else _token(token)
        self._last = self._position or (0, 0)
        self._told = self._gap = self._lost = self._live = False
        self._connection: Optional[Connection] = None
        self._lines: Iterator[str] = iter(())
        self._held: Optional[Event] = None
        self._retry, self._retry_at, self._reply_by = RETRY, 0.0, 0.0
        self._epoll = select.epoll()
        self._timer = kernel.timerfd_create()
        self._epoll.register(self._timer, select.EPOLLIN)
        self._set_timer()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self.next()
            if event is not None:
                yield event
            else:
                self.sleep()

    def close(self) -> None:
        """Closes all descriptors. May be repeated."""
        if self._epoll.closed:
            return
        self._leave()
        os.close(self._timer)
        self._epoll.close()

    def fileno(self) -> int:
        return self._epoll.fileno()

    def next(self) -> Optional[Event]:
        """The next event; None if there is none now. Never blocks. Raises OSError if the daemon serves another
        directory (EXDEV), or has no monitors (EOPNOTSUPP)."""
        event, self._held = self._held, None
        if event is None:
            event = self._hear()
        self._set_timer()
        return event

    def sleep(self, timeout: Optional[float] = None) -> None:
        """Sleeps until next() may have an event, or so many seconds have passed."""
        if timeout is None or timeout > 0:
            self._epoll.poll(kernel.seconds(timeout))

    def _leave(self) -> None:
        if self._connection is not None:
            self._epoll.unregister(self._connection)
            self._connection.close()
        self._connection, self._lines, self._reply_by = None, iter(()), 0.0

    def _lose(self, error: OSError) -> Optional[Event]:
        self._leave()
        self._gap |= self._told and self._position is None
        self._retry_at = time.monotonic() + self._retry * random.uniform(0.75, 1.25)
        self._retry = min(2 * self._retry, RETRY_MOST)
        if error.errno in (errno.EXDEV, errno.EOPNOTSUPP):
            raise error
        if self._lost:
            return None
        self._lost = True
        return self._loss("daemon-untrusted" if isinstance(error, Untrusted)
                          else "no-resources" if error.errno == errno.EAGAIN else None)

    def _loss(self, reason: Optional[str]) -> Event:
        return Event("lost", *self._last, reason=reason)

    def _connect(self) -> None:
        self._connection = Connection(self._options.socket or "")
        self._epoll.register(self._connection, select.EPOLLIN)
        self._lines = self._connection.lines()
        position = "" if self._position is None else " {}:{}".format(*self._position)
        self._reply_by = time.monotonic() + LATE
        self._connection.send(["HELLO 1", "MONITOR" + position])

    def _hear(self) -> Optional[Event]:
        try:
            if self._connection is None:
                if time.monotonic() < self._retry_at:
                    return None
                self._connect()
            assert self._connection is not None
            self._connection.flush()
            for line in self._lines:
                event = self._take(line)
                if event is not None:
                    return event
            self._lines = self._connection.lines()
        except OSError as error:
            return self._lose(error)
        return self._expire()

    def _expire(self) -> Optional[Event]:
        """The daemon may be frozen: its answer still counts when it comes."""
        if not self._reply_by or time.monotonic() < self._reply_by:
            return None
        self._reply_by = 0.0
        if self._lost:
            return None
        self._lost = True
        return self._loss(None)

    def _take(self, line: str) -> Optional[Event]:
        if line.startswith("READYD 1"):
            if not Hello(line).agrees(self._options.given_place()):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return None
        event = parse_event(line)
        if event is None:
            code = line.split(" ")[1] if line.startswith("ERR ") else ""
            raise OSError(errno.EOPNOTSUPP if code == "bad-verb" else errno.EAGAIN if code else errno.EPROTO, line)
        return self._note(event)

    def _note(self, event: Event) -> Event:
        """While the present state is told, a transition is not a position: the rest of the state is missing."""
        self._lost, self._told, self._reply_by = False, True, 0.0
        self._last = event.epoch, event.seq
        if event.change in ("live", "resumed"):
            self._live, self._retry = True, RETRY
        elif event.change in ("gap", "snapshot"):
            self._live = False
        self._position = self._last if self._live else None
        gap, self._gap = self._gap and event.change == "snapshot", False
        if gap:
            self._held = event
            return Event("gap", event.epoch, event.seq)
        return event

    def _set_timer(self) -> None:
        if self._held is not None:
            at = 1e-9
        elif self._connection is not None:
            at = self._reply_by
        else:
            at = max(self._retry_at, 1e-9)
        kernel.timerfd_settime(self._timer, max(0.0, at - time.monotonic()) if at else None)
        if self._connection is not None:
            self._epoll.modify(self._connection,
                               select.EPOLLIN | (select.EPOLLOUT if self._connection.wants_write else 0))
