"""A set of processes and one descriptor for any event loop."""

from __future__ import annotations

import collections
import errno
import math
import os
import random
import re
import select
import time
from dataclasses import dataclass, replace
from typing import Deque, Dict, List, Optional, Tuple, Union

from . import _kernel as kernel
from . import marker
from ._answer import Answer, Verdict, parse
from ._daemon import Connection, Hello, trusted_uid
from ._look import History, Place, Process, check, view_marker

ProcessName = Union[int, str, Tuple[int, Optional[int]]]

# A daemon that has not answered by then counts as stopped, unless it uses CPU time; and in any case after the second.
LATE, PATIENCE = 1.0, 30.0
QUERY_LATE, FORCED_LATE = 0.25, 5.0
RETRY, RECONNECT, BACKLOG, BACKLOG_MOST = 1.0, 0.02, 0.02, 10
# When to look again: in case the daemon is frozen (grows); a marker that is rewritten in place; after a look that saw
# nothing; a process that has not started; where there is no inotify.
BACKSTOP, BACKSTOP_MOST, STALE, BLIND, NOT_STARTED, POLL, POLL_MOST = 1.0, 60.0, 0.25, 0.1, 0.05, 0.01, 0.1


def jitter(seconds: float) -> float:
    """Many waiters must not act in step."""
    return seconds * random.uniform(0.75, 1.25)


def name_process(process: ProcessName) -> Tuple[int, Optional[int]]:
    """From PID, "PID", "PID:START" or (PID, START)."""
    if isinstance(process, str):
        if not re.fullmatch("[1-9][0-9]*(:[1-9][0-9]*)?", process, re.ASCII):
            raise ValueError(f"not PID or PID:START, positive decimal numbers without leading zeros: {process!r}")
        pid, colon, start = process.partition(":")
        named = int(pid), int(start) if colon else None
    elif isinstance(process, int):
        named = process, None
    else:
        named = process
    if not 0 < named[0] < 1 << 31 or (named[1] is not None and not 0 <= named[1] < 1 << 64):
        raise ValueError(f"out of range; a pid is from 1 to 2147483647: {process!r}")
    return named


@dataclass
class Options:
    """As the options of readyctl(1). Defaults are $READYD_SOCKET, $READYD_DIR, $READYD_BACKEND, then those of the
    daemon; an empty variable counts as unset. $READYD_TRUST_UID is the user whose daemon is believed, too."""

    socket: Optional[str] = None
    dir: Optional[str] = None
    prefix: Optional[str] = None
    backend: Optional[str] = None  # "auto", "daemon" or "file"
    stale: str = "wait"  # or "fail": a stale marker ends a wait
    not_started: str = "fail"  # or "wait": for a process to start with this pid
    strict_age: bool = False

    def __post_init__(self) -> None:
        self.socket = _given(self.socket, "READYD_SOCKET", "/run/readyd.sock")
        self.dir = self.dir if self.dir is not None else os.environ.get("READYD_DIR") or None
        if self.backend in (None, "auto"):
            self.backend = os.environ.get("READYD_BACKEND") or "auto"
        if self.backend not in ("auto", "daemon", "file"):
            raise ValueError(f"not a backend: {self.backend}")
        if self.stale not in ("wait", "fail") or self.not_started not in ("wait", "fail"):
            raise ValueError("stale and not_started are 'wait' or 'fail'")
        if self.dir is not None and not self.dir.startswith("/"):
            raise ValueError(f"not an absolute path: {self.dir!r}")
        if self.prefix is not None and (not self.prefix or "/" in self.prefix):
            raise ValueError(f"not a prefix: {self.prefix!r}")
        if self.socket.startswith("vsock:"):
            raise ValueError(f"only libreadyd asks remote daemons: {self.socket!r}")
        self.socket = self.socket[len("unix:"):] if self.socket.startswith("unix:") else self.socket
        if not 0 < len(os.fsencode(self.socket)) <= 107:
            raise ValueError(f"the path of the socket is empty or too long: {self.socket!r}")
        trusted_uid()

    def given_place(self) -> Optional[Place]:
        """None: the daemon's."""
        return None if self.dir is None and self.prefix is None else self.place()

    def place(self) -> Place:
        return Place(self.dir or marker.DIRECTORY, self.prefix or marker.NAME_PREFIX)


def _given(value: Optional[str], name: str, default: str) -> str:
    return value if value is not None else os.environ.get(name) or default


def counts(own: Answer, refuted: bool, said: Answer) -> bool:
    """Whether the daemon's answer takes precedence over the own look: it may remember what cannot be seen any more,
    but that it cannot see something adds nothing."""
    knows_nothing = own.verdict in (Verdict.PENDING, Verdict.UNREACHABLE)
    # It may be about another process, or made without a look at it.
    if said.start is None and (own.start is not None or not knows_nothing):
        return False
    # There was a process, but neither side knows its start: what the daemon knows may be another's.
    if (said.start is None and own.start is None and said.verdict is Verdict.EXITED
            and own.reason != "no-process"):
        return False
    if own.reason in ("no-resources", "look-failed"):
        return True
    if said.reason == "name-collision":
        return True
    if refuted and said.verdict is Verdict.EXITED:
        return False
    if own.verdict is Verdict.READY:
        return said.verdict is Verdict.STALE
    if own.verdict is Verdict.UNREACHABLE and said.verdict is Verdict.PENDING:
        return True
    if own.verdict is Verdict.PENDING and own.reason is None and said.reason == "came-and-went":
        return True
    return said.verdict not in (Verdict.PENDING, Verdict.UNREACHABLE)


def complete(own: Answer, said: Answer) -> Answer:
    """The daemon may not have been permitted to read the exit status."""
    ended = (Verdict.DIED, Verdict.EXITED)
    if (own.start == said.start and own.start is not None and own.verdict in ended and said.verdict in ended
            and said.status is None and said.signal is None):
        return replace(said, status=own.status, signal=own.signal, core=own.core, gone=True)
    return said


def strict(answer: Answer) -> Answer:
    if not answer.age_assumed:
        return answer
    gone = answer.verdict in (Verdict.DIED, Verdict.EXITED)
    return replace(answer, verdict=Verdict.DIED if gone else Verdict.PENDING, reason="age-unknown",
                   age_assumed=False, empty=False, latched=False)


def _needs_no_daemon(answer: Answer) -> bool:
    told = answer.status is not None or answer.signal is not None
    return answer.verdict is Verdict.READY or (answer.verdict is Verdict.EXITED and told)


def ask(options: Options, process: str, late: float) -> Tuple[Answer, Hello]:
    """One QUERY and its answer. Raises OSError."""
    connection = Connection(options.socket or "")
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    try:
        connection.send(["HELLO 1", f"QUERY {process}"])
        until = time.monotonic() + late
        hello = None
        while True:
            for line in connection.lines():
                if line.startswith("READYD 1"):
                    hello = Hello(line)
                    if not hello.agrees(options.given_place()):
                        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
                    continue
                answer = parse(line)
                if answer is None or hello is None:
                    raise OSError(errno.EAGAIN if line.startswith("ERR") else errno.EPROTO, line)
                return (strict(answer) if options.strict_age else answer), hello
            left = until - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    finally:
        connection.close()


def query(options: Options, process: Process, history: History, place: Place) -> Answer:
    """What is known now. The daemon is asked where it may know more."""
    name = str(process.pid) if process.start is None else f"{process.pid}:{process.start}"
    if options.backend == "daemon":
        return ask(options, name, FORCED_LATE)[0]
    if options.backend == "auto":
        own = check(place, process, history, alone=False)
        if not history.unconfirmed and _needs_no_daemon(own):
            return own
        try:
            said, hello = ask(options, name, QUERY_LATE)
            if hello.place != place and options.given_place() is None:
                # The first look was in another directory than the daemon's.
                own = check(hello.place, process, History(strict=history.strict), alone=False)
            return complete(own, said) if counts(own, history.refuted, said) or said.verdict == own.verdict else own
        except OSError:
            pass
    return check(place, process, history)


class _Target:
    def __init__(self, pid: int, start: Optional[int], strict_age: bool, known_from: float) -> None:
        self.pid, self.asked_start = pid, start
        self.process = Process(pid, start)
        self.history = History(strict=strict_age)
        self.own: Optional[Answer] = None
        self.phase = "waiting"  # or "not-started", "unconfirmed", "done"
        self.subscription = "none"  # or "asked", "wait"
        self.refused = False
        self.watched = False
        self.pending = False  # once it was, a missing directory does not end the wait
        self.noted: Optional[Tuple[int, int, int]] = None  # the marker when the daemon was asked
        self.known_from = known_from  # what events before this position report may be an earlier process's

    @property
    def name(self) -> str:
        start = self.process.start
        return str(self.pid) if start is None else f"{self.pid}:{start}"


class Waiter:
    """Waits for any number of processes. Poll fileno() for reading, then call next() until it returns None; that may
    be at once, since the descriptor also reports internal events. It has no deadline."""

    def __init__(self, **options: object) -> None:
        self._options = Options(**options)  # type: ignore[arg-type]
        self._place = self._options.place()
        self._targets: List[_Target] = []
        self._answers: Deque[Answer] = collections.deque()
        self._connection: Optional[Connection] = None
        self._greeted = self._pinged = False
        self._absent = self._options.backend == "file"
        self._backlog_full, self._cpu = 0, -1
        self._retry_at = self._look_at = self._stale_at = self._reply_by = 0.0
        self._asked_at = self._since = time.monotonic()
        self._inotify, self._wd = -1, -1
        self._events_read = 0
        self._extra: Dict[int, int] = {}  # watch number of a pid's other directory
        self._poll_interval = POLL
        self._epoll = select.epoll()
        self._timer = kernel.timerfd_create()
        self._epoll.register(self._timer, select.EPOLLIN)

    def __enter__(self) -> Waiter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes all descriptors. May be repeated."""
        if self._epoll.closed:
            return
        self._leave()
        self._unwatch()
        for target in self._targets:
            target.process.close()
        self._targets.clear()
        os.close(self._timer)
        self._epoll.close()

    def fileno(self) -> int:
        return self._epoll.fileno()

    @property
    def pending(self) -> int:
        """The number of processes without an answer."""
        return len(self._targets)

    def add(self, process: ProcessName) -> None:
        """Adds the process that has this pid now, or the one with this start. Its answer comes through next()."""
        pid, start = name_process(process)
        if any(target.pid == pid and target.asked_start == start for target in self._targets):
            raise ValueError(f"process {pid} is in the waiter already")
        known_from = self._position()
        target = _Target(pid, start, self._options.strict_age, known_from)
        if self._options.not_started == "wait" and target.process.absent and start is None:
            target.phase = "not-started"
        if not self._targets:
            self._since = time.monotonic()
        self._targets.append(target)
        self._poll_process(target)
        self._look(target)
        self._reconcile()

    def cancel(self, process: ProcessName) -> None:
        """Stops waiting for it. KeyError: it is not waited for."""
        pid, start = name_process(process)
        for target in self._targets:
            if (target.pid, target.asked_start) == (pid, start):
                self._drop(target)
                self._reconcile()
                return
        raise KeyError(process)

    def next(self) -> Optional[Answer]:
        """Handles events and takes the next answer; None if there is none now. Never blocks."""
        if not self._answers:
            self._dispatch(self._epoll.poll(0))
            self._reconcile()
        answer = self._answers.popleft() if self._answers else None
        self._set_timer()
        return answer

    def sleep(self, timeout: Optional[float] = None) -> None:
        """Sleeps until next() may have an answer, or so many seconds have passed."""
        if not self._answers and (timeout is None or timeout > 0):
            self._epoll.poll(kernel.seconds(timeout))

    def peek(self, process: ProcessName) -> Answer:
        """What is known of a process now, without ending the wait for it."""
        pid, start = name_process(process)
        for target in self._targets:
            if (target.pid, target.asked_start) == (pid, start):
                if target.phase == "not-started":
                    return Answer(Verdict.PENDING, pid, reason="not-started")
                return query(self._options, target.process, target.history, self._place)
        raise KeyError(process)

    # --- looks

    def _poll_process(self, target: _Target) -> None:
        if target.process.fd >= 0:
            self._epoll.register(target.process.fd, select.EPOLLIN)
            target.watched = True

    def _unpoll_process(self, target: _Target) -> None:
        if target.watched:
            self._epoll.unregister(target.process.fd)
        target.watched = False

    def _drop(self, target: _Target) -> None:
        target.phase = "done"
        self._unpoll_process(target)
        target.process.close()
        self._targets.remove(target)

    def _finish(self, target: _Target, answer: Answer) -> None:
        self._drop(target)
        self._answers.append(answer)

    def _reopen(self, target: _Target) -> None:
        self._unpoll_process(target)
        target.process.close()
        target.history.came, target.known_from = None, self._position()
        target.process = Process(target.pid, target.process.start or target.asked_start)
        self._poll_process(target)

    def _ends(self, target: _Target, answer: Answer) -> bool:
        if answer.verdict is Verdict.STALE:
            return self._options.stale == "fail"
        if answer.verdict is Verdict.PENDING or answer.reason == "directory-hangs":
            return False
        if target.pending and answer.reason in ("no-directory", "directory-denied"):
            return False
        return not (target.subscription == "wait" and answer.reason == "namespace-denied")

    def _detect_start(self, target: _Target) -> bool:
        """The start of a process raises no event."""
        self._reopen(target)
        if not target.process.absent:
            target.phase = "waiting"
        return target.phase == "waiting"

    def _look(self, target: _Target, trust: bool = False) -> None:
        if target.phase == "done" or (target.phase == "not-started" and not self._detect_start(target)):
            return
        if target.process.unread and not target.process.absent:
            self._reopen(target)
        alone = self._options.backend == "file" or trust
        answer = check(self._place, target.process, target.history, alone)
        target.own = answer
        if self._ends(target, answer):
            sure = not target.history.unconfirmed and _needs_no_daemon(answer)
            if trust or sure or self._options.backend == "file":
                self._finish(target, answer)
            else:
                target.phase = "unconfirmed"
            return
        target.phase, target.pending = "waiting", True
        now = time.monotonic()
        if answer.reason in ("no-resources", "look-failed"):
            self._look_at = min(self._look_at or now + 60, now + jitter(BLIND))
        if answer.verdict is Verdict.STALE or answer.reason == "age-unknown":
            self._stale_at = self._stale_at or now + jitter(STALE)
        self._watch_other(target)

    def _trust(self, target: _Target) -> None:
        """The daemon cannot say more than was seen here."""
        if target.phase == "unconfirmed" and self._options.backend != "daemon":
            self._look(target, trust=True)

    def _look_all(self) -> None:
        for target in list(self._targets):
            if target.phase in ("waiting", "not-started"):
                self._look(target)

    # --- the directory

    def _watch(self) -> None:
        try:
            if self._inotify < 0:
                self._inotify = kernel.inotify_init()
                self._epoll.register(self._inotify, select.EPOLLIN)
                self._poll_interval = POLL
            self._wd = kernel.inotify_add_watch(self._inotify, self._place.directory)
        except OSError as error:
            self._wd = -1
            # If no watch is left, another process can use the instance.
            if error.errno == errno.ENOSPC and not self._extra:
                self._unwatch()

    def _unwatch(self) -> None:
        if self._inotify >= 0:
            self._epoll.unregister(self._inotify)
            os.close(self._inotify)
        self._inotify = self._wd = -1
        self._extra.clear()

    def _watch_other(self, target: _Target) -> None:
        """It leaves its marker below another root."""
        if not target.history.other_directory or self._inotify < 0:
            return
        view = view_marker(self._place, target.process)
        if view.fd < 0:
            return
        try:
            wd = kernel.inotify_add_watch(self._inotify, f"/proc/self/fd/{view.fd}")
        except OSError:
            return
        finally:
            os.close(view.fd)
        if self._extra.get(target.pid) != wd:
            self._extra[target.pid] = wd
            self._look(target)

    def _position(self) -> float:
        """Of the next event: the bytes that were read, and those that can be. If that is not known, no event counts."""
        try:
            return self._events_read + (kernel.inotify_queued(self._inotify) if self._inotify >= 0 else 0)
        except OSError:
            return math.inf

    def _watched_directory(self) -> Optional[Tuple[int, int]]:
        """The identity of the directory that is watched, None if the path leads to another one by now."""
        directory, before = self._place.identity(), self._wd
        self._watch()
        return directory if self._wd == before else None

    def _note_arrivals(self, events: List[kernel.Event]) -> None:
        if any(target.process.in_child_ns for target in self._targets):
            return
        came = {event.name: self._events_read + event.end for event in events
                if event.wd == self._wd and event.mask & kernel.IN_CAME and not event.mask & kernel.IN_ISDIR}
        directory = self._watched_directory() if came else None
        for target in self._targets:
            position = came.get(f"{self._place.prefix}{target.process.ns_pid}", 0)
            if position > target.known_from and not target.history.present:
                target.history.came = directory

    def _read_directory(self) -> None:
        try:
            events = kernel.inotify_read(self._inotify)
        except OSError:
            self._unwatch()
            return
        self._note_arrivals(events)
        self._events_read += events[-1].end if events else 0
        names = {event.name for event in events if event.wd == self._wd and event.name}
        lost = kernel.IN_Q_OVERFLOW | kernel.IN_IGNORED | kernel.IN_DELETE_SELF | kernel.IN_MOVE_SELF | kernel.IN_UNMOUNT
        if any(event.mask & lost or event.wd != self._wd for event in events):
            self._watch()
            self._look_all()
            return
        for target in list(self._targets):
            if f"{self._place.prefix}{target.process.ns_pid}" in names:
                self._look(target)

    # --- the daemon

    def _leave(self) -> None:
        if self._connection is not None:
            self._epoll.unregister(self._connection)
            self._connection.close()
        self._connection = None
        self._greeted = self._pinged = False
        self._reply_by = 0.0
        for target in self._targets:
            target.subscription = "none"

    def _lose(self, error: OSError) -> None:
        """A daemon that had answered everything may only be restarting; one that goes away without an answer may do
        so each time."""
        answered = self._greeted and not self._pinged
        self._leave()
        if self._options.backend == "daemon":
            raise error
        self._retry_at = time.monotonic() + jitter(RECONNECT if answered else RETRY)
        self._absent |= not answered
        self._look_all()

    def _connect(self) -> bool:
        try:
            self._connection = Connection(self._options.socket or "")
        except OSError as error:
            if error.errno == errno.EAGAIN and self._backlog_full < BACKLOG_MOST:
                self._backlog_full += 1
                self._retry_at = time.monotonic() + jitter(BACKLOG)
                return False
            self._backlog_full = 0
            self._lose(error)
            return False
        self._backlog_full, self._cpu = 0, -1
        self._epoll.register(self._connection, select.EPOLLIN)
        return True

    def _requests(self) -> List[str]:
        lines = []
        for target in self._targets:
            if target.phase in ("waiting", "unconfirmed") and target.subscription == "none" and not target.refused:
                # WAIT does not say that the marker is stale, which overrules what was seen here.
                view = view_marker(self._place, target.process)
                if view.fd >= 0:
                    os.close(view.fd)
                target.noted = view.marker.id
                lines += [f"QUERY {target.name}", f"WAIT {target.name}"]
                target.subscription = "asked"
            elif self._needs_word(target):
                lines.append(f"QUERY {target.name}")
        return lines

    def _ask(self) -> None:
        if self._connection is None and not self._connect():
            return
        assert self._connection is not None
        hello = [] if self._greeted else ["HELLO 1"]
        self._asked_at = time.monotonic()
        self._reply_by = self._asked_at + (FORCED_LATE if self._options.backend == "daemon" else LATE)
        self._pinged = True
        try:
            self._connection.send(hello + self._requests() + ["PING"])
        except OSError as error:
            self._lose(error)

    def _read_daemon(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            connection.flush()
            for line in connection.lines():
                self._take_line(line)
                if self._connection is not connection:
                    return
        except OSError as error:
            if self._connection is connection:
                self._lose(error)
            else:
                raise

    def _take_line(self, line: str) -> None:
        if line.startswith("READYD 1"):
            self._take_hello(Hello(line))
        elif line == "PONG":
            self._take_pong()
        elif line.startswith("ERR "):
            self._take_error(line)
        else:
            answer = parse(line)
            if answer is not None:
                self._take_answer(answer)

    def _take_hello(self, hello: Hello) -> None:
        if not hello.agrees(self._options.given_place()):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        self._greeted = True
        if self._options.given_place() is None and self._place != hello.place:
            self._place = hello.place
            self._unwatch()
            self._look_all()

    def _take_pong(self) -> None:
        """Everything requested so far has been answered; a WAIT without an answer is waiting."""
        self._pinged, self._reply_by = False, 0.0
        self._absent = False
        for target in list(self._targets):
            if target.subscription == "asked":
                target.subscription = "wait"
                if target.phase != "unconfirmed":
                    self._look(target)
            self._trust(target)

    def _take_error(self, line: str) -> None:
        pids = [int(word[4:]) for word in line.split(" ") if word.startswith("pid=") and word[4:].isdigit()]
        if not pids or self._options.backend == "daemon":
            self._greeted = False
            raise OSError(errno.EAGAIN, line)
        for target in list(self._targets):
            if target.pid == pids[0]:
                target.refused, target.subscription = True, "none"
                self._trust(target)

    def _take_answer(self, said: Answer) -> None:
        for target in [target for target in self._targets if target.pid == said.pid]:
            if said.verdict is not Verdict.PENDING and target.phase != "not-started":
                self._hear(target, said)

    def _hear(self, target: _Target, said: Answer) -> None:
        start = target.process.start
        if start is not None and said.start is not None and start != said.start:
            self._look(target)
            return
        own = target.own
        if own is None or (self._options.strict_age and said.age_assumed):
            self._look(target, trust=True)
            return
        if said.verdict is Verdict.STALE and self._options.stale == "wait":
            if target.noted is not None:
                target.history.leftover = target.noted
                # What the daemon saw earlier overrules what was concluded here from stamps alone.
                target.history.latched = target.history.confirmed = False
            self._look(target)
            return
        if said.verdict is Verdict.READY and said.start == start:
            target.history.confirmed = True
            target.history.assumed |= said.age_assumed
        if self._ends(target, said) and counts(own, target.history.refuted, said):
            self._finish(target, complete(own, said))
        else:
            self._look(target, trust=True)

    def _is_daemon_active(self) -> bool:
        if self._connection is None or time.monotonic() - self._asked_at > PATIENCE:
            return False
        try:
            line = kernel.read_stat(self._connection.pid)
        except OSError:
            return False
        previous, self._cpu = self._cpu, line.cpu
        return line.state not in "TtZXx" and previous != line.cpu

    def _expire(self, now: float) -> None:
        if self._reply_by == 0.0 or self._reply_by > now:
            return
        if self._is_daemon_active():
            self._reply_by = now + jitter(LATE)
            return
        self._reply_by = 0.0
        if self._options.backend == "daemon":
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        self._absent = True  # a later answer still counts
        for target in list(self._targets):
            self._trust(target)

    # --- what is on

    def _dispatch(self, events: List[Tuple[int, int]]) -> None:
        ready = {fd for fd, _ in events}
        if self._timer in ready:
            try:
                os.read(self._timer, 8)
            except BlockingIOError:
                pass
        if self._inotify in ready:
            self._read_directory()
        dead = [target for target in self._targets if target.watched and target.process.fd in ready]
        # The daemon's word first: it may say that the process was ready before it ended.
        if self._connection is not None and self._connection.fileno() in ready:
            self._read_daemon()
        for target in dead:
            if target.phase == "done":
                continue
            self._unpoll_process(target)
            if target.phase != "unconfirmed":
                self._look(target)

    def _needs_word(self, target: _Target) -> bool:
        """The own look would end a wait that the daemon has, and the daemon may be frozen."""
        return (target.phase == "unconfirmed" and target.subscription == "wait" and self._greeted
                and self._options.backend == "auto")

    def _wants_daemon(self) -> bool:
        return any(self._needs_word(target) or (target.subscription == "none" and not target.refused and
                                                target.phase in ("waiting", "unconfirmed"))
                   for target in self._targets)

    def _look_when_due(self, now: float) -> None:
        if self._stale_at and self._stale_at <= now:
            self._stale_at = 0.0
            for target in list(self._targets):
                own = target.own
                if own and (own.verdict is Verdict.STALE or own.reason == "age-unknown"):
                    self._look(target)
        if self._look_at and self._look_at <= now:
            self._look_at = 0.0
            if self._inotify >= 0:
                self._watch()
            self._look_all()

    def _interval(self, now: float) -> float:
        if any(target.phase == "not-started" for target in self._targets):
            return jitter(NOT_STARTED)
        if all(target.subscription == "wait" for target in self._targets):
            return jitter(min(max((now - self._since) / 2, BACKSTOP), BACKSTOP_MOST))
        if self._wd >= 0 and all(target.watched for target in self._targets):
            return jitter(BACKSTOP)
        self._poll_interval = min(self._poll_interval * 1.1, POLL_MOST)
        return jitter(self._poll_interval)

    def _reconcile(self) -> None:
        now = time.monotonic()
        self._expire(now)
        self._look_when_due(now)
        if (self._options.backend != "file" and self._wants_daemon() and not self._pinged and self._retry_at <= now):
            self._ask()
        if self._absent:
            for target in list(self._targets):
                self._trust(target)
        alone = [target for target in self._targets if target.subscription != "wait"]
        forced = self._options.backend == "daemon"
        if not forced and alone and (self._absent or any(target.refused for target in alone)):
            if self._inotify < 0:
                self._watch()
                if self._inotify >= 0:
                    self._look_all()
        elif self._inotify >= 0:
            self._unwatch()
        if not self._targets:
            self._leave()
            self._look_at = self._stale_at = 0.0
        elif not self._look_at:
            self._look_at = now + self._interval(now)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._answers:
            kernel.timerfd_settime(self._timer, 0.0)
            return
        times = [self._look_at, self._stale_at, self._reply_by]
        if self._options.backend != "file" and self._wants_daemon() and not self._pinged:
            times.append(max(self._retry_at, 1e-9))
        due = [at for at in times if at]
        kernel.timerfd_settime(self._timer, max(0.0, min(due) - time.monotonic()) if due else None)
        if self._connection is not None:
            self._epoll.modify(self._connection,
                               select.EPOLLIN | (select.EPOLLOUT if self._connection.wants_write else 0))
