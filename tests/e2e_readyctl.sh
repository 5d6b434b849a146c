#!/usr/bin/env bash
# What `readyctl wait` can be told: how many, until when, which processes, what to print and what to execute; and that it
# is never silent.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# answers TEXT: of the last command.
answers() { expect "standard output" "$(sed 's/ start=[0-9]*//; s/ age=assumed//; s/ empty=1//' out)" "$1"; }
explains() { grep -qE -- "^readyctl: $1\$" err || die "'$1' is not in: $(cat err)"; }

# --- how many

test_count() {
	start_readyd
	spawn_workers 3
	spawn_waiters 1 --count 2 "${WORKERS[@]}"
	wait_for_waits
	mark "${WORKERS[2]}"
	until_true 60 has_lines "out.${WAITERS[0]}" 1
	mark "${WORKERS[0]}"
	all_end 0 "${WAITERS[0]}"
	has_lines "out.${WAITERS[0]}" 2
}
wait_for_waits() { until_true 60 each_holds "$GATE" "${WAITERS[@]}"; }

# It ends as soon as too few are left.
test_count_that_cannot_be_reached() {
	mkdir m
	spawn_workers 3
	mark "${WORKERS[0]}"
	kill_and_reap "${WORKERS[1]}"
	run 124 wait -t 0.2 --count 2 "${WORKERS[@]}"
	kill_and_reap "${WORKERS[2]}"
	run 3 wait -t 60 --count 2 "${WORKERS[@]}"
	run 0 wait -t 60 --count 1 "${WORKERS[@]}"
	run 3 wait -t 60 --count 1 --all "${WORKERS[@]}"
	run 0 wait -t 60 --count 3 --any "${WORKERS[@]}"
}

# --- until when

end_is_waited_for() { # BACKEND
	export READYD_BACKEND=$1
	spawn_unreaped 'exec sleep 1000'
	mark "$PID"
	run 124 wait --for end -t 0.2 "$PID"
	answers "ready $PID reason=deadline"
	explains "timed out after 200 ms: process $PID is ready and has not ended; it is sleeping"
	spawn_waiters 2 --for=end "$PID"
	until_true 60 each_holds '*pidfd*' "${WAITERS[@]}"
	rm -f "$(marker "$PID")"
	kill -KILL "$PID"
	all_end 0 "${WAITERS[@]}"
	grep -qxE "exited $PID start=[0-9]+ signal=9" "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
}
test_end() {
	mkdir m
	end_is_waited_for file
	start_readyd
	end_is_waited_for auto
}

test_end_of_one_that_is_not_ready() {
	mkdir m
	spawn_unreaped 'exit 7'
	until_true 60 is_zombie "$PID"
	run 3 wait --for=end "$PID"
	mark "$PID"
	run 0 wait --for=end --json "$PID"
	grep -q '"verdict":"exited","exit":0,.*"status":7' out || die "$(cat out)"
	run 4 wait --for=end --for=ready "$PID"
}

# The first that ends after it was ready is enough; one that died does not count.
test_end_of_some() {
	mkdir m
	spawn_workers 3
	mark "${WORKERS[0]}"
	mark "${WORKERS[1]}"
	spawn_waiters 1 --for=end --any --print pid "${WORKERS[@]}"
	until_true 60 holds_pidfds 3
	kill_and_reap "${WORKERS[2]}"
	until_true 60 grep -q "^readyctl: died ${WORKERS[2]}" "err.${WAITERS[0]}"
	kill_and_reap "${WORKERS[1]}"
	all_end 0 "${WAITERS[0]}"
	expect "pids" "$(cat "out.${WAITERS[0]}")" "${WORKERS[1]}"
}
holds_pidfds() { [ "$(find "/proc/${WAITERS[0]}/fd" -lname '*pidfd*' | wc -l)" -eq "$1" ]; }

# --- which processes

test_processes_on_standard_input() {
	mkdir m
	spawn_workers 3
	mark "${WORKERS[0]}"
	mark "${WORKERS[1]}"
	mark "${WORKERS[2]}"
	printf '%s\n \t%s %s' "${WORKERS[@]}" >pids
	run 0 wait - <pids
	has_lines out 3
	sed 's/^[a-z]* \([0-9]*\) .*start=\([0-9]*\).*/\1:\2/' out >exact
	run 0 status - "${WORKERS[0]}" <exact
	has_lines out 4
	sleep 0.1 | run 2 wait -
	grep -q "no process: standard input names none" err || die "$(cat err)"
	for bad in 'x 1' '1 007' '1 2:x' 99999999999 '1 -' "$(printf '%0100d' 1)"; do
		refused 2 "process on standard input '" wait - <<<"$bad"
	done
	printf '1\0002' >bad
	refused 2 "process on standard input '1'" wait - <bad
	refused 125 "cannot read standard input: " wait - <m
}

# A pipe that stays open delays neither the time-out nor a signal, and is named.
test_standard_input_that_does_not_end() {
	mkfifo pipe
	exec 8<>pipe
	run 124 wait -t 0.1 - <pipe
	explains "timed out after 100 ms: standard input has not ended yet; .*"
	spawn bash -c 'exec "$0" wait - <pipe 2>err' "$READYCTL"
	until_true 60 is_state S "$LAST"
	until_true 60 catches "$LAST"
	kill -TERM "$LAST"
	all_end 143 "$LAST"
	explains "interrupted by SIGTERM after [0-9]+ ms: standard input has not ended yet; .*"
}
# The process has a handler for SIGTERM.
catches() { (($(sed -n 's/^SigCgt:\t/0x/p' "/proc/$1/status") & 0x4000)); }

test_pidfile() {
	mkdir m
	spawn_worker
	mark "$PID"
	echo "$PID" >named
	quiet_run 0 wait --pidfile named
	answers "ready $PID"
	printf ' %s\n/var/lib/x\n12345\n' "$PID" >named
	quiet_run 0 wait --pidfile named
	answers "ready $PID"
	# A process that is named twice is waited for once, also if one of them was answered before.
	for text in "$PID" "- --pidfile named" "$PID:$(stat_fields "$PID" | awk '{ print $20 }')" "--pidfile named"; do
		# shellcheck disable=SC2086
		quiet_run 0 wait --pidfile named $text < <(echo "$PID")
		answers "ready $PID"
		# shellcheck disable=SC2086
		run 2 wait -t 10 --count 2 --pidfile named $text < <(echo "$PID")
		explains "--count '2': there is only one process; .*"
	done
	for text in "" x 0 "$NO_SUCH_PID"; do
		echo "$text" >named
		run 124 wait -t 0.1 --pidfile named
		explains "timed out after 100 ms: pid file named (does not begin with a pid|names a process that does not exist)"
	done
	run 124 wait -t 0.1 --pidfile named/below
	explains "timed out after 100 ms: pid file named/below is missing"
	run 125 wait --pidfile m
	grep -q "^readyctl: cannot read the pid file m: Is a directory" err || die "$(cat err)"
	mkfifo fifo
	run 124 wait -t 0.1 --pidfile fifo
}

test_pidfile_that_comes_later() {
	local gone
	mkdir m
	spawn_worker
	gone=$PID
	kill_and_reap "$gone"
	spawn_worker
	mark "$PID"
	spawn_waiters 2 --pidfile d/named
	until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}"
	mkdir d
	echo "$gone" >d/named
	echo "$PID" >d/new
	mv d/new d/named
	all_end 0 "${WAITERS[@]}"
	# To open a FIFO would block.
	mkfifo d/fifo
	spawn_waiters 1 --pidfile d/fifo
	until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}"
	cp d/named d/new
	mv d/new d/fifo
	all_end 0 "${WAITERS[@]}"
	# The process that the file named first is the one that is meant.
	spawn_waiters 1 --for=end --pidfile d/named
	until_true 60 each_holds '*pidfd*' "${WAITERS[@]}"
	echo "$$" >d/named
	kill_and_reap "$PID"
	all_end 0 "${WAITERS[@]}"
}

# No event comes from /proc: the file is read again by time.
test_pidfile_without_events() {
	mkdir m
	spawn_worker
	ln -s "/proc/$PID/root$T/m/named" named
	spawn_waiters 1 --pidfile named
	until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}"
	mark "$PID"
	echo "$PID" >m/named
	all_end 0 "${WAITERS[@]}"
}

# --- what is printed

test_print() {
	start_readyd
	spawn_workers 2
	mark "${WORKERS[0]}"
	run 1 status --print pid "${WORKERS[@]}"
	expect "pids of those that are ready" "$(cat out)" "${WORKERS[0]}"
	run 0 wait --any --print=pid "${WORKERS[@]}"
	expect "pid of the first" "$(cat out)" "${WORKERS[0]}"
	run 0 wait --print=json --print=line "${WORKERS[0]}"
	answers "ready ${WORKERS[0]}"
	run 0 wait --print json "${WORKERS[0]}"
	mv out first
	run 0 wait --json "${WORKERS[0]}"
	expect "the synonym" "$(sed 's/elapsed_ms":[0-9]*/N/' out)" "$(sed 's/elapsed_ms":[0-9]*/N/' first)"
	until_true 60 lists_pid "${WORKERS[0]}"
	kill_and_reap "${WORKERS[1]}"
	run 3 wait --print pid "${WORKERS[1]}"
	expect "standard output" "$(cat out)" ""
	explains "died ${WORKERS[1]} .*"
	run 3 wait -q --print pid "${WORKERS[1]}"
	expect "with --quiet" "$(cat out err)" ""
}
lists_pid() { [ "$(ctl list --print pid)" = "$1" ]; }

# A gate that the daemon has closed with its word is its answer, and so is one that was pushed; a look of readyctl's own
# is not.
test_backend_is_the_side_that_answered() {
	start_readyd
	spawn_workers 10
	PID=${WORKERS[0]}
	spawn_waiters 2 --json "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	grep -q '"backend":"daemon"' "out.${WAITERS[0]}" || die "by a gate: $(cat "out.${WAITERS[0]}")"
	spawn_waiters 1 --json --count 2 "${WORKERS[@]}"
	until_true 60 counter_is waits 9
	mark "${WORKERS[1]}"
	all_end 0 "${WAITERS[@]}"
	grep -q "\"pid\":${WORKERS[1]},.*\"backend\":\"daemon\"" "out.${WAITERS[0]}" || die "pushed: $(cat "out.${WAITERS[0]}")"
	PID=${WORKERS[2]}
	spawn_waiters 1 --json "$PID"
	wait_for_gates
	freeze_readyd
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	grep -q '"backend":"file"' "out.${WAITERS[0]}" || die "by an own look: $(cat "out.${WAITERS[0]}")"
	PID=${WORKERS[3]}
	kill -CONT "$DAEMON"
	spawn_waiters 1 --json "$PID"
	wait_for_gates
	kill_readyd
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	grep -q '"backend":"file"' "out.${WAITERS[0]}" || die "after the daemon was killed: $(cat "out.${WAITERS[0]}")"
}

# --- what is executed

test_command() {
	mkdir m
	spawn_worker
	run 124 wait -t 0 "$PID" -- touch executed
	! exists executed || die "executed before the process was ready"
	mark "$PID"
	quiet_run 0 wait "$PID" -- echo -t '*' a\ b --help
	expect "output of the command alone" "$(cat out)" "-t * a b --help"
	quiet_run 7 wait "$PID" -- sh -c 'exit 7'
	quiet_run 0 wait --print line "$PID" -- echo x
	has_lines out 2
	echo "$PID" | run 0 wait - -- cat
	expect "standard input of the command" "$(cat out)" ""
	run 127 wait "$PID" -- ./missing
	explains "cannot execute ./missing: No such file or directory"
	: >plain
	run 126 wait "$PID" -- ./plain
	explains "cannot execute ./plain: Permission denied"
	kill_and_reap "$PID"
	run 4 wait "$PID" -- touch executed
	answers "exited $PID"
	! exists executed || die "executed for a process that has exited"
}

# It takes the place of readyctl: the pid, signals and limits that readyctl was started with.
test_command_inherits() {
	mkdir m
	spawn_workers 101
	for PID in "${WORKERS[@]}"; do mark "$PID"; done
	cat >show <<-'EOF'
	grep -E '^(Sig(Ign|Cgt|Blk)|ShdPnd)' /proc/self/status
	ulimit -n
	ls /proc/self/fd
	EOF
	for name in default ignore; do
		spawn env "--$name-signal=PIPE,CHLD,HUP" bash -c 'ulimit -Sn 200; exec "$@"' x sh show >want
		all_end 0 "$LAST"
		spawn env "--$name-signal=PIPE,CHLD,HUP" bash -c 'ulimit -Sn 200; exec "$@"' x \
			"$READYCTL" wait "${WORKERS[@]}" -- sh show >out
		all_end 0 "$LAST"
		expect "what the command has, $name" "$(cat out)" "$(cat want)"
	done
	spawn "$READYCTL" wait "${WORKERS[@]}" -- sh -c 'echo $$' >out
	all_end 0 "$LAST"
	expect "pid" "$(cat out)" "$LAST"
}

# --- never silent

# interrupted NUMBER NAME: a wait by the signal, also where nohup(1) has started the tests.
interrupted() {
	spawn env --default-signal=HUP,INT,TERM bash -c 'exec "$0" wait "$1" "$2" >out 2>err' "$READYCTL" "$PID" "$OTHER"
	until_true 60 each_holds "$INOTIFY" "$LAST"
	kill "-$1" "$LAST"
	all_end $((128 + $1)) "$LAST"
	explains "interrupted by $2 after [0-9]+ ms: process $PID is sleeping; its marker .*: absent; directory: ok; .*"
	explains "interrupted by $2 after [0-9]+ ms: process $OTHER is .*"
	answers "pending $PID
pending $OTHER"
}

test_signals_are_explained() {
	mkdir m
	spawn_workers 2
	PID=${WORKERS[0]} OTHER=${WORKERS[1]}
	interrupted 1 SIGHUP
	interrupted 2 SIGINT
	interrupted 15 SIGTERM
	# As of timeout(1), and while a pid file is missing.
	expect_exit 124 timeout 0.3 "$READYCTL" wait --pidfile named 2>err
	explains "interrupted by SIGTERM after [0-9]+ ms: pid file named is missing"
	spawn nohup "$READYCTL" wait "$PID" >out 2>err
	until_true 60 each_holds "$INOTIFY" "$LAST"
	kill -HUP "$LAST"
	mark "$PID"
	all_end 0 "$LAST"
}

# It really ends by the signal, as a shell that runs it must see.
test_a_signal_ends_it() {
	need python3
	mkdir m
	spawn_worker
	READYD_BACKEND="file" expect_exit 0 timeout 60 python3 - "$READYCTL" "$PID" <<-'EOF'
	import os, signal, subprocess, sys, time
	child = subprocess.Popen([sys.argv[1], "wait", sys.argv[2]], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
	def waits():
	    try:
	        return any("inotify" in os.readlink(entry.path) for entry in os.scandir(f"/proc/{child.pid}/fd"))
	    except FileNotFoundError:
	        return False
	while not waits():
	    time.sleep(0.01)
	# That of the terminal and that of timeout(1) come together: they are one.
	child.send_signal(signal.SIGSTOP)
	for number in signal.SIGINT, signal.SIGTERM, signal.SIGCONT:
	    child.send_signal(number)
	assert b"interrupted by SIGINT" in child.stderr.read()
	assert child.wait() == -signal.SIGINT, child.returncode
	EOF
}

# A clock that is ten seconds ahead from the moment on in which `jump` exists: a longer wait would show the same.
write_jumping_clock() {
	! is_sanitized || skip "sanitizers must be loaded first"
	file_is_dynamic || skip "readyctl is linked statically"
	need "${CC:-gcc}"
	cat >jump.c <<-'EOF'
	#define _GNU_SOURCE
	#include <sys/syscall.h>
	#include <time.h>
	#include <unistd.h>
	int clock_gettime(clockid_t clock, struct timespec *now)
	{
		int result = (int)syscall(SYS_clock_gettime, clock, now);
		if (clock == CLOCK_MONOTONIC && access("jump", F_OK) == 0)
			now->tv_sec += 10;
		return result;
	}
	EOF
	"${CC:-gcc}" -shared -fPIC -o jump.so jump.c
}
file_is_dynamic() { readelf -d "$READYCTL" 2>/dev/null | grep -q NEEDED; }

test_a_long_wait_says_so() {
	write_jumping_clock
	mkdir m
	spawn_worker
	READYD_BACKEND="file" LD_PRELOAD=$T/jump.so spawn_waiters 1 "$PID"
	READYD_BACKEND="file" LD_PRELOAD=$T/jump.so spawn bash -c 'exec "$0" wait -q "$1" 2>quiet' "$READYCTL" "$PID"
	until_true 60 each_holds "$INOTIFY" "${WAITERS[0]}" "$LAST"
	: >jump
	until_true 60 test -s "err.${WAITERS[0]}"
	cp "err.${WAITERS[0]}" err
	explains "still waiting after 1[0-9] s: process $PID is sleeping, marker: absent"
	has_lines err 1
	mark "$PID"
	all_end 0 "${WAITERS[0]}"
	until_true 60 has_ended "$LAST"
	expect "with --quiet" "$(cat quiet)" ""
}

run_tests "$@"
