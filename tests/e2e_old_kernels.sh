#!/usr/bin/env bash
# Daemon and clients on a kernel that lacks a call, or in a container whose filter denies it: each answer is right, or says
# what could not be seen. tests/lacking.c is the filter.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

LACKING=$BUILD/tests/lacking
MARKS='echo >"$READYD_DIR/ktstr-worker-ready-$$"'

# lack CALLS ERROR: from here on, readyd and readyctl have to do without these.
lack() {
	! is_sanitized || skip "LeakSanitizer calls what is denied"
	expect_exit 0 "$LACKING" "$1" "$2" true
	UNDER=("$LACKING" "$1" "$2")
	printf '#!/bin/sh\nexec "%s" "%s" "%s" "%s" "$@"\n' "$LACKING" "$1" "$2" "$BUILD/client/readyctl" >readyctl
	chmod +x readyctl
	READYCTL=$T/readyctl
}

# answers BACKEND NUMBER: the same as on any kernel. The number is one that has a marker of an earlier process.
answers() {
	spawn_worker
	expect_status "$1" 1 "$PENDING" "$PID"
	READYD_BACKEND=$1 spawn_waiters 1 "$PID"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	expect_status "$1" 0 "$READY" "$PID"
	spawn_worker_with_pid "$2"
	expect_status "$1" 5 "stale $2 start=[0-9]+ reason=older-than-process.*" "$2"
	spawn_worker
	READYD_BACKEND=$1 spawn_waiters 1 "$PID"
	kill -KILL "$PID"
	all_end 3 "${WAITERS[@]}"
	expect_status "$1" 3 "died $NO_SUCH_PID.*" "$NO_SUCH_PID"
	READYD_BACKEND=$1 run 0 run --timeout 60 -- sh -c "$MARKS; sleep 0.1"
}

# In a pid namespace: with these errors in turn.
both_answer() {
	local calls=$1 error number
	shift
	mkdir m
	for number in 200 201 202 203; do mark "$number"; done
	until_true 60 is_surely_older "$(marker 203)"
	number=200
	for error; do
		lack "$calls" "$error"
		answers file $((number++))
		start_readyd
		answers daemon $((number++))
		kill -TERM "$DAEMON"
		ends 0
	done
}
# same_answers CALLS ERROR...
same_answers() { in_pid_namespace both_answer "$@"; }

test_without_pidfds() { same_answers pidfd_open ENOSYS EPERM; }
test_without_signals_by_pidfd() { same_answers pidfd_send_signal,pidfd-info ENOSYS EPERM; }
test_without_statx() { same_answers statx ENOSYS EPERM; }
test_without_openat2() { same_answers openat2 ENOSYS EPERM; }
test_without_calls_that_are_not_important() { same_answers close_range,pidfd-info,tmpfile,passrights ENOSYS; }
test_without_any_of_them() {
	same_answers pidfd_open,pidfd_send_signal,pidfd-info,statx,openat2,close_range,tmpfile,passrights ENOSYS EPERM
}

# has_another_root CALLS ERROR STATUS REGEX: the answers of both on a worker in a root of its own, whose marker in our
# directory is not its own.
has_another_root() {
	lack "$1" "$2"
	mkdir -p m
	: >"$(marker "$PID")"
	start_readyd
	expect_status file "$3" "$4" "$PID"
	expect_status daemon "$3" "$4" "$PID"
	kill -TERM "$DAEMON"
	ends 0
}

# Its own root is a copy of the mounts, where nothing is mounted over the directory; so the marker is in both.
test_a_process_in_another_root() {
	need_root
	unshare --mount true 2>/dev/null || skip "no mount namespaces"
	mkdir m
	spawn unshare --mount --propagation private sh -c "mount -t tmpfs none m && exec sleep 1000"
	PID=$LAST
	until_true 60 grep -qsx sleep "/proc/$PID/comm"
	has_another_root statx,close_range,pidfd_open ENOSYS 1 "$PENDING"
	has_another_root statx,close_range,pidfd_open EPERM 1 "$PENDING"
	has_another_root openat2 ENOSYS 6 "unreachable [0-9]+ start=[0-9]+ reason=namespace-denied"
	has_another_root openat2,statx EPERM 6 "unreachable [0-9]+ start=[0-9]+ reason=namespace-denied"
}

# A client of another kernel has nothing but what the daemon sees of the end, which comes with no event here.
test_the_end_of_a_ready_process_without_pidfds() {
	lack pidfd_open ENOSYS
	start_readyd
	spawn_worker
	mark "$PID"
	spawn_waiters 1 -t 60 --remote --for=end "$PID"
	until_true 60 counter_is waits 1
	kill_and_reap "$PID"
	all_end 0 "${WAITERS[@]}"
	grep -q "^exited $PID " "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
}

# A reaped process is not taken for one that still has its number, nor a foreign owner for an unknown one.
test_a_process_is_known_without_signals_by_pidfd() {
	local error
	[ -x "$BUILD/tests/test_process" ] || skip "built without check"
	lack pidfd_send_signal ENOSYS
	for error in ENOSYS EPERM; do
		CK_RUN_CASE=uid "$LACKING" pidfd_send_signal,pidfd-info "$error" "$BUILD/tests/test_process" >out || die "$error: $(cat out)"
		grep -q 'ok .*only_what_exists' out || die "$(cat out)"
	done
}

# A connection with a descriptor that blocks its receiver is closed by a child. Where the kernel tells the loop nothing
# of the child, or leaves it all descriptors, it must neither stay nor hold what the daemon has open.
test_children_that_discard_connections_are_reaped() {
	local calls
	[ -x "$BUILD/tests/test_listener" ] || skip "built without check"
	lack pidfd_open ENOSYS
	for calls in pidfd_open close_range pidfd_open,close_range; do
		timeout 60 "$LACKING" "$calls" ENOSYS "$BUILD/tests/test_listener" >out || die "without $calls: $(cat out)"
	done
}

run_tests "$@"
