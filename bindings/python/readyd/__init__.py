"""Wait until other processes are ready: readyd(8) if it answers, else the marker files themselves.

    import readyd
    readyd.wait(process.pid, timeout=10)

raises NotReady, which says why, unless the process is ready. See readyctl(1) for verdicts, reasons and options.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Iterable, List, Optional

from ._answer import Answer, NotReady, Verdict
from ._look import History, Process
from ._monitor import Event, Monitor
from ._waiter import Options, ProcessName, Waiter, name_process, query
from .marker import marker_path, write_marker

if TYPE_CHECKING:
    import asyncio

__all__ = ["Answer", "Event", "Monitor", "NotReady", "Options", "ProcessName", "Verdict", "Waiter", "marker_path",
           "status", "wait", "wait_all", "wait_any_verdict", "wait_async", "write_marker"]


def status(process: ProcessName, **options: object) -> Answer:
    """What is known of a process now. Waits for the daemon's answer at most 250 ms."""
    pid, start = name_process(process)
    settings = Options(**options)  # type: ignore[arg-type]
    opened = Process(pid, start)
    try:
        return query(settings, opened, History(strict=settings.strict_age), settings.place())
    finally:
        opened.close()


def _timed_out(waiter: Waiter, process: ProcessName) -> Answer:
    """A last look. That of a wait which goes on is its detail."""
    answer = waiter.peek(process)
    ends = answer.verdict not in (Verdict.PENDING, Verdict.STALE) and answer.reason not in (
        "no-directory", "directory-denied", "directory-hangs")
    if ends or (answer.verdict is Verdict.STALE and waiter._options.stale == "fail"):
        return answer
    return replace(answer, verdict=Verdict.PENDING, reason="deadline", detail=answer.reason)


def wait_any_verdict(process: ProcessName, timeout: Optional[float] = None, **options: object) -> Answer:
    """As wait(), but returns the answer whatever it is."""
    until = None if timeout is None else time.monotonic() + timeout
    with Waiter(**options) as waiter:
        waiter.add(process)
        while True:
            answer = waiter.next()
            if answer is not None:
                return answer
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return _timed_out(waiter, process)
            waiter.sleep(left)


def wait(process: ProcessName, timeout: Optional[float] = None, **options: object) -> Answer:
    """Waits until the process is ready; raises NotReady as soon as it cannot become ready any more, or after timeout
    seconds. process is a pid, "PID:START" or (pid, start)."""
    answer = wait_any_verdict(process, timeout, **options)
    if not answer.ready:
        raise NotReady(answer)
    return answer


def wait_all(processes: Iterable[ProcessName], timeout: Optional[float] = None, **options: object) -> List[Answer]:
    """Waits for all, and returns their answers in the order of the arguments. Raises NotReady for the first process
    that cannot become ready any more."""
    named = list(dict.fromkeys(name_process(process) for process in processes))
    until = None if timeout is None else time.monotonic() + timeout
    answers: List[Answer] = []
    with Waiter(**options) as waiter:
        for process in named:
            waiter.add(process)
        while len(answers) < len(named):
            answer = waiter.next()
            if answer is None:
                left = None if until is None else until - time.monotonic()
                if left is None or left > 0:
                    waiter.sleep(left)
                    continue
                first = waiter._targets[0]
                answer = _timed_out(waiter, (first.pid, first.asked_start))
                waiter.cancel((first.pid, first.asked_start))
            if not answer.ready:
                raise NotReady(answer)
            answers.append(answer)
    order = {process: at for at, process in enumerate(named)}
    return sorted(answers, key=lambda answer: order.get((answer.pid, answer.start), order.get((answer.pid, None), 0)))


async def wait_async(process: ProcessName, timeout: Optional[float] = None, **options: object) -> Answer:
    """As wait(), without blocking the event loop of asyncio."""
    import asyncio  # only here: it takes longer to load than all else

    loop = asyncio.get_running_loop()
    with Waiter(**options) as waiter:
        waiter.add(process)
        until = None if timeout is None else loop.time() + timeout
        while True:
            answer = waiter.next()
            if answer is None and until is not None and loop.time() >= until:
                answer = _timed_out(waiter, process)
            if answer is not None:
                if not answer.ready:
                    raise NotReady(answer)
                return answer
            await _readable(loop, waiter, None if until is None else until - loop.time())


async def _readable(loop: asyncio.AbstractEventLoop, waiter: Waiter, timeout: Optional[float]) -> None:
    import asyncio

    readable = loop.create_future()
    loop.add_reader(waiter.fileno(), lambda: readable.done() or readable.set_result(None))
    try:
        await asyncio.wait([readable], timeout=timeout)
    finally:
        loop.remove_reader(waiter.fileno())
