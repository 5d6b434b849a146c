#!/usr/bin/env bash
# Waits while the daemon is absent, killed, restarted, frozen, or without inotify: the same answers, only later.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2119
. "$(dirname "$0")/lib.sh"

# each_says REGEX: every waiter has printed exactly one such line, and nothing on standard error.
each_says() {
	local waiter
	for waiter in "${WAITERS[@]}"; do
		grep -qxE -- "$1" "out.$waiter" || die "not '$1' in out.$waiter: $(cat "out.$waiter")"
		expect "lines in out.$waiter" "$(wc -l <"out.$waiter")" 1
		expect "standard error of $waiter" "$(cat "err.$waiter")" ""
	done
}

# In a new user namespace the maximum number of inotify instances can be set to 0.
NO_INOTIFY=(unshare -Urm bash -c 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"' -)
need_no_inotify() {
	need unshare
	"${NO_INOTIFY[@]}" true || skip "no user namespace to limit inotify in"
}

test_no_daemon() {
	mkdir m
	spawn_worker
	spawn_waiters 20 --json "$PID"
	wait_for_watches
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says "\{\"pid\":$PID,\"verdict\":\"ready\",.*\"backend\":\"file\"\}"
}

test_no_daemon_ready_by_rename() {
	mkdir m
	spawn_worker
	spawn_waiters 1 "$PID"
	wait_for_watches
	echo ready >elsewhere
	mv elsewhere "$(marker "$PID")"
	all_end 0 "${WAITERS[@]}"
}

test_no_daemon_real_worker() {
	mkdir m
	mkfifo go
	spawn bash -c 'read -r <go; KTSTR_WORKER_READY_MARKER_OVERRIDE=$0-$$ exec "$1" 65536' \
		"$T/m/ktstr-worker-ready" "$WORKER"
	PID=$LAST
	spawn_waiters 5 "$PID"
	wait_for_watches
	echo >go
	all_end 0 "${WAITERS[@]}"
	each_says "ready $PID$AGE start=[0-9]+( empty=1)?"
	kill_and_reap "$PID"
	expect_exit 4 ctl wait "$PID"
}

test_no_daemon_other_answers() {
	local out
	mkdir m
	spawn_worker
	expect_exit 124 ctl wait --timeout 0.1 "$PID"
	expect_exit 1 ctl status "$PID"
	expect_exit 3 ctl status "$NO_SUCH_PID"
	expect_exit 3 ctl wait "$NO_SUCH_PID"
	spawn_waiters 5 "$PID"
	wait_for_watches
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	each_says "died $PID start=[0-9]+.*"
	spawn_worker
	mark "$PID"
	: >"m/ktstr-worker-ready-$NO_SUCH_PID"
	expect_exit 0 ctl status "$PID"
	out=$(ctl list)
	expect "list" "$(cut -d ' ' -f 1,2 <<<"$out")" "ready $PID"
	rm -r m
	expect_exit 6 ctl status "$PID"
}

# 40 queries would wait for 10 seconds, one after the other.
test_a_frozen_daemon_delays_a_status_once() {
	local since took
	start_readyd
	spawn_workers 40
	freeze_readyd
	since=$(now_ms)
	expect_exit 1 ctl status "${WORKERS[@]}" >out
	took=$(($(now_ms) - since))
	has_lines out 40 || die "not a line for each: $(cat out)"
	[ "$took" -lt 5000 ] || die "it took $took ms"
}

test_no_daemon_directory_comes_back() {
	mkdir m
	spawn_worker
	spawn_waiters 3 "$PID"
	wait_for_watches
	rmdir m
	mkdir m
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

# Without a daemon a death is seen just as soon. The best of five rounds counts, since the machine may be busy.
test_no_daemon_death_is_answered_at_once() {
	local best=100000 round before after bound=100
	! is_sanitized || bound=500
	mkdir m
	for round in 1 2 3 4 5; do
		spawn_worker
		spawn_waiters 1 "$PID"
		wait_for_watches
		before=$(now_ms)
		kill -KILL "$PID"
		wait "${WAITERS[0]}" || expect "exit status in round $round" $? 3
		after=$(now_ms)
		[ $((after - before)) -ge "$best" ] || best=$((after - before))
	done
	[ "$best" -lt "$bound" ] || die "a death was never answered within $bound ms, at best after $best"
}

test_file_backend_leaves_the_daemon_alone() {
	local requests
	start_readyd
	export READYD_BACKEND=file
	requests=$(counter requests)
	spawn_worker
	spawn_waiters 5 --json "$PID"
	wait_for_watches
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says ".*\"verdict\":\"ready\",.*\"backend\":\"file\"\}"
	expect_exit 0 ctl status "$PID"
	expect_exit 3 ctl status "$NO_SUCH_PID"
	expect_exit 0 ctl list
	expect "requests" "$(counter requests)" $((requests + 1))
}

test_killed_and_then_ready() {
	start_readyd
	spawn_worker
	spawn_waiters 100 "$PID"
	wait_for_gates
	kill_readyd
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says "ready $PID$AGE start=[0-9]+( empty=1)?"
}

test_killed_and_ready_later() {
	start_readyd
	spawn_worker
	spawn_waiters 20 --json "$PID"
	wait_for_gates
	kill_readyd
	wait_for_watches
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says ".*\"verdict\":\"ready\",.*\"backend\":\"file\"\}"
}

test_killed_and_then_the_worker_dies() {
	start_readyd
	spawn_worker
	spawn_waiters 100 "$PID"
	wait_for_gates
	kill_readyd
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	each_says "died $PID start=[0-9]+.*"
}

test_killed_and_time_runs_out() {
	start_readyd
	spawn_worker
	spawn_waiters 3 --timeout 3 "$PID"
	wait_for_gates
	kill_readyd
	all_end 124 "${WAITERS[@]}"
	grep -qE "timed out after 3000 ms: process $PID is sleeping; .*: absent; .* waiting via (inotify|polling);" \
		"err.${WAITERS[0]}" || die "standard error: $(cat "err.${WAITERS[0]}")"
}

# Beyond eight processes a waiter holds one connection instead of gates.
test_killed_while_one_waits_for_many() {
	local worker workers=()
	start_readyd
	while [ ${#workers[@]} -lt 50 ]; do
		spawn_worker
		workers+=("$PID")
	done
	spawn_waiters 1 "${workers[@]}"
	until_true 60 counter_is waits 50
	mark "${workers[0]}"
	until_true 60 counter_is waits 49
	kill_readyd
	for worker in "${workers[@]}"; do
		mark "$worker"
	done
	all_end 0 "${WAITERS[@]}"
	expect "lines" "$(sort -u "out.${WAITERS[0]}" | grep -c '^ready ')" 50
}

test_restarted() {
	start_readyd
	spawn_worker
	spawn_waiters 20 "$PID"
	wait_for_gates
	none_holds "$INOTIFY" "${WAITERS[@]}" || die "a waiter with a gate watches the directory too"
	kill_readyd
	wait_for_watches
	start_readyd
	wait_for_gates
	until_true 60 none_holds "$INOTIFY" "${WAITERS[@]}"
	expect "gates" "$(counter gates)" 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says "ready $PID$AGE start=[0-9]+( empty=1)?"
}

test_restarted_again_and_again() {
	local i
	start_readyd
	spawn_worker
	spawn_waiters 20 "$PID"
	wait_for_gates
	for i in 1 2 3 4 5; do
		kill_readyd
		start_readyd
		ctl ping >/dev/null || die "the daemon of round $i does not answer"
	done
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

# A marker that was created while no daemon ran is found by the first scan of the next one.
test_ready_and_exited_between_two_daemons() {
	start_readyd
	kill_readyd
	spawn_worker
	mark "$PID"
	start_readyd
	expect "list" "$(ctl list | cut -d ' ' -f 1,2)" "ready $PID"
	kill_and_reap "$PID"
	expect_exit 4 ctl wait "$PID"
}

test_a_daemon_comes_later() {
	mkdir m
	spawn_worker
	spawn_waiters 5 "$PID"
	wait_for_watches
	start_readyd
	wait_for_gates
	until_true 60 none_holds "$INOTIFY" "${WAITERS[@]}"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_frozen_in_the_middle() {
	start_readyd
	spawn_worker
	spawn_waiters 20 "$PID"
	wait_for_gates
	freeze_readyd
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says "ready $PID$AGE start=[0-9]+( empty=1)?"
}

test_frozen_before_the_wait() {
	start_readyd
	freeze_readyd
	spawn_worker
	spawn_waiters 20 "$PID"
	wait_for_watches
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says "ready $PID$AGE start=[0-9]+( empty=1)?"
	expect_exit 0 ctl status "$PID"
	expect_exit 0 ctl wait "$PID"
	expect_exit 3 ctl status "$NO_SUCH_PID"
	expect_exit 3 ctl wait "$NO_SUCH_PID"
	expect "list" "$(ctl list | cut -d ' ' -f 1,2)" "ready $PID"
}

test_frozen_and_the_worker_dies() {
	start_readyd
	spawn_worker
	spawn_waiters 20 "$PID"
	wait_for_gates
	freeze_readyd
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	each_says "died $PID start=[0-9]+.*"
}

# fill_backlog: fills the backlog of the frozen daemon with connections.
fill_backlog() {
	need python3
	rm -f full
	spawn python3 -c '
import signal, socket
clients = []
try:
    while True:
        clients.append(socket.socket(socket.AF_UNIX))
        clients[-1].setblocking(False)
        clients[-1].connect("s")
except BlockingIOError:
    open("full", "w").close()
signal.pause()'
	until_true 60 exists full
}

# frozen_death_is_answered [COMMAND]: the daemon is frozen while it holds the waiter's gate, and then COMMAND runs. The best
# of some rounds counts, since the machine may be busy.
frozen_death_is_answered() {
	local best=100000 round before after bound=100
	! is_sanitized || bound=500
	start_readyd
	for round in 1 2 3 4 5 6 7 8 9 10; do
		spawn_worker
		spawn_waiters 1 "$PID"
		wait_for_gates
		freeze_readyd
		"$@"
		before=$(now_ms)
		kill -KILL "$PID"
		wait "${WAITERS[0]}" || expect "exit status in round $round" $? 3
		after=$(now_ms)
		[ $((after - before)) -ge "$best" ] || best=$((after - before))
		[ "$best" -ge "$bound" ] || return 0
		[ $# -eq 0 ] || kill -KILL "$LAST"
		kill -CONT "$DAEMON"
	done
	die "a death was never answered within $bound ms, at best after $best"
}

test_frozen_and_death_is_answered_soon() { frozen_death_is_answered; }
test_frozen_with_a_full_backlog_and_death_is_answered_soon() { frozen_death_is_answered fill_backlog; }

test_frozen_and_thawed() {
	start_readyd
	spawn_worker
	freeze_readyd
	spawn_waiters 5 "$PID"
	wait_for_watches
	kill -CONT "$DAEMON"
	wait_for_gates
	until_true 60 none_holds "$INOTIFY" "${WAITERS[@]}"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	until_true 60 counter_is gates 0
	until_true 60 counter_is clients 1
	expect_exit 0 ctl wait --no-fallback "$PID"
}

# Half of the waiters have a gate, half never got a reply; the marker is created while the daemon is frozen.
test_thawed_after_the_marker() {
	local before
	start_readyd
	spawn_worker
	spawn_waiters 5 "$PID"
	wait_for_gates
	before=("${WAITERS[@]}")
	freeze_readyd
	spawn_waiters 5 "$PID"
	wait_for_watches
	mark "$PID"
	kill -CONT "$DAEMON"
	all_end 0 "${before[@]}" "${WAITERS[@]}"
	until_true 60 counter_is gates 0
}

# Without fallback, every command fails in the end.
test_no_fallback_and_a_frozen_daemon() {
	local pids
	start_readyd
	spawn_worker
	freeze_readyd
	export READYD_BACKEND=daemon
	spawn_waiters 2 "$PID"
	pids=("${WAITERS[@]}")
	unset READYD_BACKEND
	spawn_waiters 2 --no-fallback "$PID"
	pids+=("${WAITERS[@]}")
	for command in "status --no-fallback $PID" "list --no-fallback" ping stats; do
		spawn bash -c 'exec "$0" $1 >"out.$$" 2>"err.$$"' "$READYCTL" "$command"
		pids+=("$LAST")
	done
	all_end 125 "${pids[@]}"
	for pid in "${pids[@]}"; do
		expect "standard output" "$(cat "out.$pid")" ""
		expect "lines on standard error" "$(wc -l <"err.$pid")" 1
		grep -q "does not answer" "err.$pid" || die "unclear: $(cat "err.$pid")"
	done
}

test_no_fallback_and_a_daemon_that_is_killed() {
	start_readyd
	spawn_worker
	spawn_waiters 5 --no-fallback "$PID"
	wait_for_gates
	kill_readyd
	all_end 125 "${WAITERS[@]}"
	expect "lines on standard error" "$(cat err.* | wc -l)" 5
}

# spawn_broken: a daemon that greets each client and then disconnects; it counts its clients in `clients`.
spawn_broken() {
	mkdir -p m
	need python3
	spawn python3 -c '
import os, socket, sys
place = os.stat("m")
server = socket.socket(socket.AF_UNIX)
server.bind("s")
server.listen(100)
open("serves", "w").close()
while True:
    client, _ = server.accept()
    with open("clients", "a") as count:
        count.write("x")
    client.recv(1000)
    client.sendall(b"READYD 1 epoch=3 pidns=%d dir=%d:%d prefix=ktstr-worker-ready- path=%s\n" % (
        os.stat("/proc/self/ns/pid").st_ino, place.st_dev, place.st_ino, sys.argv[1].encode()))
    client.close()' "$T/m"
	until_true 60 exists serves
}

# A wait continues with the file, and does not connect again and again.
test_a_daemon_that_greets_and_disconnects() {
	spawn_broken
	spawn_worker
	spawn_waiters 5 --timeout 30 "$PID"
	wait_for_watches
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	each_says "died $PID start=[0-9]+.*"
	spawn_worker
	expect_exit 124 ctl wait --timeout 0.5 "$PID" 2>err
	mark "$PID"
	expect_exit 0 ctl wait --timeout 30 "$PID"
	kill_and_reap "$PID"
	rm "$(marker "$PID")"
	expect_exit 3 ctl wait --timeout 30 "$PID"
	[ "$(wc -c <clients)" -lt 100 ] || die "connections: $(wc -c <clients)"
}

# The marker is removed after the first waiter has seen it, while the others wake up.
test_marker_removed_after_it_was_seen() {
	start_readyd
	spawn_worker
	spawn_waiters 50 "$PID"
	wait_for_gates
	spawn bash -c 'exec "$0" wait "$1" >"out.$$" 2>"err.$$"' "$READYCTL" "$PID"
	until_true 60 each_holds "$GATE" "$LAST"
	mark "$PID"
	wait "$LAST" || die "the first waiter failed"
	rm "$(marker "$PID")"
	all_end 0 "${WAITERS[@]}"
	each_says "ready $PID$AGE start=[0-9]+( empty=1| latched=1)?"
	spawn_waiters 50 --json "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says ".*\"verdict\":\"ready\",.*\"latched\":true,.*\"backend\":\"daemon\"\}"
}

test_no_inotify_for_the_waiter() {
	need_no_inotify
	mkdir m
	spawn_worker
	spawn "${NO_INOTIFY[@]}" bash -c 'exec "$0" wait "$1" >"out.$$" 2>"err.$$"' "$READYCTL" "$PID"
	WAITERS=("$LAST")
	until_true 60 waits_for "$LAST" "$PID"
	none_holds "$INOTIFY" "$LAST" || die "it has an inotify instance"
	mark "$PID"
	all_end 0 "$LAST"
	each_says "ready $PID$AGE start=[0-9]+( empty=1)?"
}

# waits_for WAITER WORKER: the waiter holds a pidfd of the worker.
waits_for() { grep -qsx "Pid:[[:space:]]*$2" "/proc/$1/fdinfo/"*; }

test_no_inotify_for_the_daemon() {
	need_no_inotify
	UNDER=("${NO_INOTIFY[@]}")
	start_readyd
	expect "watching" "$(counter watching)" 0
	grep -q "^readyd: warning: cannot watch $T/m: .*inotify" readyd.log || die "no warning: $(cat readyd.log)"
	spawn_worker
	spawn_waiters 20 --no-fallback "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	each_says "ready $PID$AGE start=[0-9]+( empty=1)?"
	spawn_worker
	spawn_waiters 5 --no-fallback "$PID"
	wait_for_gates
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	expect "warnings" "$(grep -c warning readyd.log)" 1
}

test_inotify_comes_back_for_the_daemon() {
	need_no_inotify
	need nsenter
	UNDER=("${NO_INOTIFY[@]}")
	start_readyd
	spawn_worker
	spawn_waiters 1 "$PID"
	wait_for_gates
	expect "watching" "$(counter watching)" 0
	nsenter --target "$DAEMON" --user --mount --preserve-credentials \
		sh -c 'echo 128 >/proc/sys/user/max_inotify_instances' || skip "cannot enter the user namespace"
	until_true 60 counter_is watching 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

run_tests "$@"
