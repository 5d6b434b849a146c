"""Asks the Python package what each line of standard input says, QUESTION PID:START; see tests/test_vectors.sh."""

import os
import sys

import readyd

SECONDS = {"wait": 600, "fail-stale": 600}
OPTIONS = {"strict": {"strict_age": True}, "fail-stale": {"stale": "fail"}, "await-start": {"not_started": "wait"}}


def peek(process):
    """What is known in mid-wait, once the file exists that says so."""
    with readyd.Waiter() as waiter:
        waiter.add(process)
        while True:
            told = os.path.exists("now")
            answer = waiter.next()
            if answer is not None:
                return answer
            if told:
                return waiter.peek(process)
            waiter.sleep(0.02)


def ask(question, process):
    if question == "status":
        return readyd.status(process)
    if question == "peek":
        return peek(process)
    return readyd.wait_any_verdict(process, SECONDS.get(question, 0.3), **OPTIONS.get(question, {}))


def words_of(answer):
    yield str(answer.verdict)
    if answer.reason:
        yield answer.reason
    if answer.signal is not None:
        yield f"signal={answer.signal}"
    elif answer.status is not None:
        yield f"status={answer.status}"
    yield answer.backend
    yield str(answer.exit_code)


for line in sys.stdin:
    question, process = line.split()
    pid, start = map(int, process.split(":"))
    try:
        print(*words_of(ask(question, (pid, start or None))), flush=True)
    except (OSError, ValueError) as error:
        print("error", error, flush=True)
