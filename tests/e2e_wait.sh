#!/usr/bin/env bash
# readyctl with a daemon: every verdict, every command, its output and its exit status.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# count FILE REGEX: the number of lines that match as a whole.
count() { select_lines -cxE -- "$2" "$1"; }

# says FILE REGEX...: it contains a line for each expression, and no other lines.
says() {
	local file=$1 regex
	shift
	for regex; do
		[ "$(count "$file" "$regex")" -eq 1 ] || die "not once in $file: $regex; it contains: $(cat "$file")"
	done
	has_lines "$file" $# || die "more than $# lines in $file: $(cat "$file")"
}

# The reference worker, which starts when a line is written to the fifo `go`.
spawn_real_worker() {
	mkfifo go
	spawn bash -c 'read -r <go; KTSTR_WORKER_READY_MARKER_OVERRIDE=$0-$$ exec "$1" 65536 >worker.out' \
		"$T/m/ktstr-worker-ready" "$WORKER"
	PID=$LAST
}

kill_unreaped() { # SIGNAL
	kill "-$1" "$PID"
	until_true 60 is_zombie "$PID"
}

test_200_waits_on_one_process() {
	local waiter
	start_readyd
	spawn_worker
	spawn_waiters 200 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	until_true 60 counter_is clients 1
	expect "gates" "$(counter gates)" 1
	expect "processes waited for" "$(counter waited)" 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	for waiter in "${WAITERS[@]}"; do
		says "out.$waiter" "ready $PID$AGE start=[0-9]+( empty=1)?"
		expect "standard error" "$(cat "err.$waiter")" ""
	done
	until_true 60 counter_is gates 0
}

test_one_wait_on_200_processes() {
	local worker
	start_readyd
	spawn_workers 200
	spawn_waiters 1 "${WORKERS[@]}"
	until_true 60 counter_is waits 200
	for worker in "${WORKERS[@]}"; do
		mark "$worker"
	done
	all_end 0 "${WAITERS[@]}"
	has_lines "out.${WAITERS[0]}" 200 || die "not 200 lines: $(cat "out.${WAITERS[0]}")"
	for worker in "${WORKERS[@]}"; do
		expect "lines of $worker" "$(count "out.${WAITERS[0]}" "ready $worker$AGE start=[0-9]+( empty=1)?")" 1
	done
	until_true 60 counter_is waits 0
	expect "processes waited for" "$(counter waited)" 0
}

has_ready() { [ "$(grep -c '^ready ' "$1")" -ge "$2" ]; }

# Without descriptors some processes can be checked only by their pid. That must not be reported as a death.
test_more_processes_than_descriptors() {
	local worker
	need prlimit
	start_readyd
	spawn_workers 30
	spawn bash -c 'exec prlimit --nofile=16:16 "$0" wait "$@" >"out.$$" 2>"err.$$"' "$READYCTL" "${WORKERS[@]}"
	until_true 60 each_holds '*pidfd*' "$LAST"
	for worker in "${WORKERS[@]:0:4}"; do
		mark "$worker"
	done
	until_true 60 has_ready "out.$LAST" 4
	for worker in "${WORKERS[@]:4}"; do
		mark "$worker"
	done
	all_end 0 "$LAST"
	has_lines "out.$LAST" 30 || die "not 30 lines: $(cat "out.$LAST")"
	expect "other lines" "$(select_lines -v '^ready ' "out.$LAST")" ""
}

# A zombie among them is still reported.
test_a_zombie_among_more_than_descriptors() {
	local backend waiter
	need prlimit
	start_readyd
	spawn_workers 40
	python3 -c 'import os, sys, time
child = os.fork()
if child == 0: time.sleep(1000)
print(child, flush=True)
time.sleep(1000)' >child &
	until_true 60 has_lines child 1
	PID=$(cat child)
	for backend in daemon file auto; do
		READYD_BACKEND=$backend spawn bash -c 'exec prlimit --nofile=32:32 "$0" wait "$@" >"out.$$" 2>"err.$$"' \
			"$READYCTL" "${WORKERS[@]}" "$PID"
		until_true 60 each_holds '*pidfd*' "$LAST"
		waiter="${waiter:-} $LAST"
	done
	kill -KILL "$PID"
	# shellcheck disable=SC2086
	all_end 3 $waiter
}

test_a_line_for_each_as_soon_as_it_is_known() {
	local out
	start_readyd
	spawn_workers 12
	spawn_waiters 1 "${WORKERS[@]}"
	out=out.${WAITERS[0]}
	until_true 60 counter_is waits 12
	mark "${WORKERS[7]}"
	until_true 60 has_lines "$out" 1
	says "$out" "ready ${WORKERS[7]} .*"
	mark "${WORKERS[3]}"
	until_true 60 has_lines "$out" 2
	expect "second line" "$(count <(tail -n 1 "$out") "ready ${WORKERS[3]} .*")" 1
	until_true 60 counter_is waits 10
}

test_ready_before_it_is_asked() {
	start_readyd
	spawn_worker
	mark "$PID"
	quiet_run 0 wait "$PID"
	says out "ready $PID$AGE start=[0-9]+ empty=1"
	quiet_run 0 wait --timeout 0 "$PID"
	quiet_run 0 status "$PID"
	says out "ready $PID$AGE start=[0-9]+ empty=1"
}

test_ready_by_rename() {
	start_readyd
	spawn_worker
	spawn_waiters 3 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	echo ready >elsewhere
	mv elsewhere "$(marker "$PID")"
	all_end 0 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "ready $PID$AGE start=[0-9]+"
}

# The age of the file does not matter: its name is new.
test_ready_by_rename_of_an_old_file() {
	start_readyd
	echo ready >elsewhere
	touch -d "1 day ago" elsewhere
	spawn_worker
	mv elsewhere "$(marker "$PID")"
	quiet_run 0 wait "$PID"
}

test_ready_by_hard_link() {
	start_readyd
	spawn_worker
	spawn_waiters 3 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	echo ready >elsewhere
	ln elsewhere "$(marker "$PID")"
	all_end 0 "${WAITERS[@]}"
}

test_ready_by_the_real_worker() {
	start_readyd
	spawn_real_worker
	spawn_waiters 20 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	echo >go
	all_end 0 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "ready $PID$AGE start=[0-9]+( empty=1)?"
	until_true 60 has_lines worker.out 1
	expect "marker" "$(cat "$(marker "$PID")")" "ready"
	quiet_run 0 status "$PID"
	says out "ready $PID$AGE start=[0-9]+"
	kill_and_reap "$PID"
	quiet_run 4 wait "$PID"
}

test_the_real_worker_dies_before_its_marker() {
	start_readyd
	spawn_real_worker
	spawn_waiters 5 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	kill -TERM "$PID"
	all_end 3 "${WAITERS[@]}"
}

test_the_real_worker_fails_in_its_setup() {
	start_readyd
	spawn_real_worker
	spawn_waiters 5 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mkdir "$(marker "$PID")"
	echo >go
	all_end 3 "${WAITERS[@]}"
}

test_any() {
	start_readyd
	spawn_workers 3
	spawn_waiters 1 --any "${WORKERS[@]}"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "${WORKERS[1]}"
	all_end 0 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "ready ${WORKERS[1]}$AGE start=[0-9]+( empty=1)?"
}

test_any_goes_on_after_a_death() {
	start_readyd
	spawn_workers 2
	spawn_waiters 1 --any "${WORKERS[0]}" "$NO_SUCH_PID" "${WORKERS[1]}"
	until_true 60 has_lines "out.${WAITERS[0]}" 1
	says "out.${WAITERS[0]}" "died $NO_SUCH_PID reason=no-process.*"
	until_true 60 counter_is gates 2
	mark "${WORKERS[1]}"
	all_end 0 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "died $NO_SUCH_PID .*" "ready ${WORKERS[1]} .*"
}

test_any_of_none() {
	start_readyd
	quiet_run 3 wait --any "$NO_SUCH_PID" $((NO_SUCH_PID + 1))
	says out "died $NO_SUCH_PID reason=no-process.*" "died $((NO_SUCH_PID + 1)) reason=no-process"
}

test_any_times_out() {
	start_readyd
	spawn_workers 2
	run 124 wait --any --timeout 0.1 "${WORKERS[@]}"
	says out "pending ${WORKERS[0]} start=[0-9]+ reason=deadline" "pending ${WORKERS[1]} start=[0-9]+ reason=deadline"
}

# One of them has died, which does not end the wait; the time-out does.
test_any_times_out_with_one_dead() {
	start_readyd
	spawn_worker
	expect_exit 124 ctl wait --any --timeout 0.2 "$NO_SUCH_PID" "$PID" >out 2>err
	says out "died $NO_SUCH_PID reason=no-process" "pending $PID start=[0-9]+ reason=deadline"
}

test_all() {
	start_readyd
	spawn_workers 3
	mark "${WORKERS[0]}"
	mark "${WORKERS[1]}"
	spawn_waiters 1 --all "${WORKERS[@]}"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "${WORKERS[2]}"
	all_end 0 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "ready ${WORKERS[0]} .*" "ready ${WORKERS[1]} .*" "ready ${WORKERS[2]} .*"
}

test_all_ends_when_one_cannot_be_ready() {
	start_readyd
	spawn_workers 3
	mark "${WORKERS[1]}"
	spawn_waiters 1 "${WORKERS[@]}"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	kill -KILL "${WORKERS[2]}"
	all_end 3 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "pending ${WORKERS[0]} start=[0-9]+" "ready ${WORKERS[1]} .*" "died ${WORKERS[2]} .*"
}

test_all_times_out() {
	start_readyd
	spawn_workers 3
	mark "${WORKERS[1]}"
	run 124 wait --timeout 0.1 "${WORKERS[@]}"
	says out "pending ${WORKERS[0]} start=[0-9]+ reason=deadline" "ready ${WORKERS[1]} .*" \
		"pending ${WORKERS[2]} start=[0-9]+ reason=deadline"
	says err "readyctl: timed out after 100 ms: process ${WORKERS[0]} is sleeping; .*: absent; directory: ok; waiting via (daemon|asking); .*" \
		"readyctl: timed out after 100 ms: process ${WORKERS[2]} is sleeping; .*: absent; .*"
}

test_a_process_named_twice() {
	start_readyd
	spawn_workers 2
	spawn_waiters 1 "${WORKERS[0]}" "${WORKERS[0]}" "${WORKERS[1]}" "${WORKERS[0]}"
	until_true 60 counter_is gates 2
	mark "${WORKERS[0]}"
	mark "${WORKERS[1]}"
	all_end 0 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "ready ${WORKERS[0]} .*" "ready ${WORKERS[1]} .*"
}

test_a_process_named_twice_times_out() {
	start_readyd
	spawn_worker
	run 124 wait --timeout 0.1 "$PID" "$PID"
	says out "pending $PID start=[0-9]+ reason=deadline"
	has_lines err 1 || die "explained more than once: $(cat err)"
}

test_timeout() {
	local before
	start_readyd
	spawn_worker
	before=$(now_ms)
	run 124 wait --timeout 300ms "$PID"
	[ $(($(now_ms) - before)) -ge 300 ] || die "too early"
	says out "pending $PID start=[0-9]+ reason=deadline"
	says err "readyctl: timed out after 300 ms: process $PID is sleeping; its marker $(marker "$PID"): absent; directory: ok; waiting via (daemon|asking); .*"
}

test_timeout_names_what_is_in_the_way() {
	start_readyd
	spawn_worker
	mkdir "$(marker "$PID")"
	run 124 wait --timeout 0.1 "$PID"
	says out "pending $PID start=[0-9]+ reason=deadline"
	says err "readyctl: timed out .* process $PID is sleeping; .*: not-a-file; directory: ok; .*"
	quiet_run 1 status "$PID"
	says out "pending $PID start=[0-9]+ reason=not-a-file"
}

test_timeout_names_a_directory_that_went_away() {
	start_readyd
	spawn_worker
	spawn_waiters 1 --timeout 3 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	rmdir m
	all_end 124 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "pending $PID start=[0-9]+ reason=deadline"
	says "err.${WAITERS[0]}" "readyctl: timed out .* process $PID is sleeping; .*; directory: missing; .*"
}

test_durations() {
	local duration
	start_readyd
	spawn_worker
	mark "$PID"
	for duration in 5 0.5 500ms 2m 1h 5s 1.5m 1m30s 0 1000h; do
		quiet_run 0 wait --timeout "$duration" "$PID"
		quiet_run 0 wait --timeout="$duration" "$PID"
	done
	for duration in -1 1x '' 1e3 inf nan 1.2.3 . ' 5' '5 ' '5 s' 0x10 +5 5,5 5S 30s1m; do
		refused 2 "not a duration" wait --timeout "$duration" "$PID"
	done
	for duration in 1001h 99999999999999999999; do
		refused 2 "out of range; use at most 1000h" wait --timeout "$duration" "$PID"
	done
}

test_died_never_existed() {
	start_readyd
	quiet_run 3 wait "$NO_SUCH_PID"
	says out "died $NO_SUCH_PID reason=no-process.*"
	quiet_run 3 status 2147483647
	says out "died 2147483647 reason=no-process.*"
	expect "processes" "$(counter processes)" 0
}

test_died_by_a_signal() {
	start_readyd
	spawn_unreaped "exec sleep 1000"
	spawn_waiters 5 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	kill_unreaped KILL
	all_end 3 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "died $PID start=[0-9]+ signal=9"
	quiet_run 3 status "$PID"
	says out "died $PID start=[0-9]+ signal=9"
	expect "gates" "$(counter gates)" 0
}

test_died_by_exit() {
	start_readyd
	mkfifo finish
	spawn_unreaped "read -r _ <finish; exit 7"
	spawn_waiters 1 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	echo >finish
	all_end 3 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "died $PID start=[0-9]+ status=7"
}

# The daemon keeps a pidfd of the process, so it can also answer afterwards.
test_died_and_was_reaped() {
	local major minor
	IFS=. read -r major minor _ </proc/sys/kernel/osrelease
	[ $((major * 1000 + minor)) -ge 6015 ] || skip "before Linux 6.15 a reaped process's status is lost"
	start_readyd
	spawn_worker
	spawn_waiters 1 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	kill -TERM "$PID"
	all_end 3 "${WAITERS[@]}"
	says "out.${WAITERS[0]}" "died $PID start=[0-9]+ signal=15"
	quiet_run 3 status "$PID"
	says out "died $PID start=[0-9]+ signal=15"
}

# The best of five rounds counts, since the machine may be busy.
test_death_is_answered_at_once() {
	local best=100000 round before after bound=100
	! is_sanitized || bound=500
	start_readyd
	for round in 1 2 3 4 5; do
		spawn_worker
		spawn_waiters 1 "$PID"
		until_true 60 each_holds "$GATE" "${WAITERS[@]}"
		before=$(now_ms)
		kill -KILL "$PID"
		wait "${WAITERS[0]}" || expect "exit status in round $round" $? 3
		after=$(now_ms)
		[ $((after - before)) -ge "$best" ] || best=$((after - before))
	done
	echo "best: $best ms"
	[ "$best" -lt "$bound" ] || die "a death was never answered within $bound ms, at best after $best"
}

test_exited() {
	start_readyd
	spawn_unreaped "exec sleep 1000"
	mark "$PID"
	quiet_run 0 wait "$PID"
	kill_unreaped KILL
	quiet_run 4 wait "$PID"
	says out "exited $PID$AGE start=[0-9]+ signal=9 empty=1"
	quiet_run 4 status "$PID"
	says out "exited $PID$AGE start=[0-9]+ signal=9 empty=1"
}

test_exited_after_its_marker_was_removed() {
	start_readyd
	spawn_worker
	mark "$PID"
	quiet_run 0 wait "$PID"
	until_true 60 counter_is processes 1
	rm "$(marker "$PID")"
	kill_and_reap "$PID"
	quiet_run 4 wait "$PID"
	says out "exited $PID .*latched=1"
}

test_latched_after_its_marker_was_removed() {
	start_readyd
	spawn_worker
	mark "$PID"
	quiet_run 0 wait "$PID"
	until_true 60 counter_is processes 1
	rm "$(marker "$PID")"
	quiet_run 0 wait "$PID"
	says out "ready $PID$AGE start=[0-9]+ latched=1"
	quiet_run 0 status "$PID"
	says out "ready $PID$AGE start=[0-9]+ latched=1"
}

# A wait with --timeout 0 gives the same answer as a query.
test_latched_with_timeout_0() {
	start_readyd
	spawn_worker
	mark "$PID"
	quiet_run 0 wait "$PID"
	until_true 60 counter_is processes 1
	rm "$(marker "$PID")"
	quiet_run 0 wait --timeout 0 "$PID"
	says out "ready $PID$AGE start=[0-9]+ latched=1"
}

# One pid with two starts is two processes, and each gets its answer.
two_starts() { # BACKEND
	local start worker count more=()
	export READYD_BACKEND=$1
	spawn_worker
	worker=$PID
	mark "$worker"
	start=$(ctl status "$worker" | sed 's/.* start=\([0-9]*\).*/\1/')
	for count in 0 20; do
		spawn_workers "$count"
		# shellcheck disable=SC2206
		more=(${WORKERS[@]+"${WORKERS[@]}"})
		[ "$count" -eq 0 ] || mark_all "${more[@]}"
		quiet_run 3 status "$worker:1" "$worker:$start" "${more[@]}"
		has_lines out $((2 + count)) || die "not a line for each: $(cat out)"
		quiet_run 3 wait --timeout 60 "$worker:1" "$worker:$start" "$worker" "$worker:1" "$worker:$start" "${more[@]}"
		has_lines out $((3 + count)) || die "not a line for each: $(cat out)"
		expect "those that died" "$(count out "died $worker start=1 reason=pid-reused.*")" 1
		expect "those that are ready" "$(count out "ready $worker$AGE start=$start.*")" 2
		quiet_run 0 wait --json --timeout 60 --any "$worker:1" "$worker:$start"
		grep -q "\"pid\":$worker,\"verdict\":\"ready\",\"exit\":0,\"start\":$start," out || die "not in JSON: $(cat out)"
	done
}
mark_all() {
	local pid
	for pid; do mark "$pid"; done
}

# ends_for_both BACKEND: two waits of one waiter for one process; both see it end.
ends_for_both() {
	local start
	export READYD_BACKEND=$1
	spawn_worker
	start=$(ctl status "$PID" | sed 's/.* start=\([0-9]*\).*/\1/')
	spawn_waiters 1 --any "$PID" "$PID:$start"
	[ "$1" != daemon ] || wait_for_gates
	[ "$1" != file ] || wait_for_watches
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	has_lines "out.${WAITERS[0]}" 2 || die "not two lines: $(cat "out.${WAITERS[0]}")"
}

test_one_pid_with_two_starts() {
	local backend
	start_readyd
	for backend in file auto daemon; do
		two_starts "$backend"
		ends_for_both "$backend"
	done
}

# Where the daemon refuses, the explanation says so.
test_a_refused_wait_is_explained() {
	start_readyd --max-waits 10
	spawn_workers 12
	run 124 wait --timeout 1 "${WORKERS[@]}"
	expect "refused ones" "$(grep -c "waiting via inotify (the daemon refuses: too-many-waits);" err)" 2
	run 124 wait --json --timeout 1 "${WORKERS[@]}"
	expect "refused ones" "$(grep -c '"via":"inotify","refusal":"too-many-waits"' out)" 2
}

# look_fails ERROR WHEN ARGUMENT...: readyctl without a daemon; its checks of the marker of $PID fail.
look_fails() {
	local error=$1 when=$2
	shift 2
	READYD_BACKEND="file" timeout 60 strace -qq -o trace -P "$(marker "$PID")" -e trace=lstat,newfstatat \
		-e "inject=lstat,newfstatat:error=$error:when=$when" "$READYCTL" "$@" >out 2>err
}

# A check that fails for once says nothing about the process: the wait goes on, and the next check finds the marker.
test_a_check_that_fails_once() {
	local error
	need_strace
	mkdir m
	# LeakSanitizer does not work under strace.
	export ASAN_OPTIONS=detect_leaks=0
	for error in EIO ENOMEM ESTALE ETIMEDOUT; do
		spawn_worker
		mark "$PID"
		expect_exit 0 look_fails "$error" 1 wait --timeout 60 "$PID"
		says out "ready $PID .*"
	done
}

test_a_check_that_fails_each_time() {
	need_strace
	mkdir m
	export ASAN_OPTIONS=detect_leaks=0
	spawn_worker
	mark "$PID"
	expect_exit 1 look_fails EIO 1+ status "$PID"
	says out "pending $PID start=[0-9]+ reason=look-failed"
	grep -q "the file system reports an error" err || die "no advice: $(cat err)"
	expect_exit 124 look_fails EIO 1+ wait --timeout 0.3 "$PID"
	says err "readyctl: timed out after 300 ms: .*: look-failed \(Input/output error\); directory: ok; .*"
	kill_and_reap "$PID"
	expect_exit 1 look_fails EIO 1+ status "$PID"
	says out "pending $PID reason=look-failed"
}

# last_poll_fails STATUS REGEX ARGUMENT...: of `readyctl wait` without a daemon; its answer is known at once.
last_poll_fails() {
	local want=$1 regex=$2 trace=(-qq -e "trace=poll,ppoll")
	shift 2
	expect_exit "$want" timeout 60 strace -o trace "${trace[@]}" "$READYCTL" wait "$@" >out
	expect_exit "$want" timeout 60 strace -o failed "${trace[@]}" \
		-e "inject=poll,ppoll:error=ENOMEM:when=$(wc -l <trace)" "$READYCTL" wait "$@" >out 2>err
	has_lines failed "$(wc -l <trace)" || die "another number of calls: $(cat failed)"
	tail -n 1 failed | grep -q INJECTED || die "no call has failed: $(cat failed)"
	says out "$regex"
	expect "standard error" "$(cat err)" ""
}

# The exit status is known by then, and the answer printed.
test_a_poll_that_fails_after_the_answer() {
	need_strace
	mkdir m
	# LeakSanitizer does not work under strace.
	export ASAN_OPTIONS=detect_leaks=0 READYD_BACKEND=file
	spawn_workers 2
	mark "${WORKERS[0]}"
	last_poll_fails 0 "ready ${WORKERS[0]} .*" --any "${WORKERS[@]}"
}

# polls COUNT STATUS PID: the number of them in `readyctl wait`. The look at a process polls its pidfd.
polls() {
	expect_exit "$2" timeout 60 strace -o trace -qq -e trace=poll,ppoll "$READYCTL" wait "$3" >out
	expect "calls of poll ($(cat trace))" "$(wc -l <trace)" "$1"
}

test_one_process_is_not_polled_after_the_answer() {
	need_strace
	mkdir m
	export ASAN_OPTIONS=detect_leaks=0 READYD_BACKEND=file
	spawn_worker
	mark "$PID"
	polls 1 0 "$PID"
	kill_and_reap "$PID"
	rm "$(marker "$PID")"
	polls 0 3 "$PID"
}

test_stale() {
	need_root
	start_readyd
	spawn_workers 2
	: >elsewhere
	chown 12345 elsewhere
	mv elsewhere "$(marker "${WORKERS[0]}")"
	quiet_run 5 status "${WORKERS[0]}"
	says out "stale ${WORKERS[0]} start=[0-9]+ reason=foreign-owner empty=1"
	quiet_run 5 wait --stale=fail "${WORKERS[0]}"
	says out "stale ${WORKERS[0]} start=[0-9]+ reason=foreign-owner empty=1"
	spawn_waiters 1 --stale=fail "${WORKERS[1]}"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	: >elsewhere
	chown 12345 elsewhere
	mv elsewhere "$(marker "${WORKERS[1]}")"
	all_end 5 "${WAITERS[@]}"
}

test_unreachable() {
	start_readyd
	spawn_worker
	rmdir m
	expect_exit 6 ctl status "$PID" >out 2>err
	says out "unreachable $PID start=[0-9]+ reason=no-directory"
	says err "readyctl: process $PID is unreachable: the marker directory that this process sees is missing; .*"
	expect_exit 6 ctl wait "$PID" >out 2>err
	says out "unreachable $PID start=[0-9]+ reason=no-directory"
	says err "readyctl: process $PID is unreachable: the marker directory that this process sees is missing; .*"
}

# Each answer contains the start that was asked for, also if no process has the pid.
test_one_particular_process_that_is_gone() {
	local backend
	start_readyd
	for backend in auto daemon file; do
		export READYD_BACKEND=$backend
		quiet_run 3 status "$NO_SUCH_PID:5"
		says out "died $NO_SUCH_PID start=5 reason=no-process status=unknown"
		quiet_run 3 wait "$NO_SUCH_PID:5"
		says out "died $NO_SUCH_PID start=5 reason=no-process status=unknown"
	done
}

test_one_particular_process() {
	local start
	start_readyd
	spawn_worker
	mark "$PID"
	quiet_run 0 status "$PID"
	start=$(sed -n 's/.* start=\([0-9]*\).*/\1/p' out)
	quiet_run 0 status "$PID:$start"
	quiet_run 0 wait "$PID:$start"
	says out "ready $PID$AGE start=$start empty=1"
	quiet_run 3 wait "$PID:$((start - 1))"
	says out "died $PID start=$((start - 1)) reason=pid-reused.*"
	quiet_run 3 status "$PID:$((start - 1))"
	says out "died $PID start=$((start - 1)) reason=pid-reused.*"
	refused 2 "positive decimal number" wait "$PID:"
	refused 2 "positive decimal number" wait "$PID:0"
	refused 2 "positive decimal number" wait "$PID:$start:1"
}

test_status_of_several() {
	start_readyd
	spawn_workers 3
	mark "${WORKERS[0]}"
	mark "${WORKERS[2]}"
	quiet_run 0 status "${WORKERS[0]}" "${WORKERS[2]}"
	says out "ready ${WORKERS[0]} .*" "ready ${WORKERS[2]} .*"
	quiet_run 1 status "${WORKERS[0]}" "${WORKERS[1]}" "$NO_SUCH_PID" "${WORKERS[2]}"
	says out "ready ${WORKERS[0]} .*" "pending ${WORKERS[1]} start=[0-9]+" "died $NO_SUCH_PID .*" "ready ${WORKERS[2]} .*"
	quiet_run 3 status "$NO_SUCH_PID" "${WORKERS[1]}"
	expect "order" "$(cut -d ' ' -f 1 out | paste -sd ' ')" "died pending"
}

json_lines() { python3 -m json.tool --json-lines "$1" /dev/null || die "not JSON lines: $(cat "$1")"; }

test_json() {
	need python3
	start_readyd
	spawn_workers 2
	mark "${WORKERS[0]}"
	run 124 wait --json --timeout 0.1 "${WORKERS[@]}"
	json_lines out
	says out "\{\"pid\":${WORKERS[0]},\"verdict\":\"ready\",\"exit\":0,.*\"backend\":\"(file|daemon)\"\}" \
		"\{\"pid\":${WORKERS[1]},\"verdict\":\"pending\",\"exit\":124,.*\"reason\":\"deadline\",.*\}"
	quiet_run 1 status --json "${WORKERS[1]}" "${WORKERS[0]}" "$NO_SUCH_PID"
	json_lines out
	says out ".*:${WORKERS[0]},.*" "\{\"pid\":${WORKERS[1]},\"verdict\":\"pending\",\"exit\":1,.*\"backend\":\"daemon\"\}" \
		"\{\"pid\":$NO_SUCH_PID,\"verdict\":\"died\",\"exit\":3,.*\"reason\":\"no-process\",.*\"backend\":\"daemon\"\}"
	quiet_run 0 list --json
	json_lines out
	expect "lines of the ready process" "$(count out ".*\"pid\":${WORKERS[0]},.*")" 1
	for command in ping stats; do
		quiet_run 0 --json "$command"
		has_lines out 1 || die "'$command' in JSON is not one line: $(cat out)"
		json_lines out
	done
}

test_quiet() {
	start_readyd
	spawn_workers 2
	mark "${WORKERS[0]}"
	quiet_run 0 wait -q "${WORKERS[0]}"
	expect "standard output" "$(cat out)" ""
	quiet_run 3 wait --quiet "$NO_SUCH_PID"
	expect "standard output" "$(cat out)" ""
	quiet_run 1 status -q "${WORKERS[@]}"
	expect "standard output" "$(cat out)" ""
	quiet_run 0 ping -q
	expect "standard output" "$(cat out)" ""
	run 124 wait -q --timeout 0.1 "${WORKERS[1]}"
	expect "standard output" "$(cat out)" ""
	has_lines err 1 || die "a time-out is explained in one line: $(cat err)"
}

test_list() {
	start_readyd
	quiet_run 0 list
	has_lines out 0 || die "not empty: $(cat out)"
	spawn_workers 3
	mark "${WORKERS[0]}"
	: >m/ktstr-worker-ready-x
	spawn_waiters 1 "${WORKERS[1]}"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	until_true 60 counter_is processes 2
	quiet_run 0 list
	says out "ready ${WORKERS[0]}$AGE start=[0-9]+ empty=1" "pending ${WORKERS[1]} start=[0-9]+"
}

# Only the socket is known: the daemon tells where the markers are.
test_the_daemon_tells_where_the_markers_are() {
	unset READYD_DIR
	start_readyd --prefix other-
	spawn_worker
	spawn_waiters 1 "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "$PID"
	quiet_run 1 status "$PID"
	: >"m/other-$PID"
	all_end 0 "${WAITERS[@]}"
	quiet_run 0 --socket "$T/s" status "$PID"
	# Of a process that is gone, what lies in the default directory does not count either.
	: >"m/other-$NO_SUCH_PID"
	run 4 status "$NO_SUCH_PID"
	run 4 wait --timeout 60 "$NO_SUCH_PID"
}

test_ping_and_stats() {
	start_readyd
	quiet_run 0 ping
	expect "ping" "$(cat out)" "daemon=alive"
	quiet_run 0 stats
	for name in pid clients waits gates processes waited watching; do
		expect "counter $name" "$(count out "$name=[0-9]+")" 1
	done
	expect "pid" "$(counter pid)" "$DAEMON"
	expect "watching" "$(counter watching)" 1
}

test_help_and_version() {
	quiet_run 0 --help
	grep -qF -- "--socket" out
	quiet_run 0 -h
	quiet_run 0 --version
	grep -qxE 'readyctl [0-9]+\.[0-9]+\.[0-9]+' out || die "version: $(cat out)"
}

# fails_to_print ARGUMENT...: with a standard output that is full, or closed.
fails_to_print() {
	local got=0
	ctl "$@" >/dev/full 2>err || got=$?
	expect "exit status of 'readyctl $*' on a full device" "$got" 125
	expect "lines on standard error ($(cat err))" "$(wc -l <err)" 1
	grep -q "No space left on device" err || die "no reason: $(cat err)"
	got=0
	ctl "$@" >&- 2>err || got=$?
	expect "exit status of 'readyctl $*' without standard output" "$got" 125
	expect "lines on standard error ($(cat err))" "$(wc -l <err)" 1
}

test_full_standard_output() {
	start_readyd
	spawn_worker
	mark "$PID"
	fails_to_print wait "$PID"
	fails_to_print wait --json "$PID"
	fails_to_print status "$PID"
	fails_to_print ping
	fails_to_print stats
	expect "commands without output" "$(ctl -q wait "$PID" >&- && echo fine)" "fine"
}

test_list_to_a_full_standard_output() {
	start_readyd
	spawn_worker
	mark "$PID"
	until_true 60 counter_is processes 1
	fails_to_print list
}

test_help_to_a_full_standard_output() {
	fails_to_print --help
	fails_to_print --version
}

test_closed_standard_descriptors() {
	start_readyd
	spawn_worker
	spawn bash -c 'exec "$0" wait -q "$1" <&- >&- 2>&-' "$READYCTL" "$PID"
	until_true 60 counter_is gates 1
	mark "$PID"
	all_end 0 "$LAST"
}

test_a_reader_that_goes_away() {
	start_readyd
	spawn_workers 2
	mark "${WORKERS[0]}"
	mkfifo pipe
	spawn bash -c 'exec "$0" wait "$@" >pipe 2>err' "$READYCTL" "${WORKERS[@]}"
	read -r _ <pipe
	mark "${WORKERS[1]}"
	all_end 125 "$LAST"
	has_lines err 1 || die "not one line: $(cat err)"
}

test_without_fallback_and_daemon() {
	mkdir m
	spawn_worker
	mark "$PID"
	refused 125 "is readyd running" wait --no-fallback "$PID"
	refused 125 "is readyd running" status --no-fallback "$PID"
	refused 125 "is readyd running" list --no-fallback
	refused 125 "is readyd running" ping
	refused 125 "is readyd running" stats
	refused 125 "$T/other" --socket "$T/other" wait --no-fallback "$PID"
}

test_without_fallback_with_daemon() {
	start_readyd
	spawn_worker
	spawn_waiters 3 --no-fallback "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	quiet_run 0 wait --no-fallback --json "$PID"
	grep -q '"backend":"daemon"' out || die "not the daemon's answer: $(cat out)"
}

run_tests "$@"
