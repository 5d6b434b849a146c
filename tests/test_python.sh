#!/usr/bin/env bash
# The Python package: its own tests, the fixtures for pytest, and the oldest Python that it supports.
# shellcheck source=tests/lib.sh disable=SC1091,SC2154
. "$(dirname "$0")/lib.sh"

PACKAGE=$SRC/bindings/python

run_python() { # COMMAND...
	env -u READYD_SOCKET -u READYD_DIR T="$T" PYTHONPATH="$PACKAGE" PYTHONDONTWRITEBYTECODE=1 timeout 120 "$@"
}

test_the_package() {
	need python3
	run_python python3 -W error "$SRC/tests/python_package.py"
}

# Names that came after Python 3.9 are few: a compiler of that version would not find them either.
test_the_syntax_is_that_of_python_3_9() {
	need python3
	python3 - "$PACKAGE"/readyd/*.py <<'PYTHON'
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path).read(), path, feature_version=(3, 9))
PYTHON
}

test_only_the_standard_library_is_imported() {
	local modules='_kernel|_answer|_look|_daemon|_monitor|_waiter|marker'
	expect "imports" "$(sed -nE 's/^(import|from) ([^ ]+).*/\2/p' "$PACKAGE"/readyd/*.py |
		select_lines -vxE "__future__|\\.|\\.($modules)|argparse|asyncio|collections|ctypes|dataclasses|enum|errno|fcntl|math|os|pathlib|pytest|random|re|select|shutil|signal|socket|stat|struct|subprocess|sys|time|typing" | sort -u)" ""
}

test_pytest_has_a_daemon_and_ready_workers() {
	local python found=
	for python in python3 /usr/bin/python3; do
		if [ -z "$found" ] && run_python "$python" -c 'import pytest' 2>/dev/null; then found=$python; fi
	done
	[ -n "$found" ] || skip "pytest is not installed"
	cat >test_it.py <<'PYTHON'
import readyd, pytest

WORKER = ["sh", "-c", ': >"$READYD_DIR/ktstr-worker-ready-$$"; exec sleep 1000']

def test_ready(readyd_daemon, ready_worker):
    worker = ready_worker(WORKER)
    answer = readyd.status(worker.pid, backend="daemon")
    assert answer.ready and answer.backend == "daemon", answer

def test_death(readyd_daemon, ready_worker):
    with pytest.raises(readyd.NotReady) as raised:
        ready_worker(["sh", "-c", "exit 3"])
    assert raised.value.answer.status == 3
PYTHON
	run_python env READYD_PROGRAM="$READYD" "$found" -m pytest -q -p readyd.pytest_plugin \
		-p no:cacheprovider test_it.py
}

run_tests "$@"
