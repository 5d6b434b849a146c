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
	spawn_worker_with_pid 200
	start=$(start_of 200)
	echo ready >"$(marker 200)"
	until_true 60 counter_is processes 1
	kill_and_reap 200
	spawn_worker_with_pid 200
	expect_status daemon 5 "stale 200 start=[0-9]+ reason=older-than-process" 200
	expect_status auto 5 "stale 200 start=[0-9]+ reason=older-than-process" 200
	READYD_BACKEND=daemon expect_exit 5 ctl -q wait --stale=fail 200
	expect_exit 5 ctl -q wait --stale=fail 200
	# Its own check would accept the marker, but it asks the daemon first.
	READYD_BACKEND=daemon expect_exit 124 ctl -q wait --timeout 0.7 200
	expect_exit 124 ctl -q wait --timeout 0.7 200
	expect_exit 124 ctl -q wait --timeout 0 200
	start_waiter auto 200
	until_true 60 each_holds "$GATE" "$WAITER"
	[ "$(start_of 200)" != "$start" ] || echo "both started within one clock tick: they have the same pid and start"
	if [ "$(start_of 200)" != "$start" ]; then
		expect_status daemon 4 "exited 200$AGE start=$start .*" "200:$start"
		expect_status file 3 "died 200 start=$start reason=pid-reused.*" "200:$start"
	fi
	SINCE=$(now_ms)
	echo ready >"$(marker 200)"
	waiter_ends 0 "$READY"
	both_backends expect_status 0 "$READY" 200
}

older_than_its_process() {
	mkdir m
	echo ready >"$(marker 201)"
	until_true 60 is_surely_older "$(marker 201)"
	spawn_worker_with_pid 201
	expect_status file 5 "stale 201 start=[0-9]+ reason=older-than-process" 201
	READYD_BACKEND="file" expect_exit 5 ctl -q wait --stale=fail --timeout 5 201
	start_readyd
	both_backends expect_status 5 "stale 201 start=[0-9]+ reason=older-than-process" 201
	READYD_BACKEND=daemon expect_exit 5 ctl -q wait --stale=fail --timeout 5 201
	echo ready >new && mv new "$(marker 201)"
	both_backends expect_status 0 "$READY" 201
}

reused_during_a_wait() {
	local former
	start_readyd
	spawn_worker_with_pid 202
	former=$(start_of 202)
	start_waiter daemon 202
	spawn_waiters 1 "202:$former"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	kill_and_reap 202
	spawn_worker_with_pid 202
	all_end 3 "$WAITER" "${WAITERS[@]}"
	mark 202
	both_backends expect_status 0 "$READY" 202
	[ "$(start_of 202)" != "$former" ] || return 0
	expect_status daemon 3 "died 202 start=$former .*" "202:$former"
	expect_status file 3 "died 202 start=$former reason=pid-reused.*" "202:$former"
}

# The waiter comes to look when the process has ended, and another one with its pid has written its own marker.
marker_of_the_successor() {
	mkdir -p m
	[ "$1" = file ] || start_readyd
	spawn_worker_with_pid 207
	start_waiter "$1" 207
	kill -STOP "$WAITER"
	until_true 60 is_stopped "$WAITER"
	kill_and_reap 207
	spawn_worker_with_pid 207
	mark 207
	SINCE=$(now_ms)
	kill -CONT "$WAITER"
	waiter_ends 3 "died 207 start=[0-9]+.*"
}
test_the_marker_of_the_next_process_of_the_pid_is_not_its_own() {
	in_pid_namespace marker_of_the_successor file
	in_pid_namespace marker_of_the_successor daemon
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
	echo ready >old/ktstr-worker-ready-203
	until_true 60 is_surely_older old/ktstr-worker-ready-203
	[ "$way" != uncovering ] || tmpfs m
	[ "$backend" = file ] || start_readyd
	spawn_worker_with_pid 203
	start_waiter "$backend" --stale=fail 203
	[ "$backend" != auto ] || until_true 60 each_holds "$GATE" "$WAITER"
	SINCE=$(now_ms)
	"bring_by_$way"
	waiter_ends 5 "stale 203 start=[0-9]+ reason=older-than-process"
	expect_status "$backend" 5 "stale 203 start=[0-9]+ reason=older-than-process" 203
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
	spawn_worker_with_pid 204
	echo ready >"$(marker 204)"
	until_true 60 counter_is processes 1
	kill_and_reap 204
	spawn_worker_with_pid 204
	chmod 600 "$(marker 204)"
	expect_status daemon 5 "stale 204 start=[0-9]+ reason=older-than-process" 204
	ln "$(marker 204)" m/other-name
	expect_status auto 5 "stale 204 start=[0-9]+ reason=older-than-process" 204
	echo ready >"$(marker 204)"
	both_backends expect_status 0 "$READY" 204
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
	local pid=205 date
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
	echo ready >"$(marker 210)"
	start_readyd
	until_true 60 counter_is leftovers 1
	spawn_worker_with_pid 210
	chmod 600 "$(marker 210)"
	expect_status daemon 5 "stale 210 start=[0-9]+ reason=older-than-process" 210
	rm "$(marker 210)"
	until_true 60 counter_is leftovers 0
	expect_status daemon 1 "$PENDING" 210
}

never_ready() {
	local start backend
	start_readyd
	leave_marker 211 now
	until_true 60 is_surely_older "$(marker 211)"
	spawn_worker_with_pid 211
	start=$(start_of 211)
	kill_and_reap 211
	for backend in daemon file auto; do
		expect_status $backend 3 "died 211 start=$start reason=no-process.*" "211:$start"
		READYD_BACKEND=$backend expect_exit 3 ctl -q wait "211:$start"
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
	echo ready >"$(marker 207)"
	until_true 60 is_surely_older "$(marker 207)"
	spawn_worker_with_pid 207
	start=$(start_of 207)
	kill_and_reap 207
	expect_status "$1" 3 "died 207 start=$start .*" "207:$start"
	READYD_BACKEND=$1 expect_exit 3 ctl -q wait --timeout 60 "207:$start"
	READYD_BACKEND=$1 expect_exit 3 ctl -q wait --timeout 0 "207:$start"
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
	name=$(marker 206)
	echo ready >"$name"
	until_true 60 is_surely_older "$name"
	[ "$backend" = file ] || start_readyd
	spawn_worker
	other=$PID
	spawn_worker_with_pid 206
	expect_status "$backend" 5 "stale 206 start=[0-9]+ reason=older-than-process" 206
	READYD_BACKEND=$backend expect_exit 124 ctl wait --timeout 0.3 206 >out 2>err
	grep -qE "timed out after 300 ms: process 206 is .*: older-than-process; directory: ok;" err || die "$(cat err)"
	grep -qx "pending 206 start=[0-9]* reason=deadline.*" out || die "$(cat out)"
	READYD_BACKEND=$backend expect_exit 5 ctl -q wait --stale=fail --timeout 60 206
	READYD_BACKEND=$backend expect_exit 5 ctl -q wait --stale=fail --timeout 60 206 "$other"
	READYD_BACKEND=$backend spawn_waiters 1 --any 206 "$other"
	OTHER_WAITER=${WAITERS[0]}
	start_waiter "$backend" 206
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
