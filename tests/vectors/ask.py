"""ask.py QUESTION PID[:START]: asks the Python package, as tests/test_vectors.sh says."""

import sys

import readyd

SECONDS = {"wait": 600, "fail-stale": 600}
OPTIONS = {"strict": {"strict_age": True}, "fail-stale": {"stale": "fail"}, "await-start": {"not_started": "wait"}}

question, process = sys.argv[1:]
if question == "status":
    answer = readyd.status(process)
else:
    answer = readyd.wait_any_verdict(process, SECONDS.get(question, 0.3), **OPTIONS.get(question, {}))
words = [str(answer.verdict)]
if answer.reason:
    words.append(answer.reason)
if answer.signal is not None:
    words.append(f"signal={answer.signal}")
elif answer.status is not None:
    words.append(f"status={answer.status}")
print(" ".join(words), answer.backend, answer.exit_code)
