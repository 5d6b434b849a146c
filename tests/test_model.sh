#!/usr/bin/env bash
# The model of a wait (tests/model/README.md) holds, and fails without each of the steps that it needs.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

# search OPTION...: a search of all states of the model; its output is in found.
search() {
	need spin
	need gcc
	cp "$SRC/tests/model/wait.pml" .
	awk -f "$SRC/tests/model/make-steps.awk" "$SRC/tests/model/steps" >steps.pml
	spin -a "$@" wait.pml >out 2>&1 || die "$(cat out)"
	gcc -O0 -w -DSAFETY -o pan pan.c
	./pan -m20000 -w18 >found 2>&1 || die "$(cat found)"
	! grep -q 'max search depth too small' found || die "$(cat found)"
}

holds() {
	search "$@"
	grep -q 'errors: 0$' found || die "$(cat found)"
}

# fails WITH OPTION...: with such an error.
fails() {
	local with=$1
	shift
	search "$@"
	grep -q "$with" found || die "$(cat found)"
}
lies() { fails 'assertion violated witness' "$@"; }
sleeps_on() { fails 'invalid end state' "$@"; }

test_holds_by_events_alone() { holds -DNO_TICK; }
test_holds_by_the_tick_where_events_are_lost() { holds -DLOSSY; }
test_needs_the_tick_where_events_are_lost() { sleeps_on -DNO_TICK -DLOSSY; }
test_needs_the_watch_before_the_look() { sleeps_on -DNO_TICK -DLOOK_BEFORE_WATCH; }
test_needs_the_look_before_the_byte() { lies -DBYTE_BEFORE_LOOK; }
test_needs_the_byte_for_that_process_alone() { lies -DBYTE_FOR_ANY_PROCESS; }
test_needs_the_look_after_a_hang_up() { lies -DHANG_UP_IS_READY; }
test_needs_to_wake_at_a_hang_up() { sleeps_on -DNO_LOOK_AT_HANG_UP; }
test_needs_the_backstop_where_the_daemon_is_frozen() { sleeps_on -DNO_BACKSTOP; }
test_needs_the_look_at_the_marker_before_the_process() { lies -DPROCESS_BEFORE_MARKER; }

# Each of 40 schedules tells its steps. A wait on a connection, a process that is not started, and a marker that is
# removed while the daemon is asked about it are not in the model.
steps_of_the_simulator() {
	local seed
	for seed in {1..40}; do
		"$BUILD/tests/sim/sim" --seed "$seed"
	done | sed -n 's/.* step: //p' | sort -u |
		select_lines -v -e '\<wait\>' -e '^not-started' -e '^unconfirmed [a-z]* saw-nothing waiting'
}

test_allows_the_steps_of_the_simulator() {
	steps_of_the_simulator >steps
	[ "$(wc -l <steps)" -ge 20 ] || die "few steps: $(cat steps)"
	expect "steps that are not in the model" "$(select_lines -vxF -f "$SRC/tests/model/steps" steps)" ""
	select_lines -v '^waiting gate told' "$SRC/tests/model/steps" >fewer
	expect "the step that is left out" "$(select_lines -vxF -f fewer steps)" "waiting gate told done none"
}

run_tests "$@"
