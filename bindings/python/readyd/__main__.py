"""python -m readyd wait|status [--timeout SECONDS] PID[:START] ...: as readyctl(1), with its exit statuses."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from typing import List, Optional

from . import Answer, NotReady, Verdict, name_process, status, wait_all, wait_any_verdict


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 <= seconds <= 3600000:
        raise argparse.ArgumentTypeError("out of range; use 0 to 3600000 seconds")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m readyd", allow_abbrev=False,
                                     description="Wait until worker processes are ready; see readyctl(1).")
    parser.add_argument("command", choices=["wait", "status"])
    parser.add_argument("processes", metavar="PID[:START]", nargs="+")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS")
    parser.add_argument("--stale", choices=["wait", "fail"], default="wait")
    parser.add_argument("--not-started", choices=["wait", "fail"], default="fail")
    parser.add_argument("--strict-age", action="store_true")
    return parser


def _answers(arguments: argparse.Namespace) -> List[Answer]:
    options = {"stale": arguments.stale, "not_started": arguments.not_started, "strict_age": arguments.strict_age}
    processes = [name_process(word) for word in arguments.processes]
    if arguments.command == "status":
        return [status(process, **options) for process in processes]
    if len(processes) == 1:
        return [wait_any_verdict(processes[0], arguments.timeout, **options)]
    try:
        return wait_all(processes, arguments.timeout, **options)
    except NotReady as error:
        return [error.answer]


def _print(answers: List[Answer]) -> None:
    if sys.stdout is None:  # descriptor 1 was closed
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        for answer in answers:
            print(answer)
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left must not fail again at the end
        raise


def main(words: Optional[List[str]] = None) -> int:
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        answers = _answers(arguments)
        _print(answers)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"readyd: {error}", file=sys.stderr)
        return 125
    return next((answer.exit_code for answer in answers if answer.verdict is not Verdict.READY), 0)


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # end by it, without a traceback
    sys.exit(main())
