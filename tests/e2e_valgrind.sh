#!/usr/bin/env bash
# The daemon with jemalloc, unchanged, under valgrind: no invalid access, no leak, no descriptor left open.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

start_under_valgrind() {
	need valgrind
	is_sanitized && skip "a sanitized build has checks of its own"
	# shellcheck disable=SC2034 # start_readyd uses it
	UNDER=(valgrind -q --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99
		--suppressions="$SRC/tests/valgrind.supp" --soname-synonyms=somalloc=NONE --track-fds=yes --log-file="$T/valgrind.log")
	start_readyd --max-waits 5
}

# Stops the daemon and checks what valgrind reports. Descriptors that the daemon opened have a stack there, inherited
# ones do not.
finish() {
	local rc=0
	kill -TERM "$DAEMON"
	wait "$DAEMON" || rc=$?
	expect "exit status (99: memory errors; $(cat valgrind.log))" "$rc" 0
	! grep -A1 'Open .*file descriptor' valgrind.log | grep -B1 -E '(at|by) 0x' ||
		die "left open: $(cat valgrind.log)"
}

test_every_verb_and_verdict() {
	local pids=() pid
	start_under_valgrind
	for _ in 1 2 3 4; do
		spawn_worker
		pids+=("$PID")
	done
	spawn_waiters 5 "${pids[0]}"
	until_true 60 counter_is handed_out 5
	mark "${pids[0]}"
	all_end 0 "${WAITERS[@]}"
	expect_exit 0 ctl status --no-fallback "${pids[0]}"
	kill_and_reap "${pids[0]}"
	expect_exit 4 ctl status --no-fallback "${pids[0]}"
	# Valgrind has no pidfd_open(2), so nothing would tell the daemon when to forget that the process was ready.
	rm "$(marker "${pids[0]}")"
	expect_exit 3 ctl status --no-fallback "${pids[0]}"
	expect_exit 124 ctl wait --timeout 50ms "${pids[@]:1}"
	{
		echo "HELLO 1"
		for pid in "${pids[@]:1}" "${pids[@]:1}"; do echo "WAIT $pid 60000"; done
		printf 'CANCEL %s\nLIST\nSTATS\nPING\nNONSENSE\nGATE %s\nWAIT 4194304\n' "${pids[1]}" "${pids[2]}"
		head -c 300 /dev/zero | tr '\0' x
	} | timeout 60 nc -U "$T/s" >answers
	grep -q '^CANCELLED' answers || die "$(cat answers)"
	grep -q '^ERR too-many-waits' answers || die "$(cat answers)"
	grep -q '^ERR line-too-long' answers || die "$(cat answers)"
	finish
}

# Clients that have gone, gates that no process holds, and waits at the end of the daemon leave nothing behind.
test_stopped_in_the_middle() {
	start_under_valgrind
	spawn_worker
	spawn_waiters 10 "$PID"
	until_true 60 counter_is handed_out 10
	printf 'WAIT %s\nWAIT %s 50000\n' "$PID" "$PID" >request
	# shellcheck disable=SC2094
	spawn nc -U "$T/s" <request
	until_true 60 counter_is waits 2
	finish
}

test_directory_comes_and_goes() {
	start_under_valgrind
	spawn_worker
	spawn_waiters 1 "$PID"
	until_true 60 counter_is handed_out 1
	mv m gone
	mkdir m
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	rm s
	until_true 60 ctl ping
	finish
}

run_tests "$@"
