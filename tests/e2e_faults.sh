#!/usr/bin/env bash
# Whatever fails or is killed at whatever moment (the daemon, a client, a system call, memory, descriptors), no marker
# is lost, no answer is wrong, and whatever is left goes on.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2119
. "$(dirname "$0")/lib.sh"

# STRACE: the daemon remains a child of the shell, traced by a grandchild that ends with it.
need_strace_of_the_daemon() {
	need strace
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	STRACE=(strace -D -f -qq -o)
	timeout 60 "${STRACE[@]}" traced true || skip "strace is not permitted to trace"
}

# status_says REGEX ARGUMENT...: `readyctl status` prints such a line, whatever its exit status.
status_says() {
	local out regex=$1 got=0
	shift
	out=$(ctl status "$@") || got=$?
	grep -qxE -- "$regex" <<<"$out" || die "status $* (exit status $got): '$out' is not '$regex'"
}

# It sleeps, on a gate or on an inotify instance.
sleeps() { each_holds "$GATE" "$1" || each_holds "$INOTIFY" "$1"; }

stop_readyd() {
	local got=0
	# It may have ended, or end in between.
	if ! has_ended "$DAEMON"; then kill -TERM "$DAEMON" 2>/dev/null || has_ended "$DAEMON"; fi
	until_true 60 has_ended "$DAEMON"
	wait "$DAEMON" || got=$?
	ENDED=$got
}

# run_daemon COMMAND...: runs a daemon under this command, which may end it at any time; $ENDED is its exit status. One
# client waits for WORKERS by a connection and one for $PID by a gate; both get the right answer, and so does a later
# query.
run_daemon() {
	local worker many
	rm -f m/*
	UNDER=("$@")
	if ! try_readyd; then echo "it ends before it serves"; fi
	UNDER=()
	spawn_waiters 1 "${WORKERS[@]}"
	many=${WAITERS[0]}
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	for worker in "${WORKERS[@]}"; do
		mark "$worker"
	done
	all_end 0 "$many" "${WAITERS[@]}"
	expect "lines of the waiter with many processes" "$(grep -c '^ready ' "out.$many")" ${#WORKERS[@]}
	status_says "ready $PID .*" "$PID"
	stop_readyd
	touch readyd.log
	mv readyd.log last.log
}

# kill_points MOST <calls: pairs of a system call and the number of an occurrence: of each call the last one, some in
# between, and the first one. They are mixed, so that those which the time allows are like the rest. If there are more
# calls than MOST, only some of them. Calls that only the loader makes are left out, and those by which gcov writes its
# counters at the end.
kill_points() {
	awk -v most="$1" '
		/\.gcda"/ { exit }
		match($2, /^[a-z0-9_]+\(/) {
			name = substr($2, 1, RLENGTH - 1)
			if (name !~ /^(execve|brk|mmap|munmap|mprotect|arch_prctl|pread64|access|rseq|madvise|[gs]et.*id|set_.*)$/)
				if (count[name]++ == 0) names[++n] = name
		}
		END {
			split("1 0.6 0.8 0.4 0", share, " ")
			step = most < n ? n / most : 1
			for (s = 1; s <= 5; s++)
				for (i = 1; i <= n; i += step) {
					name = names[int(i)]
					at = 1 + int(share[(s + int(i)) % 5 + 1] * (count[name] - 1))
					if (!seen[name, at]++ && most-- > 0) print name, at
				}
		}'
}

# each_point MOST SECONDS SIGNAL: runs daemons that get the signal at a system call; after each of them, the next daemon
# serves at once. $POINTS is the number of runs, $HIT that of the daemons that the signal ended.
each_point() {
	local most=$1 end=$((SECONDS + $2)) signal=$3 call at want
	POINTS=0 HIT=0
	spawn_workers 9
	run_daemon "${STRACE[@]}" calls
	expect "exit status without a fault" "$ENDED" 0
	kill_points "$most" <calls >points
	# The first one however long the run without a fault has taken.
	while read -r call at <&3 && { [ "$POINTS" -eq 0 ] || [ "$SECONDS" -lt "$end" ]; }; do
		echo "$call $at"
		run_daemon "${STRACE[@]}" /dev/null -e trace="$call" -e inject="$call:signal=$signal:when=$at"
		POINTS=$((POINTS + 1))
		if [ "$ENDED" -ne 0 ]; then
			HIT=$((HIT + 1))
			# Before the daemon handles the signal, and after it has restored the default, the default action
			# applies.
			want=$((128 + $(kill -l "$signal")))
			[ "$signal" = KILL ] || ! grep -q "info: serving" last.log || grep -q "info: stopping" last.log || want=0
			expect "exit status" "$ENDED" "$want"
		fi
		start_readyd
		ctl status --no-fallback "${WORKERS[@]}" >out || die "the next daemon answers: $(cat out)"
		kill_readyd
		rm readyd.log
	done 3<points
	echo "SIG$signal at $POINTS points, ended by it at $HIT"
}

test_a_daemon_killed_at_any_system_call() {
	need_strace_of_the_daemon
	each_point 60 40 KILL
	[ "$POINTS" -ge 10 ] || die "only $POINTS points in the time"
	[ "$HIT" -ge $((POINTS / 2)) ] || die "killed at $HIT of $POINTS points only"
}

# Each round has a new process, since one that was seen ready stays ready.
write_race() {
	cat >race.py <<'PY'
import os, random, signal, sys, time

readyctl, directory, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
end = time.monotonic() + seconds
rounds = 0
spread = 0.004
while rounds < 20 or (time.monotonic() < end and rounds < 1000):
    worker = os.fork()
    if worker == 0:
        signal.pause()
        os._exit(0)
    marker = f"{directory}/ktstr-worker-ready-{worker}"
    waiter = os.posix_spawn(readyctl, [readyctl, "wait", "-q", "--timeout", "30", str(worker)], os.environ)
    time.sleep(random.uniform(0, spread))
    os.close(os.open(marker, os.O_WRONLY | os.O_CREAT))
    status = os.waitstatus_to_exitcode(os.waitpid(waiter, 0)[1])
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    os.unlink(marker)
    rounds += 1
    if status != 0:
        sys.exit(f"round {rounds}: exit status {status}")
print(rounds, "rounds")
PY
}

test_a_marker_between_watch_and_check_is_not_lost() {
	local pids=()
	need python3
	start_readyd
	write_race
	READYD_BACKEND="file" spawn timeout 120 python3 race.py "$READYCTL" "$T/m" 6
	pids+=("$LAST")
	READYD_BACKEND="daemon" spawn timeout 120 python3 race.py "$READYCTL" "$T/m" 6
	pids+=("$LAST")
	for pid in "${pids[@]}"; do
		wait "$pid" || die "a marker was lost; $(cat readyd.log)"
	done
	alive
}

has_overflowed() { [ "$(counter overflows)" -ge 1 ]; }

# These waiters do not check the file, so that the answers depend on the daemon alone.
test_an_overflow_of_the_event_queue_loses_no_marker() {
	[ "$(cat /proc/sys/fs/inotify/max_queued_events)" -le 30000 ] || skip "fs.inotify.max_queued_events is large"
	start_for_python
	spawn_worker
	timeout 120 python3 -B - "$DAEMON" "$PID" <<'PY' || die "log: $(cat readyd.log)"
import sys
sys.path.insert(0, "")
from wire import *
import signal

daemon, worker = int(sys.argv[1]), sys.argv[2]
directory = os.environ["READYD_DIR"]
waiter, gated, other = Client(), Client(), Client()
waiter.send(f"WAIT {worker}\n")
same(waiter.ask("PING"), "PONG")
gate = gated.gate(worker)
os.kill(daemon, signal.SIGSTOP)
try:
    for i in range(20000):
        os.close(os.open(f"{directory}/file-{i}", os.O_WRONLY | os.O_CREAT))
    os.close(os.open(f"{directory}/ktstr-worker-ready-{worker}", os.O_WRONLY | os.O_CREAT))
    os.unlink(f"{directory}/file-0")
finally:
    os.kill(daemon, signal.SIGCONT)
before = time.monotonic()
same(other.ask("PING"), "PONG")
same(Client().ask("PING"), "PONG")
assert waiter.line().startswith(f"ready {worker} ")
same(hung_up(gate, 60), True)
assert time.monotonic() - before < 30, time.monotonic() - before
PY
	until_true 60 has_overflowed
	expect_exit 0 ctl wait --no-fallback "$PID"
}

test_a_frozen_daemon_stops_no_client() {
	local before worker
	start_readyd
	spawn_workers 9
	spawn_waiters 5 "$PID"
	wait_for_gates
	spawn_waiters 1 "${WORKERS[@]}"
	until_true 60 counter_is waits 9
	freeze_readyd
	before=$(now_ms)
	for worker in "${WORKERS[@]}"; do
		mark "$worker"
	done
	spawn_waiters 5 "$PID"
	status_says "ready $PID .*" "$PID"
	for worker in $(jobs -pr); do
		[ ! -e "out.$worker" ] || all_end 0 "$worker"
	done
	[ $(($(now_ms) - before)) -lt 20000 ] || die "it took $(($(now_ms) - before)) ms"
	expect "answers" "$(cat out.* | grep -c '^ready ')" 19
	expect "other answers" "$(cat out.* err.* | select_lines -vc '^ready ')" 0
}

test_a_daemon_out_of_memory_ends_and_its_clients_go_on() {
	need prlimit
	! is_sanitized || skip "a sanitizer takes its own address space"
	start_for_python
	spawn_workers 9
	spawn_waiters 3 "$PID"
	wait_for_gates
	spawn_waiters 1 "${WORKERS[@]}"
	until_true 60 counter_is waits 9
	prlimit --pid "$DAEMON" --as=$(($(awk '{ print $1 }' "/proc/$DAEMON/statm") * $(getconf PAGESIZE) + 256 * 1024))
	spawn_python "$PID" <<'PY'
clients = []
try:
    while True:
        clients.append(Client())
        clients[-1].send(f"WAIT {sys.argv[1]} 100000\n" * 1000)
        same(clients[-1].ask("PING"), "PONG")
except (AssertionError, OSError) as error:
    print(len(clients), "clients:", repr(error))
# Every client sees the end of its connection, and no false answer before it.
for client in clients:
    same(client.line(), None)
PY
	ends 71
	all_end 0 "$LAST"
	expect "last line" "$(tail -n 1 readyd.log)" \
		"readyd: out of memory, stopping; clients fall back to the marker files"
	expect "lines" "$(wc -l <readyd.log)" 2
	status_says "pending $PID( .*)?" "$PID"
	for worker in "${WORKERS[@]}"; do
		mark "$worker"
	done
	for worker in $(jobs -pr); do
		[ ! -e "out.$worker" ] || all_end 0 "$worker"
	done
	expect "answers" "$(cat out.* | grep -c '^ready ')" 12
	status_says "ready $PID .*" "$PID"
	start_readyd
	expect_exit 0 ctl status --no-fallback "$PID"
}

# Every waiter has opened a pidfd.
each_waits() { each_holds '*pidfd*' "$@"; }
is_traced() { grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$1/status"; }

# fails CALL ERROR WHEN: a daemon in which this call fails once it serves (from its start, for calls that it makes only
# then), and clients that wait meanwhile: they get the right answers, and neither log lines nor calls repeat endlessly.
fails() {
	local call=$1 error=$2 when=$3 before rate waiters worker
	local inject=(-e trace="$call" -e inject="$call:error=$error$when")
	rm -f m/* failed readyd.log out.* err.*
	UNDER=()
	case $call in
	inotify_*) UNDER=("${STRACE[@]}" failed "${inject[@]}") ;;
	esac
	start_readyd
	case $call in
	inotify_*) UNDER=() ;;
	*)
		spawn strace -f -qq -o failed "${inject[@]}" -p "$DAEMON"
		until_true 60 is_traced "$DAEMON"
		;;
	esac
	before=$(now_ms)
	spawn_workers 10
	spawn_waiters 1 "${WORKERS[@]:0:9}"
	waiters=("${WAITERS[@]}")
	spawn_waiters 2 "${WORKERS[0]}"
	waiters+=("${WAITERS[@]}")
	spawn_waiters 1 "$PID"
	until_true 60 each_waits "${waiters[@]}" "${WAITERS[@]}"
	status_says "pending $PID( .*)?" "$PID"
	status_says "died $NO_SUCH_PID( .*)?" "$NO_SUCH_PID"
	until_true 60 grep -q INJECTED failed
	kill -KILL "$PID"
	for worker in "${WORKERS[@]:0:9}"; do
		mark "$worker"
	done
	all_end 3 "${WAITERS[@]}"
	all_end 0 "${waiters[@]}"
	status_says "ready ${WORKERS[0]}( .*)?" "${WORKERS[0]}"
	[ "$(wc -l <readyd.log)" -le 4 ] || die "the log: $(head -n 20 readyd.log)"
	! has_ended "$DAEMON" || die "it has ended: $(cat readyd.log)"
	rate=$(($(wc -l <failed) * 1000 / ($(now_ms) - before + 500)))
	[ "$rate" -le 1500 ] || die "$rate such calls a second"
}

# Each call with an error that it can return, once and then every time.
test_any_system_call_of_the_daemon_may_fail() {
	local call error when
	need_strace_of_the_daemon
	while read -r call error; do
		for when in :when=1 ""; do
			echo "$call $error $when"
			fails "$call" "$error" "$when"
			case $call$when in
			inotify_*:when=1) until_true 60 counter_is watching 1 ;;
			inotify_*)
				expect "watching" "$(counter watching)" 0
				expect "warnings" "$(grep -c 'warning: cannot watch' readyd.log)" 1
				;;
			accept4) expect "warnings" "$(grep -c 'warning: cannot accept' readyd.log)" 1 ;;
			pidfd_open | pipe2 | openat | *:when=1) alive ;;
			esac
			kill_readyd
		done
	done <<-'CALLS'
		inotify_init1 EMFILE
		inotify_add_watch ENOSPC
		pidfd_open EMFILE
		pipe2 EMFILE
		accept4 EMFILE
		sendmsg ENOMEM
		sendto EIO
		recvfrom EIO
		openat EMFILE
	CALLS
	# These do not fail permanently: epoll_wait can only be interrupted, and without lstat no answer is possible.
	fails epoll_wait EINTR :when=1
	alive
	kill_readyd
	fails newfstatat ENOMEM :when=3
	alive
}

# An error of accept(2) that is not a shortage and can last.
test_a_lasting_error_of_accept_stops_no_client() {
	need_strace_of_the_daemon
	fails accept4 EPERM ""
}

# A client is served or disconnected, whether the daemon continues or ends.
test_every_client_is_served_or_disconnected() {
	local when got
	need_strace_of_the_daemon
	for when in 1 2 3 4 1+; do
		echo "$when"
		rm -f readyd.log
		start_for_python
		spawn_worker
		spawn strace -f -qq -o failed -e trace=epoll_ctl -e inject="epoll_ctl:error=ENOSPC:when=$when" -p "$DAEMON"
		until_true 60 is_traced "$DAEMON"
		python "$PID" <<'PY' || die "log: $(cat readyd.log)"
for i in range(20):
    try:
        client = Client(timeout=10)
        client.send(f"WAIT {sys.argv[1]}\nPING\n")
        line = client.line()
    except (ConnectionError, FileNotFoundError) as error:
        line = None
    assert line in (None, "PONG") or line.startswith("ERR "), line
PY
		[ "$(wc -l <readyd.log)" -le 4 ] || die "the log: $(cat readyd.log)"
		# It may have exited before that, out of epoll watches.
		got=0
		if kill -KILL "$DAEMON" 2>/dev/null; then echo "killed"; fi
		wait "$DAEMON" 2>/dev/null || got=$?
		[ "$got" -eq 137 ] || expect "exit status of readyd" "$got" 71
	done
}

# A wait that began before the change, by a client that does not check the file. The best of three counts, since the
# machine may be busy.
write_replace() {
	cat >replace.py <<'PY'
import sys
sys.path.insert(0, "")
from wire import *
import shutil, subprocess

directory = os.environ["READYD_DIR"]


def recreated():
    os.rmdir(directory)
    os.mkdir(directory)


def renamed():
    os.rename(directory, directory + ".old")
    os.mkdir(directory)


def attempt(replace):
    worker = subprocess.Popen(["sleep", "1000"])
    try:
        client = Client()
        client.send(f"WAIT {worker.pid}\n")
        same(client.ask("PING"), "PONG")
        replace()
        before = time.monotonic()
        marker = f"{directory}/ktstr-worker-ready-{worker.pid}"
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT))
        assert client.line().startswith(f"ready {worker.pid} ")
        took = time.monotonic() - before
        os.unlink(marker)
        return took
    finally:
        worker.kill()
        worker.wait()
        shutil.rmtree(directory + ".old", ignore_errors=True)


for replace, hold in [(recreated, False), (recreated, True), (renamed, False), (renamed, True)]:
    best = 60
    for i in range(3):
        holder = subprocess.Popen(["sleep", "1000"], cwd=directory) if hold else None
        best = min(best, attempt(replace))
        if holder:
            holder.kill()
            holder.wait()
        if best < 1.5:
            break
    assert best < 1.5, (replace.__name__, hold, best)
PY
}

test_a_replaced_directory_is_watched() {
	start_for_python
	write_replace
	timeout 120 python3 -B replace.py || die "log: $(cat readyd.log)"
	until_true 60 counter_is watching 1
}

# keep_asking STATUS REGEX ARGUMENT...: runs readyctl in a loop until the file `stop` exists.
keep_asking() {
	local want=$1 regex=$2 got out
	shift 2
	while [ ! -e stop ]; do
		got=0
		out=$(timeout 60 "$READYCTL" "$@" 2>&1) || got=$?
		[ "$got" -eq "$want" ] || die "exit status of 'readyctl $*': got $got, want $want; $out"
		grep -qxE -- "$regex" <<<"$out" || die "readyctl $*: '$out' is not '$regex'"
		echo "$want"
	done >"asked.$want.$1"
}

test_restarts_change_no_answer() {
	local i ready pids=() end
	start_readyd
	kill_readyd
	[ -S s ] || die "a killed daemon left no socket"
	start_readyd
	alive
	spawn_worker
	mark "$PID"
	ready=$PID
	spawn_worker
	spawn keep_asking 0 "ready $ready .*" status "$ready"
	pids+=("$LAST")
	spawn keep_asking 0 "ready $ready .*" wait "$ready"
	pids+=("$LAST")
	spawn keep_asking 1 "pending $PID .*" status "$PID"
	pids+=("$LAST")
	spawn_waiters 3 "$PID"
	end=$((SECONDS + 30))
	for ((i = 0; i < 100 && SECONDS < end; i++)); do
		if ((i % 2)); then kill_readyd; else stop_readyd; fi
		start_readyd
	done
	echo "$i restarts"
	[ "$i" -ge 20 ] || die "only $i restarts in the time"
	alive
	: >stop
	for i in "${pids[@]}"; do wait "$i" || die "a client got another answer"; done
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	for i in 0.status 0.wait 1.status; do
		[ "$(wc -l <"asked.$i")" -ge 5 ] || die "fewer than 5 queries: $i"
	done
}

# ending.py reaped|unreaped|threads: starts a worker that exits with status 7; with "threads", only its first thread exits.
# Its parent reaps it only with "reaped".
write_ending() {
	cat >ending.py <<'PY'
import ctypes, os, signal, sys, threading, time

how = sys.argv[1]
if how == "reaped":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
go = os.open("go." + how, os.O_RDWR)
child = os.fork()
if child == 0:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if how == "threads":
        thread = threading.Thread(target=lambda: time.sleep(1000))
        thread.start()
    os.read(go, 1)
    if how == "threads":
        ctypes.CDLL(None).syscall(60, 0)
    os._exit(7)
with open("worker.new", "w") as out:
    print(child, file=out)
os.rename("worker.new", "worker." + how)
time.sleep(1000)
PY
}

# spawn_ending HOW: $PID is the worker; it exits when something is written to descriptor 8.
spawn_ending() {
	rm -f "go.$1" "worker.$1"
	mkfifo "go.$1"
	spawn python3 ending.py "$1"
	PARENT=$LAST
	until_true 60 exists "worker.$1"
	PID=$(cat "worker.$1")
	exec 8<>"go.$1"
}

# Each way to end, for a wait that began before and a query afterwards.
each_end_is_reported() {
	local status=unknown major minor
	IFS=. read -r major minor _ </proc/sys/kernel/osrelease
	[ $((major * 1000 + minor)) -lt 6015 ] || status=7
	status_says "died $NO_SUCH_PID reason=no-process.*" "$NO_SUCH_PID"
	expect_exit 3 ctl wait "$NO_SUCH_PID"
	spawn_ending reaped
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	echo >&8
	all_end 3 "${WAITERS[@]}"
	grep -qxE "died $PID start=[0-9]+ status=($status|7)" "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
	status_says "died $PID .*" "$PID"
	spawn_ending unreaped
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	echo >&8
	all_end 3 "${WAITERS[@]}"
	[ "$(id -u)" -ne 0 ] || status=7
	grep -qxE "died $PID start=[0-9]+ status=($status|7)" "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
	is_zombie "$PID" || die "it was reaped"
	status_says "died $PID start=[0-9]+ status=($status|7)" "$PID"
	expect_exit 3 ctl wait "$PID"
	spawn_ending unreaped
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	kill -TERM "$PID"
	all_end 3 "${WAITERS[@]}"
	grep -qE "^died $PID start=[0-9]+ (signal=15|status=unknown)$" "out.${WAITERS[0]}" ||
		die "$(cat "out.${WAITERS[0]}")"
	# The first thread has exited, the process has not.
	spawn_ending threads
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	echo >&8
	until_true 60 is_zombie "$PID"
	expect_exit 124 ctl wait --timeout 1.2 "$PID"
	status_says "pending $PID( .*)?" "$PID"
	! has_ended "${WAITERS[0]}" || die "the wait ended: $(cat "out.${WAITERS[0]}")"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	kill -KILL "$PID"
	until_true 60 has_no_threads "$PID"
	status_says "exited $PID .*" "$PID"
	exec 8>&-
}

# The last thread has exited, whether the process has been reaped or not.
has_no_threads() { ! has_ended "$PARENT" && [ "$(awk '$1 == "Threads:" { print $2 }' "/proc/$1/status")" -le 1 ]; }

test_each_end_of_a_worker_without_a_marker_is_reported() {
	need python3
	write_ending
	start_readyd
	export READYD_BACKEND
	for READYD_BACKEND in daemon file; do
		each_end_is_reported
	done
}

# A program that forks workers, which create their marker and exit at once, and waits for them by one backend of the
# library.
build_mark_and_exit() {
	local flags=()
	need "${CC:-gcc}"
	[ -e "$BUILD/.libs/libreadyd.so" ] || skip "there is no shared library in $BUILD"
	! is_sanitized || flags=("-fsanitize=address,undefined")
	cat >mark_and_exit.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <readyd/readyd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void mark_and_exit(int start, const char *dir)
{
	char path[600], byte;

	snprintf(path, sizeof(path), "%s/ktstr-worker-ready-%ld", dir, (long)getpid());
	if (read(start, &byte, 1) < 0)
		_exit(1);
	_exit(open(path, O_WRONLY | O_CREAT, 0644) >= 0 ? 7 : 1);
}

static void remove_marker(const char *dir, pid_t pid)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/ktstr-worker-ready-%ld", dir, (long)pid);
	unlink(path);
}

int main(int argc, char **argv)
{
	struct readyd_options options = {.size = sizeof(options), .backend = atoi(argv[1]) ? READYD_BACKEND_DAEMON : READYD_BACKEND_FILE};
	struct readyd_waiter *waiter = readyd_waiter_new(&options);
	const int rounds = atoi(argv[2]);
	const time_t end = time(NULL) + atoi(argv[3]);
	int round, collisions = 0, counts[READYD_UNREACHABLE + 1] = {0};

	if (argc != 5 || waiter == NULL)
		return 1;
	for (round = 0; round < rounds && time(NULL) < end; round++) {
		struct pollfd poll_fd = {.fd = readyd_waiter_fd(waiter), .events = POLLIN};
		struct readyd_answer answer = READYD_ANSWER_INIT;
		int ends[2], next;
		pid_t pid;

		/* Every second worker is reaped at once, the others after the answer. */
		signal(SIGCHLD, round & 1 ? SIG_IGN : SIG_DFL);
		if (pipe(ends) != 0 || (pid = fork()) < 0)
			return perror("fork"), 1;
		if (pid == 0)
			mark_and_exit(ends[0], argv[4]);
		if (readyd_waiter_add(waiter, pid) != 0)
			return perror("readyd_waiter_add"), 1;
		/* The worker goes on at once, or when the waiter sleeps. */
		if (round & 2)
			(void)readyd_waiter_next(waiter, &answer);
		if (write(ends[1], "x", 1) != 1)
			return perror("write"), 1;
		while ((next = readyd_waiter_next(waiter, &answer)) == 0)
			if (poll(&poll_fd, 1, 60000) <= 0)
				return printf("round %d: no answer\n", round), 1;
		if (next < 0)
			return perror("readyd_waiter_next"), 1;
		/* Tests that run beside this one have processes in child pid namespaces, and some share a number. */
		if (answer.reason == READYD_REASON_NAME_COLLISION && ++collisions < 10)
			answer.verdict = READYD_UNREACHABLE;
		else if (answer.pid != pid || (answer.verdict != READYD_READY && answer.verdict != READYD_EXITED))
			return printf("round %d: %d: %s %s\n", round, (int)pid, readyd_verdict_name(answer.verdict),
			    readyd_reason_name(answer.reason)), 1;
		counts[answer.verdict]++;
		if (!(round & 1))
			waitpid(pid, NULL, 0);
		close(ends[0]);
		close(ends[1]);
		remove_marker(argv[4], pid);
	}
	printf("%d rounds: %d ready, %d exited, %d collisions\n", round, counts[READYD_READY], counts[READYD_EXITED], collisions);
	readyd_waiter_free(waiter);
	return round < 100;
}
C
	"${CC:-gcc}" -std=gnu11 -O1 "${flags[@]}" -I"$SRC/include" -o mark_and_exit mark_and_exit.c "$BUILD/.libs/libreadyd.so" \
		-Wl,-rpath,"$BUILD/.libs" || die "the program does not build"
}

test_a_marker_counts_if_death_follows_at_once() {
	local pids=()
	build_mark_and_exit
	start_readyd
	spawn timeout 120 ./mark_and_exit 1 2000 10 "$T/m"
	pids+=("$LAST")
	spawn timeout 120 ./mark_and_exit 0 2000 10 "$T/m"
	pids+=("$LAST")
	for pid in "${pids[@]}"; do
		wait "$pid" || die "a marker was not preferred to the death; $(cat readyd.log)"
	done
	alive
}

# use_up_descriptors STATEMENT: more connections than a readyd with 40 descriptors can have. STATEMENT is run on the
# first one, `old`, once readyd has no descriptor left and all_open.done is there.
use_up_descriptors() {
	spawn_python "$PID" <<PY
old = Client()
same(old.ask("PING"), "PONG")
others = [Client() for i in range(100)]
stage("all_open")
$1
PY
	until_true 60 exists all_open
	until_true 60 grep -q "warning: cannot accept clients" readyd.log
}

test_descriptors_used_up_delay_only_new_clients() {
	local ticks
	need prlimit
	UNDER=(prlimit --nofile=40:40)
	start_for_python
	spawn_worker
	spawn_waiters 2 "$PID"
	wait_for_gates
	use_up_descriptors 'assert old.ask(f"QUERY {sys.argv[1]}").startswith(f"ready {sys.argv[1]} ")'
	ticks=$(cpu_ticks "$DAEMON")
	# The measurement takes one second.
	sleep 1
	[ $(($(cpu_ticks "$DAEMON") - ticks)) -le 10 ] || die "$(($(cpu_ticks "$DAEMON") - ticks)) ticks in a second"
	status_says "pending $PID( .*)?" "$PID"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	: >all_open.done
	all_end 0 "$LAST"
	expect_exit 0 ctl status --no-fallback "$PID"
	expect "warnings" "$(grep -c "warning: cannot accept" readyd.log)" 1
}

# Connections take all descriptors, and another user creates a file with the marker name of a worker that is not ready.
# The daemon must still find out the owner of the file.
test_descriptors_used_up_make_nothing_ready() {
	need_root
	need prlimit
	UNDER=(prlimit --nofile=40:40)
	start_for_python --max-clients 1000
	spawn_worker
	use_up_descriptors 'reply = old.ask(f"QUERY {sys.argv[1]}")
assert reply.startswith(f"stale {sys.argv[1]} ") and " reason=foreign-owner" in reply, reply'
	: >planted
	chown 65534 planted
	mv planted "$(marker "$PID")"
	: >all_open.done
	all_end 0 "$LAST"
	expect_exit 5 ctl status "$PID"
}

# Ten connections with a thousand waits each for one process, all answered at the same time.
test_ten_thousand_waits_end_with_one_marker() {
	start_for_python
	spawn_worker
	timeout 120 python3 -B - "$PID" <<'PY' || die "log: $(cat readyd.log)"
import sys
sys.path.insert(0, "")
from wire import *

worker = sys.argv[1]
clients = [Client() for i in range(10)]
for client in clients:
    client.send(f"WAIT {worker}\n" * 1000 + "PING\n")
for client in clients:
    same(client.line(), "PONG")
before = time.monotonic()
open(os.environ["READYD_DIR"] + f"/ktstr-worker-ready-{worker}", "w").close()
for client in clients:
    for i in range(1000):
        line = client.line()
        assert line.startswith(f"ready {worker} "), (i, line)
took = time.monotonic() - before
print(round(took * 1000), "ms")
assert took < 10, took
for client in clients:
    same(client.ask("PING"), "PONG")
PY
	expect "waits" "$(counter waits)" 0
}

# All kinds of bad clients at the same time.
test_bad_clients_do_not_disturb_others() {
	local client
	start_for_python
	spawn_worker
	spawn_python <<'PY'
import random

def flood(client, data):
    try:
        client.socket.sendall(data)
    except OSError as error:
        print(repr(error))

silent, endless, garbage, half, slow = (Client(timeout=1) for i in range(5))
flood(silent, b"STATS\n" * 20000)
flood(endless, b"x" * 100000)
flood(garbage, bytes(random.Random(1).randrange(256) for i in range(50000)))
flood(half, b"PING\nPIN")
half.socket.shutdown(socket.SHUT_WR)
for i in range(20):
    flood(slow, b"QUERY 41"[i % 8:][:1])
stage("bad")
PY
	client=$LAST
	until_true 60 exists bad
	spawn_waiters 5 --no-fallback "$PID"
	wait_for_gates
	alive
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	expect_exit 0 ctl status --no-fallback "$PID"
	: >bad.done
	all_end 0 "$client"
	until_true 60 counter_is clients 1
	[ "$(wc -l <readyd.log)" -le 2 ] || die "log: $(cat readyd.log)"
}

# That the owner of the lock cannot be read does not make it another user's.
test_a_lock_that_cannot_be_examined_is_named() {
	need_strace_of_the_daemon
	UNDER=("${STRACE[@]}" /dev/null -P "$T/s.lock" -e "inject=fstat,newfstatat:error=EIO")
	if try_readyd; then die "it serves: $(cat readyd.log)"; fi
	ends 1
	grep -q "error: cannot lock $T/s.lock: Input/output error" readyd.log || die "$(cat readyd.log)"
}

test_signals_at_any_moment() {
	local i want
	UNDER=(bash -c 'exec "$@" <&- >&- 2>&-' -)
	start_readyd
	UNDER=()
	spawn_worker
	spawn_waiters 3 "$PID"
	wait_for_gates
	for ((i = 0; i < 20; i++)); do
		kill -PIPE "$DAEMON"
		kill -HUP "$DAEMON"
		alive
	done
	expect "pid" "$(counter pid)" "$DAEMON"
	for ((i = 0; i < 30; i++)); do
		want=143
		[ ! -S s ] || want=0
		stop_readyd
		[ "$ENDED" -eq 0 ] || expect "exit status in round $i" "$ENDED" "$want"
		[ ! -e s ] || die "it left its socket in round $i"
		"$READYD" -s "$T/s" -d "$T/m" 2>>readyd.log &
		DAEMON=$!
		# A different moment in each round.
		sleep "0.0$((i % 10))$((i / 10))"
	done
	stop_readyd
	start_readyd
	wait_for_gates
	stop_readyd
	expect "exit status" "$ENDED" 0
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_signals_at_any_system_call() {
	local signal
	need_strace_of_the_daemon
	for signal in TERM HUP PIPE; do
		each_point 8 8 "$signal"
		[ "$POINTS" -ge 1 ] || die "no point in the time"
	done
}

run_tests "$@"
