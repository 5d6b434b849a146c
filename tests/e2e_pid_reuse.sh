#!/usr/bin/env bash
# The marker of a former process does not make the process ready that has reused its pid.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

# The marker of the former process remains, and the next process gets the pid within the resolution of the timestamps:
# what the daemon saw decides.
reuse_is_seen_by_the_daemon() {
	local start
	start_readyd
	spawn_worker_with_pid 20000
	start=$(start_of 20000)
	echo ready >"$(marker 20000)"
	until_true 60 counter_is processes 1
	kill_and_reap 20000
	spawn_worker_with_pid 20000
	expect_status daemon 5 "stale 20000 start=[0-9]+ reason=older-than-process" 20000
	expect_status auto 5 "stale 20000 start=[0-9]+ reason=older-than-process" 20000
	READYD_BACKEND=daemon expect_exit 5 ctl -q wait --stale=fail 20000
	expect_exit 5 ctl -q wait --stale=fail 20000
	# Its own check would accept the marker, but it asks the daemon first.
	READYD_BACKEND=daemon expect_exit 124 ctl -q wait --timeout 0.7 20000
	expect_exit 124 ctl -q wait --timeout 0.7 20000
	expect_exit 124 ctl -q wait --timeout 0 20000
	start_waiter auto 20000
	until_true 60 each_holds "$GATE" "$WAITER"
	[ "$(start_of 20000)" != "$start" ] || echo "both started within one clock tick: they have the same pid and start"
	if [ "$(start_of 20000)" != "$start" ]; then
		expect_status daemon 4 "exited 20000$AGE start=$start .*" "20000:$start"
		expect_status file 3 "died 20000 start=$start reason=pid-reused.*" "20000:$start"
	fi
	SINCE=$(now_ms)
	echo ready >"$(marker 20000)"
	waiter_ends 0 "$READY"
	both_backends expect_status 0 "$READY" 20000
}

older_than_its_process() {
	mkdir m
	echo ready >"$(marker 20001)"
	until_true 60 is_surely_older "$(marker 20001)"
	spawn_worker_with_pid 20001
	expect_status file 5 "stale 20001 start=[0-9]+ reason=older-than-process" 20001
	READYD_BACKEND="file" expect_exit 5 ctl -q wait --stale=fail --timeout 5 20001
	start_readyd
	both_backends expect_status 5 "stale 20001 start=[0-9]+ reason=older-than-process" 20001
	READYD_BACKEND=daemon expect_exit 5 ctl -q wait --stale=fail --timeout 5 20001
	echo ready >new && mv new "$(marker 20001)"
	both_backends expect_status 0 "$READY" 20001
}

reused_during_a_wait() {
	local former
	start_readyd
	spawn_worker_with_pid 20002
	former=$(start_of 20002)
	start_waiter daemon 20002
	spawn_waiters 1 "20002:$former"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	kill_and_reap 20002
	spawn_worker_with_pid 20002
	all_end 3 "$WAITER" "${WAITERS[@]}"
	mark 20002
	both_backends expect_status 0 "$READY" 20002
	[ "$(start_of 20002)" != "$former" ] || return 0
	expect_status daemon 3 "died 20002 start=$former .*" "20002:$former"
	expect_status file 3 "died 20002 start=$former reason=pid-reused.*" "20002:$former"
}

# A marker that was absent may have been in another directory all the time: when that directory takes the place of
# the first one, the marker is still old.
bring_by_binding() { mount --bind old m; }
bring_by_moving() { mv m former && mv old m; }
bring_by_uncovering() { umount m; }

arrives_with_its_directory() {
	local way=$1 backend=$2
	mkdir -p old m
	[ "$way" != uncovering ] || mount --bind old m
	echo ready >old/ktstr-worker-ready-20003
	until_true 60 is_surely_older old/ktstr-worker-ready-20003
	[ "$way" != uncovering ] || tmpfs m
	[ "$backend" = file ] || start_readyd
	spawn_worker_with_pid 20003
	start_waiter "$backend" --stale=fail 20003
	[ "$backend" != auto ] || until_true 60 each_holds "$GATE" "$WAITER"
	SINCE=$(now_ms)
	"bring_by_$way"
	waiter_ends 5 "stale 20003 start=[0-9]+ reason=older-than-process"
	expect_status "$backend" 5 "stale 20003 start=[0-9]+ reason=older-than-process" 20003
}

test_a_stale_marker_that_arrives_with_its_directory_is_stale() {
	local way backend
	need_pid_choice
	for way in binding moving uncovering; do
		for backend in daemon file auto; do
			in_pid_namespace arrives_with_its_directory $way $backend
		done
	done
}

# A change that writes nothing does not make a stale marker one of the new process.
touched() {
	start_readyd
	spawn_worker_with_pid 20004
	echo ready >"$(marker 20004)"
	until_true 60 counter_is processes 1
	kill_and_reap 20004
	spawn_worker_with_pid 20004
	chmod 600 "$(marker 20004)"
	expect_status daemon 5 "stale 20004 start=[0-9]+ reason=older-than-process" 20004
	ln "$(marker 20004)" m/other-name
	expect_status auto 5 "stale 20004 start=[0-9]+ reason=older-than-process" 20004
	echo ready >"$(marker 20004)"
	both_backends expect_status 0 "$READY" 20004
}

# leave_marker PID DATE: a leftover with that stamp, which the daemon has seen while no process had the number.
leave_marker() {
	local before
	before=$(counter leftovers)
	echo ready >m/leftover
	touch -d "$2" m/leftover
	mv m/leftover "$(marker "$1")"
	until_true 60 counter_is leftovers $((before + 1))
}

# The time of change is later than the start of the process, so the clocks would say that the marker is its own.
seen_before_the_process() {
	local pid=20005 date
	start_readyd
	for date in "1 day" "1 day ago" now; do
		leave_marker "$pid" "$date"
		spawn_worker_with_pid "$pid"
		chmod 600 "$(marker "$pid")"
		expect_status daemon 5 "stale $pid start=[0-9]+ reason=older-than-process" "$pid"
		expect_status auto 5 "stale $pid start=[0-9]+ reason=older-than-process" "$pid"
		echo ready >"$(marker "$pid")"
		both_backends expect_status 0 "$READY" "$pid"
		pid=$((pid + 1))
	done
}

# A daemon that is started later finds it in its first scan.
found_before_the_process() {
	mkdir m
	echo ready >"$(marker 20010)"
	start_readyd
	until_true 60 counter_is leftovers 1
	spawn_worker_with_pid 20010
	chmod 600 "$(marker 20010)"
	expect_status daemon 5 "stale 20010 start=[0-9]+ reason=older-than-process" 20010
	rm "$(marker 20010)"
	until_true 60 counter_is leftovers 0
	expect_status daemon 1 "$PENDING" 20010
}

never_ready() {
	local start backend
	start_readyd
	leave_marker 20011 now
	until_true 60 is_surely_older "$(marker 20011)"
	spawn_worker_with_pid 20011
	start=$(start_of 20011)
	kill_and_reap 20011
	for backend in daemon file auto; do
		expect_status $backend 3 "died 20011 start=$start reason=no-process.*" "20011:$start"
		READYD_BACKEND=$backend expect_exit 3 ctl -q wait "20011:$start"
	done
}

test_a_marker_that_the_daemon_saw_before_the_process_is_stale() { in_pid_namespace seen_before_the_process; }
test_a_marker_that_a_scan_found_before_the_process_is_stale() { in_pid_namespace found_before_the_process; }
test_a_process_with_a_leftover_that_never_was_ready_has_died() { in_pid_namespace never_ready; }
# A leftover exists, a process gets its pid and ends without having written anything: it was never ready, whatever
# the daemon makes of it, which has not seen the process.
never_was_ready() { # BACKEND
	local start
	start_readyd
	echo ready >"$(marker 20007)"
	until_true 60 is_surely_older "$(marker 20007)"
	spawn_worker_with_pid 20007
	start=$(start_of 20007)
	kill_and_reap 20007
	expect_status "$1" 3 "died 20007 start=$start .*" "20007:$start"
	READYD_BACKEND=$1 expect_exit 3 ctl -q wait --timeout 60 "20007:$start"
	READYD_BACKEND=$1 expect_exit 3 ctl -q wait --timeout 0 "20007:$start"
}

test_a_process_with_a_leftover_alone_was_never_ready() {
	local backend
	need_pid_choice
	for backend in file auto; do
		in_pid_namespace never_was_ready $backend
	done
}

# A leftover does not end a wait, since the process may still write its own marker over it.
leftover_is_waited_over() { # BACKEND WAY
	local backend=$1 way=$2 other name
	mkdir m
	name=$(marker 20006)
	echo ready >"$name"
	until_true 60 is_surely_older "$name"
	[ "$backend" = file ] || start_readyd
	spawn_worker
	other=$PID
	spawn_worker_with_pid 20006
	expect_status "$backend" 5 "stale 20006 start=[0-9]+ reason=older-than-process" 20006
	READYD_BACKEND=$backend expect_exit 124 ctl wait --timeout 0.3 20006 >out 2>err
	grep -qE "timed out after 300 ms: process 20006 is .*: older-than-process; directory: ok;" err || die "$(cat err)"
	grep -qx "pending 20006 start=[0-9]* reason=deadline.*" out || die "$(cat out)"
	READYD_BACKEND=$backend expect_exit 5 ctl -q wait --stale=fail --timeout 60 20006
	READYD_BACKEND=$backend expect_exit 5 ctl -q wait --stale=fail --timeout 60 20006 "$other"
	READYD_BACKEND=$backend spawn_waiters 1 --any 20006 "$other"
	OTHER_WAITER=${WAITERS[0]}
	start_waiter "$backend" 20006
	[ "$backend" = file ] || until_true 60 each_holds "$GATE" "$WAITER" "$OTHER_WAITER"
	SINCE=$(now_ms)
	case $way in
	rewriting) echo ready >"$name" ;;
	replacing) echo ready >new && mv new "$name" ;;
	esac
	waiter_ends 0 "$READY"
	WAITER=$OTHER_WAITER
	waiter_ends 0 "$READY"
}

test_a_leftover_does_not_end_a_wait() {
	local backend way
	need_pid_choice
	for backend in file daemon auto; do
		for way in rewriting replacing; do
			in_pid_namespace leftover_is_waited_over $backend $way
		done
	done
}

test_a_marker_that_the_daemon_saw_before_the_reuse_is_stale() { in_pid_namespace reuse_is_seen_by_the_daemon; }
test_a_stale_marker_that_is_touched_stays_stale() { in_pid_namespace touched; }
test_a_marker_older_than_its_process_is_stale() { in_pid_namespace older_than_its_process; }
test_a_wait_ends_when_the_pid_is_reused() { in_pid_namespace reused_during_a_wait; }

run_tests "$@"
