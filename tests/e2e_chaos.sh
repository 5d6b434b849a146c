#!/usr/bin/env bash
# Random schedules of faults on real processes, each in namespaces of its own, and their histories: see
# tests/chaos/README.md. script/chaos runs more of them.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

CHAOS=$SRC/tests/chaos
need_chaos() {
	need python3
	need_pid_choice
	[ -x "$BUILD/tests/chaos/worker" ] || skip "tests/chaos/worker is not built"
}
need_pid_choice() {
	local flags=-mpf
	[ "$(id -u)" -eq 0 ] || flags=-Urmpf
	unshare $flags --mount-proc bash -c 'echo 500 >/proc/sys/kernel/ns_last_pid' 2>/dev/null ||
		skip "ns_last_pid may not be set in new namespaces"
}

test_the_judge_sees_each_broken_promise() {
	need python3
	python3 -B "$CHAOS/test_history.py" || die "see above"
}

test_a_seed_is_a_schedule_and_each_operation_occurs() {
	need python3
	cat >same.py <<'END'
import sys
sys.path.insert(0, sys.argv[1])
from run import Run
from schedule import WAYS, schedule
assert all(schedule(seed) == schedule(seed) for seed in range(100))
some = [operation for seed in range(300) for operation in schedule(seed)[1]]
assert {"do_" + name.replace("-", "_") for _, name, *_ in some} == {name for name in dir(Run) if name.startswith("do_")}
assert {arguments[0] for _, name, *arguments in some if name == "ask"} == set(WAYS)
END
	python3 -B same.py "$CHAOS" || die "see above"
}

test_schedules_hold() {
	need_chaos
	python3 -B "$CHAOS/chaos.py" --seed 1 --schedules 30 || die "see its seed above"
}

test_a_second_of_the_soak_holds() {
	need python3
	[ -x "$BUILD/tests/chaos/crowd" ] || skip "tests/chaos/crowd is not built"
	python3 -B "$CHAOS/soak.py" --minutes 0.02 --share 50 >figures || die "$(cat figures)"
	grep -q 'waits=[0-9]\{3,\} restarts=1 ' figures || die "$(cat figures)"
}

run_tests "$@"
