#!/usr/bin/env bash
# When something happens to many waiters at once, each takes as many system calls and wake-ups as in a smaller crowd:
# none does for itself what all of them do. Counts do not depend on the speed of the machine. CROWDS has the sizes;
# script/chaos takes larger ones.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

CROWDS=${CROWDS:-50 100}

# COUNTER becomes the command under which a crowd runs. perf disturbs it less than strace.
choose_counter() {
	need python3
	! is_sanitized || skip "sanitizers call the system themselves"
	if perf stat -x, -o calls -e raw_syscalls:sys_enter -- true 2>/dev/null && grep -q '^[1-9]' calls; then
		COUNTER=(perf stat -x "," -o calls -e "raw_syscalls:sys_enter,syscalls:sys_enter_getdents64" --)
	else
		need_strace
		COUNTER=(strace -f -qq -o trace)
	fi
}

# What was counted: CALLS, WAKEUPS, and as WALKS the reads of a directory, which only a walk of /proc would make.
read_counts() {
	if [ "${COUNTER[0]}" = perf ]; then
		CALLS=$(sed -n 's/^\([0-9]*\),.*raw_syscalls.*/\1/p' calls)
		WALKS=$(sed -n 's/^\([0-9]*\),.*getdents.*/\1/p' calls)
	else
		CALLS=$(grep -cv 'resumed>\|clock_gettime' trace)
		WALKS=$(select_lines getdents trace | wc -l)
	fi
	WAKEUPS=$(cat wakeups)
}

# crowd COUNT COMMAND...: so many `readyctl COMMAND...` at once. Their output is in answers, their wake-ups in wakeups.
crowd() {
	cat >crowd.py <<'EOF'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw)
EOF
	spawn bash -c 'exec python3 crowd.py "$@" >wakeups' crowd "${COUNTER[@]}" \
		bash -c 'for ((i = 0; i < $1; i++)); do "$0" "${@:2}" >>answers 2>&1 & done; wait' "$READYCTL" "$@"
	CROWD=$LAST
}
all_hold_gates() { until_true 60 counter_is handed_out "$1"; }
crowd_ends() { wait "$CROWD" || die "the crowd: exit status $?"; }

# is_linear WHAT COUNT NUMBER FIRST_COUNT FIRST_NUMBER [TENTHS]: at most 1.3 times as many for each as in the first crowd, or
# so many tenths.
is_linear() {
	echo "$2 waiters: $3 $1, $(($3 * 10 / $2)) tenths each"
	[ $(($3 * $4 * 10)) -le $(($5 * $2 * ${6-13})) ] || die "$1 of $2 waiters: $3; of $4: $5"
}

# How often a waiter tries to reach a daemon that starts depends on how long that takes, and that on the load: there, wake-ups
# may be 1.7 times as many for each. If each waiter woke all others, it would be 2.
TIMED=13

# moment NAME REGEX: for growing crowds, calls moment_NAME with the number of waiters, and compares.
moment() {
	local count first=0 calls wakeups
	[ -n "${COUNTER-}" ] || choose_counter
	for count in $CROWDS; do
		rm -f answers trace
		spawn_worker
		"moment_$1" "$count"
		crowd_ends
		expect "answers of $count" "$(grep -cxE -- "$2" answers)" "$count"
		expect "other answers of $count ($(head -n 3 answers))" "$(grep -cvxE -- "$2" answers)" 0
		read_counts
		expect "walks of /proc" "$WALKS" 0
		[ "$first" -ne 0 ] || first=$count calls=$CALLS wakeups=$WAKEUPS
		is_linear "system calls" "$count" "$CALLS" "$first" "$calls"
		is_linear "wake-ups" "$count" "$WAKEUPS" "$first" "$wakeups" "$TIMED"
	done
}

begin() {
	[ -e started ] || start_readyd
	: >started
	local before
	before=$(counter handed_out)
	crowd "$1" wait --timeout 60 "$PID"
	all_hold_gates $((before + $1))
}

moment_marker() {
	begin "$1"
	mark "$PID"
}
test_all_begin_and_a_marker_ends_it() { moment marker "ready [0-9]+ start=[0-9]+"; }

moment_death() {
	begin "$1"
	kill -KILL "$PID"
}
test_the_process_dies() { moment death "died [0-9]+ start=[0-9]+ signal=9"; }

moment_both() {
	begin "$1"
	mark "$PID"
	kill -KILL "$PID"
}
test_the_process_dies_with_its_marker() { moment both "(ready|exited) [0-9]+ start=[0-9]+( signal=9)?( empty=1)?"; }

SEEN="ready [0-9]+$AGE start=[0-9]+( empty=1)?"

moment_killed() {
	rm -f started
	begin "$1"
	kill_readyd
	mark "$PID"
}
test_the_daemon_is_killed() { moment killed "$SEEN"; }

moment_ended() {
	rm -f started
	begin "$1"
	kill -TERM "$DAEMON"
	mark "$PID"
	wait "$DAEMON"
}
test_the_daemon_ends() { moment ended "$SEEN"; }

moment_restarted() {
	begin "$1"
	kill_readyd
	start_readyd
	# Those that see the marker before they ask again take fewer calls.
	all_hold_gates "$1"
	mark "$PID"
}
test_the_daemon_is_restarted() {
	TIMED=17
	moment restarted "$SEEN"
}

# Each finds the marker by the look that it takes after half of the time waited.
moment_frozen() {
	begin "$1"
	freeze_readyd
	mark "$PID"
	crowd_ends
	kill -CONT "$DAEMON"
}
test_the_daemon_is_frozen() { moment frozen "$SEEN"; }

# It wakes all, if they have not looked by then.
moment_thawed() {
	begin "$1"
	freeze_readyd
	mark "$PID"
	kill -CONT "$DAEMON"
}
test_the_daemon_is_thawed() { moment thawed "$SEEN"; }

moment_ready() {
	[ -e started ] || start_readyd
	: >started
	mark "$PID"
	crowd "$1" wait --timeout 60 "$PID"
}
test_all_wait_for_a_ready_process() { moment ready "$SEEN"; }

moment_covered() {
	begin "$1"
	tmpfs m
	mark "$PID"
}
covered() { moment covered "$SEEN"; }
test_the_directory_is_covered() { in_namespaces "$MOUNTS" covered; }

run_tests "$@"
