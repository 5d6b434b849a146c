#!/usr/bin/env bash
# What daemon, clients and workers must survive: each case is one kind of fault, numbered.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2119
. "$(dirname "$0")/lib.sh"

# Beyond every pid_max: nobody has it, nobody will.
NOBODY=4194304

# STRACE: the daemon stays the shell's own child, traced by a grandchild that ends with it.
need_strace() {
	need strace
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	STRACE=(strace -D -f -qq -o)
	timeout 60 "${STRACE[@]}" traced true || skip "strace is not allowed to trace"
}

spawn_workers() {
	WORKERS=()
	while [ ${#WORKERS[@]} -lt "$1" ]; do
		spawn_worker
		WORKERS+=("$PID")
	done
}

# is_told REGEX ARGUMENT...: what status says now, whatever its exit status.
is_told() {
	local out regex=$1
	shift
	out=$(ctl status "$@") || true
	grep -qxE -- "$regex" <<<"$out" || die "status $*: '$out' is not '$regex'"
}

# Asleep on a gate, or on a watch of its own.
sleeps() { each_holds "$GATE" "$1" || each_holds "$INOTIFY" "$1"; }

stop_readyd() {
	local got=0
	has_ended "$DAEMON" || kill -TERM "$DAEMON" 2>/dev/null || true
	until_true 60 has_ended "$DAEMON"
	wait "$DAEMON" || got=$?
	ENDED=$got
}

# live COMMAND...: a daemon's life under this command, which may end it anywhere: how is in $ENDED. One waits
# for WORKERS by a connection and one for $PID by a gate; both and a later question are told the truth.
live() {
	local worker many
	rm -f m/*
	UNDER=("$@")
	try_readyd || true
	UNDER=()
	spawn_waiters 1 "${WORKERS[@]}"
	many=${WAITERS[0]}
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	for worker in "${WORKERS[@]}"; do
		mark "$worker"
	done
	all_end 0 "$many" "${WAITERS[@]}"
	expect "lines of the one that waits for many" "$(grep -c '^ready ' "out.$many")" ${#WORKERS[@]}
	is_told "ready $PID .*" "$PID"
	stop_readyd
	touch readyd.log
	mv readyd.log last.log
}

# kill_points MOST <calls: pairs of a system call and an occurrence of it. First the last one of each, then what
# is in between, then the first; where MOST is less than there are names, some of them. What only the loader needs
# is left out.
kill_points() {
	awk -v most="$1" '
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
					at = 1 + int(share[s] * (count[name] - 1))
					if (!seen[name, at]++ && most-- > 0) print name, at
				}
		}'
}

# each_point MOST SECONDS SIGNAL: lives in which the daemon gets the signal at a system call; after each, the next
# daemon serves at once. In $POINTS how many, in $HIT how many of them it ended.
each_point() {
	local most=$1 end=$((SECONDS + $2)) signal=$3 call at want
	POINTS=0 HIT=0
	spawn_workers 9
	live "${STRACE[@]}" calls
	expect "exit status without a fault" "$ENDED" 0
	kill_points "$most" <calls >points
	while read -r call at <&3 && [ "$SECONDS" -lt "$end" ]; do
		echo "$call $at"
		live "${STRACE[@]}" /dev/null -e trace="$call" -e inject="$call:signal=$signal:when=$at"
		POINTS=$((POINTS + 1))
		if [ "$ENDED" -ne 0 ]; then
			HIT=$((HIT + 1))
			# Before it has got as far as to catch it, and when it is about to exit, a signal does what it
			# does to any process.
			want=$((128 + $(kill -l "$signal")))
			[ "$signal" = KILL ] || ! grep -q "info: serving" last.log || grep -q "info: stopping" last.log || want=0
			expect "exit status" "$ENDED" "$want"
		fi
		start_readyd
		ctl status --no-fallback "${WORKERS[@]}" >out || die "the next daemon says: $(cat out)"
		kill_readyd
		rm readyd.log
	done 3<points
	echo "SIG$signal at $POINTS points, ended by it at $HIT"
}

test_row_01_killed_at_any_system_call() {
	need_strace
	each_point 60 40 KILL
	[ "$POINTS" -ge 10 ] || die "only $POINTS points in the time"
	[ "$HIT" -ge $((POINTS / 2)) ] || die "killed at $HIT of $POINTS points only"
}

# Each round has a process of its own, since one that was seen ready stays so.
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

test_row_02_marker_between_watch_and_check() {
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

# The waiters of this one do not look themselves, so that it is the daemon that must not lose anything.
test_row_04_queue_overflow() {
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

test_row_05_frozen_daemon() {
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
	is_told "ready $PID .*" "$PID"
	for worker in $(jobs -pr); do
		[ ! -e "out.$worker" ] || all_end 0 "$worker"
	done
	[ $(($(now_ms) - before)) -lt 20000 ] || die "it took $(($(now_ms) - before)) ms"
	expect "answers" "$(cat out.* | grep -c '^ready ')" 19
	expect "other answers" "$(cat out.* err.* | grep -vc '^ready ' || true)" 0
}

test_row_07_out_of_memory() {
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
# None is left mute: the end, and nothing untrue before it.
for client in clients:
    same(client.line(), None)
PY
	ends 71
	all_end 0 "$LAST"
	expect "last line" "$(tail -n 1 readyd.log)" \
		"readyd: out of memory, stopping; clients go on by the marker file"
	expect "lines" "$(wc -l <readyd.log)" 2
	is_told "pending $PID( .*)?" "$PID"
	for worker in "${WORKERS[@]}"; do
		mark "$worker"
	done
	for worker in $(jobs -pr); do
		[ ! -e "out.$worker" ] || all_end 0 "$worker"
	done
	expect "answers" "$(cat out.* | grep -c '^ready ')" 12
	is_told "ready $PID .*" "$PID"
	start_readyd
	expect_exit 0 ctl status --no-fallback "$PID"
}

# Each has got as far as to hold on to the processes that it waits for.
each_waits() { each_holds '*pidfd*' "$@"; }
is_traced() { grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$1/status"; }

# fails CALL ERROR WHEN: a daemon in which this call fails from when it serves (from its start, where there is
# no other occasion), and those who wait meanwhile: they are told the truth, and neither log nor calls run away.
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
	is_told "pending $PID( .*)?" "$PID"
	is_told "died $NOBODY( .*)?" "$NOBODY"
	until_true 60 grep -q INJECTED failed
	kill -KILL "$PID"
	for worker in "${WORKERS[@]:0:9}"; do
		mark "$worker"
	done
	all_end 3 "${WAITERS[@]}"
	all_end 0 "${waiters[@]}"
	is_told "ready ${WORKERS[0]}( .*)?" "${WORKERS[0]}"
	[ "$(wc -l <readyd.log)" -le 4 ] || die "the log: $(head -n 20 readyd.log)"
	! has_ended "$DAEMON" || die "it has ended: $(cat readyd.log)"
	rate=$(($(wc -l <failed) * 1000 / ($(now_ms) - before + 500)))
	[ "$rate" -le 1500 ] || die "$rate such calls a second"
}

# Each call with a failure that it may have, and then the same each time it is made.
test_row_08_any_system_call_fails() {
	local call error when
	need_strace
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
	# These have no failure that lasts: a wait for events can be interrupted only, and without lstat there
	# is no truth.
	fails epoll_wait EINTR :when=1
	alive
	kill_readyd
	fails newfstatat ENOMEM :when=3
	alive
}

# An error that accept(2) may return without end, other than that something is used up.
test_row_08_accepting_is_forbidden() {
	need_strace
	fails accept4 EPERM ""
}

# Whether it is served or disconnected, and by a daemon that goes on or ends.
test_row_08_no_client_is_left_mute() {
	local when
	need_strace
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
		has_ended "$DAEMON" || kill_readyd
	done
}

# A waiter from before, that does not look itself. The best of three: a busy machine is no fault.
write_replace() {
	cat >replace.py <<'PY'
import sys
sys.path.insert(0, "")
from wire import *
import shutil, subprocess

directory = os.environ["READYD_DIR"]


def remade():
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


for replace, hold in [(remade, False), (remade, True), (renamed, False), (renamed, True)]:
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

test_row_09_directory_made_anew() {
	start_for_python
	write_replace
	timeout 120 python3 -B replace.py || die "log: $(cat readyd.log)"
	until_true 60 counter_is watching 1
}

# keep_asking STATUS REGEX ARGUMENT...: readyctl again and again until there is a file `stop`.
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

test_row_13_restarts_under_clients() {
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
	all_end_quietly "${pids[@]}"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	for i in 0.status 0.wait 1.status; do
		[ "$(wc -l <"asked.$i")" -ge 5 ] || die "hardly asked: $i"
	done
}

all_end_quietly() {
	local pid
	for pid; do
		wait "$pid" || die "a client was told something else"
	done
}

# family.py COMMAND: a worker that has the end it is asked for, below a parent that reaps it or not.
write_family() {
	cat >family.py <<'PY'
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

# spawn_family HOW: $PID is the worker; it goes when something is written to go.HOW.
spawn_family() {
	rm -f "go.$1" "worker.$1"
	mkfifo "go.$1"
	spawn python3 family.py "$1"
	PARENT=$LAST
	until_true 60 exists "worker.$1"
	PID=$(cat "worker.$1")
	exec 8<>"go.$1"
}

# die_families: all kinds of ends, for a waiter from before and a question afterwards.
die_families() {
	local status=unknown major minor
	IFS=. read -r major minor _ </proc/sys/kernel/osrelease
	[ $((major * 1000 + minor)) -lt 6015 ] || status=7
	is_told "died $NOBODY reason=no-process.*" "$NOBODY"
	expect_exit 3 ctl wait "$NOBODY"
	spawn_family reaped
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	echo >&8
	all_end 3 "${WAITERS[@]}"
	grep -qxE "died $PID start=[0-9]+ status=($status|7)" "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
	is_told "died $PID .*" "$PID"
	spawn_family unreaped
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	echo >&8
	all_end 3 "${WAITERS[@]}"
	[ "$(id -u)" -ne 0 ] || status=7
	grep -qxE "died $PID start=[0-9]+ status=($status|7)" "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
	is_zombie "$PID" || die "it was reaped"
	is_told "died $PID start=[0-9]+ status=($status|7)" "$PID"
	expect_exit 3 ctl wait "$PID"
	spawn_family unreaped
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	kill -TERM "$PID"
	all_end 3 "${WAITERS[@]}"
	grep -qE "^died $PID start=[0-9]+ (signal=15|status=unknown)$" "out.${WAITERS[0]}" ||
		die "$(cat "out.${WAITERS[0]}")"
	# The first thread is gone, and the process is not.
	spawn_family threads
	spawn_waiters 1 "$PID"
	until_true 60 sleeps "${WAITERS[0]}"
	echo >&8
	until_true 60 is_zombie "$PID"
	expect_exit 124 ctl wait --timeout 1.2 "$PID"
	is_told "pending $PID( .*)?" "$PID"
	! has_ended "${WAITERS[0]}" || die "it was told: $(cat "out.${WAITERS[0]}")"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	kill -KILL "$PID"
	until_true 60 is_gone "$PID"
	is_told "exited $PID .*" "$PID"
	exec 8>&-
}

# Without any thread left, reaped or not.
is_gone() { ! has_ended "$PARENT" && [ "$(awk '$1 == "Threads:" { print $2 }' "/proc/$1/status")" -le 1 ]; }

test_row_14_worker_dies_first() {
	need python3
	write_family
	start_readyd
	export READYD_BACKEND
	for READYD_BACKEND in daemon file; do
		die_families
	done
}

# A program that lets a worker leave its marker and die in the same breath, by one backend of the library.
build_last_breath() {
	local flags=()
	need "${CC:-gcc}"
	[ -e "$BUILD/.libs/libreadyd.so" ] || skip "there is no shared library in $BUILD"
	! is_sanitized || flags=("-fsanitize=address,undefined")
	cat >breath.c <<'C'
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

static void breathe(int start, const char *dir)
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
	struct readyd_options options = {.backend = atoi(argv[1]) ? READYD_BACKEND_DAEMON : READYD_BACKEND_FILE};
	struct readyd_waiter *waiter = readyd_waiter_new(&options);
	const int rounds = atoi(argv[2]);
	const time_t end = time(NULL) + atoi(argv[3]);
	int round, counts[READYD_UNREACHABLE + 1] = {0};

	if (argc != 5 || waiter == NULL)
		return 1;
	for (round = 0; round < rounds && time(NULL) < end; round++) {
		struct pollfd poll_fd = {.fd = readyd_waiter_fd(waiter), .events = POLLIN};
		struct readyd_answer answer;
		int ends[2], next;
		pid_t pid;

		/* Half of the workers are reaped at once, the others after the answer. */
		signal(SIGCHLD, round & 1 ? SIG_IGN : SIG_DFL);
		if (pipe(ends) != 0 || (pid = fork()) < 0)
			return perror("fork"), 1;
		if (pid == 0)
			breathe(ends[0], argv[4]);
		if (readyd_waiter_add(waiter, pid) != 0)
			return perror("readyd_waiter_add"), 1;
		/* At once, or when the waiter sleeps. */
		if (round & 2)
			(void)readyd_waiter_next(waiter, &answer);
		if (write(ends[1], "x", 1) != 1)
			return perror("write"), 1;
		while ((next = readyd_waiter_next(waiter, &answer)) == 0)
			if (poll(&poll_fd, 1, 60000) <= 0)
				return printf("round %d: no answer\n", round), 1;
		if (next < 0)
			return perror("readyd_waiter_next"), 1;
		if (answer.pid != pid || (answer.verdict != READYD_READY && answer.verdict != READYD_EXITED))
			return printf("round %d: %s\n", round, readyd_verdict_name(answer.verdict)), 1;
		counts[answer.verdict]++;
		if (!(round & 1))
			waitpid(pid, NULL, 0);
		close(ends[0]);
		close(ends[1]);
		remove_marker(argv[4], pid);
	}
	printf("%d rounds: %d ready, %d exited\n", round, counts[READYD_READY], counts[READYD_EXITED]);
	readyd_waiter_free(waiter);
	return round < 100;
}
C
	"${CC:-gcc}" -std=gnu11 -O1 "${flags[@]}" -I"$SRC/include" -o breath breath.c "$BUILD/.libs/libreadyd.so" \
		-Wl,-rpath,"$BUILD/.libs" || die "it does not build"
}

test_row_15_marker_then_death_at_once() {
	local pids=()
	build_last_breath
	start_readyd
	spawn timeout 120 ./breath 1 2000 10 "$T/m"
	pids+=("$LAST")
	spawn timeout 120 ./breath 0 2000 10 "$T/m"
	pids+=("$LAST")
	for pid in "${pids[@]}"; do
		wait "$pid" || die "a marker did not win; $(cat readyd.log)"
	done
	alive
}

test_row_16_descriptors_used_up() {
	local ticks
	need prlimit
	UNDER=(prlimit --nofile=40:40)
	start_for_python
	spawn_worker
	spawn_waiters 2 "$PID"
	wait_for_gates
	spawn_python "$PID" <<'PY'
old = Client()
same(old.ask("PING"), "PONG")
crowd = [Client() for i in range(100)]
stage("crowded")
assert old.ask(f"QUERY {sys.argv[1]}").startswith(f"ready {sys.argv[1]} ")
PY
	until_true 60 exists crowded
	until_true 60 grep -q "warning: cannot accept clients" readyd.log
	ticks=$(processor "$DAEMON")
	# The length of the measurement.
	sleep 1
	[ $(($(processor "$DAEMON") - ticks)) -le 10 ] || die "$(($(processor "$DAEMON") - ticks)) ticks in a second"
	is_told "pending $PID( .*)?" "$PID"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	: >crowded.done
	all_end 0 "$LAST"
	expect_exit 0 ctl status --no-fallback "$PID"
	expect "warnings" "$(grep -c "warning: cannot accept" readyd.log)" 1
}

# Another user takes every connection that there is, and plants a marker under the name of a worker that has not
# written one. What is left must be enough to see whose marker that is.
test_descriptors_used_up_make_nothing_ready() {
	need_root
	need prlimit
	UNDER=(prlimit --nofile=40:40)
	start_for_python --max-clients 1000
	spawn_worker
	spawn_python "$PID" <<'PY'
old = Client()
same(old.ask("PING"), "PONG")
crowd = [Client() for i in range(100)]
stage("crowded")
reply = old.ask(f"QUERY {sys.argv[1]}")
assert reply.startswith(f"stale {sys.argv[1]} ") and " reason=foreign-owner" in reply, reply
PY
	until_true 60 exists crowded
	until_true 60 grep -q "warning: cannot accept clients" readyd.log
	: >planted
	chown 65534 planted
	mv planted "$(marker "$PID")"
	: >crowded.done
	all_end 0 "$LAST"
	expect_exit 5 ctl status "$PID"
}

# The connections are polled together, so that none is helped by another's being read.
test_row_17_ten_thousand_waits() {
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

# All of them at the same time.
test_row_18_bad_clients() {
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

test_row_25_signals_at_any_moment() {
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
		# At another moment each time.
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

test_row_25_signals_at_any_system_call() {
	local signal
	need_strace
	for signal in TERM HUP PIPE; do
		each_point 8 8 "$signal"
		[ "$POINTS" -ge 1 ] || die "no point in the time"
	done
}

run_tests "$@"
