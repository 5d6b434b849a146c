# Sourced by the test scripts: private directory, process bookkeeping, TAP output.
#
# A test file defines functions named test_<words>; run_tests runs each in its own subshell with `set -eu`, in a
# new private directory $T, and prints one TAP line for it. A function that calls `skip REASON` is reported as
# skipped. Processes started by `spawn` are killed and reaped when the case ends.
# shellcheck shell=bash disable=SC2016,SC2034

: "${BUILD:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../build" && pwd)}"
: "${SRC:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
SELF=$(realpath "$0")
READYD=$BUILD/daemon/readyd
READYCTL=$BUILD/client/readyctl
WORKER=$BUILD/worker/ktstr-jemalloc-alloc-worker
MIB=1048576
# The largest possible pid_max, which no pid reaches.
NO_SUCH_PID=4194304

# A descriptor that the caller left open must not be mistaken for one that a program under test has opened.
for fd in "/proc/$$/fd/"*; do
	fd=${fd##*/}
	[ "$fd" -lt 3 ] || [ "$fd" -eq 255 ] || exec {fd}>&-
done
unset fd

die() { echo "$*" >&2; exit 1; }
skip() { echo "$*" >"$T/.skip"; exit 77; }
need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }
need_root() { [ "$(id -u)" -eq 0 ] || skip "needs root"; }
need_strace() {
	need strace
	timeout 10 strace -o /dev/null true || skip "strace is not permitted to trace"
}

# select_lines ARGUMENT...: grep(1), except that selecting no line is not an error.
select_lines() { grep "$@" || [ $? -eq 1 ]; }
has_lines() { [ "$(wc -l <"$1")" -eq "$2" ]; }

# What an answer adds if the marker was written so soon after the start of the process that stamps cannot tell which was
# first. Whether they can depends on the speed of the machine.
# shellcheck disable=SC2034
AGE='( age=assumed)?'

# expect NAME GOT WANT: string equality; logs both values when it fails.
expect() { [ "$2" = "$3" ] || die "$1: got '$2', want '$3'"; }

# expect_exit WANT COMMAND...: runs it and compares the exit status.
expect_exit() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" -eq "$want" ] || die "exit status of '$*': got $got, want $want"
}

# spawn COMMAND...: starts it in the background and sets $LAST to its pid. It is killed when the case ends.
spawn() {
	"$@" &
	LAST=$!
}

# spawn_unreaped COMMAND: $PID is a process that stays a zombie when it ends, so that every kernel still tells its
# exit status. It starts only after its parent has become a program that never reaps.
spawn_unreaped() {
	rm -f worker.pid go
	mkfifo go
	spawn sh -c 'sh -c "read -r _ <go; $0" & echo $! >worker.pid; exec sleep 1000' "$1"
	until_true 60 grep -qsx sleep "/proc/$LAST/comm"
	PID=$(cat worker.pid)
	echo >go
}

# until_true SECONDS COMMAND...: polls COMMAND every 10 ms; for states that raise no event.
until_true() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || die "still not true: $*"
		sleep 0.01
	done
}

now_ms() { local us=${EPOCHREALTIME/[.,]/}; echo $((us / 1000)); }

# With GENTLY, what runs may end by itself first, since a process that is killed writes no counters for "make coverage".
end_gently() {
	local pid
	for pid in $(jobs -pr) $(jobs -ps); do
		kill -CONT "$pid" 2>/dev/null
		kill -TERM "$pid" 2>/dev/null
	done
	for _ in {1..100}; do
		[ -n "$(jobs -pr)" ] || return 0
		sleep 0.01
	done
}

# Only processes that still run: the pid of one that has been reaped may belong to an unrelated process by now.
reap_spawned() {
	local pid
	set +e
	[ -z "${GENTLY:-}" ] || end_gently
	for pid in $(jobs -pr) $(jobs -ps); do
		kill -CONT "$pid" 2>/dev/null
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	return 0
}

# start_readyd [OPTION...]: starts a daemon at $T/s for the markers in $T/m, by the command in UNDER if there is one.
# Returns once it serves; $DAEMON is its pid, readyd.log its log. try_readyd returns 1 if it ends before it serves.
UNDER=()
try_readyd() {
	local fifo=$T/.serves fd got=0
	mkdir -p "$T/m"
	rm -f "$fifo"
	mkfifo "$fifo"
	"${UNDER[@]}" "$READYD" --socket "$T/s" --dir "$T/m" --ready-fd 9 "$@" 9>"$fifo" 2>>readyd.log &
	DAEMON=$!
	exec {fd}<"$fifo"
	read -r -t 60 -u "$fd" || got=1
	exec {fd}<&-
	return "$got"
}
start_readyd() { try_readyd "$@" || die "readyd does not serve: $(cat readyd.log)"; }

# ends STATUS: the daemon ends, with this exit status.
ends() {
	local got=0
	until_true 60 has_ended "$DAEMON"
	wait "$DAEMON" || got=$?
	expect "exit status of readyd" "$got" "$1"
}

kill_readyd() { kill_and_reap "$DAEMON"; }

is_stopped() { is_state T "$1"; }

freeze_readyd() {
	kill -STOP "$DAEMON"
	until_true 60 is_stopped "$DAEMON"
}

# ctl ARGUMENT...: readyctl for that daemon and directory (see run_one), for a minute at most.
ctl() { timeout 60 "$READYCTL" "$@"; }
# run STATUS ARGUMENT...: readyctl exits with this status; its output is in out and err.
run() {
	local want=$1 got=0
	shift
	ctl "$@" >out 2>err || got=$?
	[ "$got" -eq "$want" ] || die "exit status of 'readyctl $*': got $got, want $want; $(cat out err)"
}

# quiet_run: as run, with nothing on standard error.
quiet_run() {
	run "$@"
	expect "standard error of 'readyctl ${*:2}'" "$(cat err)" ""
}

# refused STATUS TEXT ARGUMENT...: one line on standard error that contains TEXT, nothing on standard output.
refused() {
	local want=$1 text=$2
	shift 2
	run "$want" "$@"
	expect "standard output of 'readyctl $*'" "$(cat out)" ""
	expect "lines on standard error of 'readyctl $*' ($(cat err))" "$(wc -l <err)" 1
	grep -qF -- "$text" err || die "'$text' is not in: $(cat err)"
}

# counter NAME; counter_is NAME VALUE: a counter of the daemon.
counter() { ctl stats | sed -n "s/^$1=//p"; }
counter_is() { [ "$(counter "$1")" = "$2" ]; }
alive() { ctl ping >/dev/null || die "the daemon does not answer; $(cat readyd.log)"; }
# The fields of /proc/PID/stat that follow the name, which may contain anything: state, parent, ...
stat_fields() { sed 's/.*) //' "/proc/$1/stat"; }
# CPU time so far, in clock ticks.
cpu_ticks() { stat_fields "$1" | awk '{ print $12 + $13 }'; }
is_sanitized() { "$READYD" --version | grep -q '^jemalloc none'; }

# is_number_elsewhere PID: a process has this pid in a pid namespace below ours. Tests that run at the same time have such
# processes, which see our directory too, so the marker of a worker with that pid would be ambiguous. Read once a second.
is_number_elsewhere() {
	if [ "${NUMBERS_AT-}" != "$SECONDS" ]; then
		NUMBERS_AT=$SECONDS
		# A process may end meanwhile.
		NUMBERS=" $({ grep -hs '^NSpid:' /proc/[0-9]*/status || [ $? -eq 2 ]; } | awk 'NF > 2 { printf "%s ", $NF }')"
	fi
	[[ $NUMBERS == *" $1 "* ]]
}

# A substitute for a worker: $PID runs, and `mark $PID` signals its readiness.
spawn_worker() {
	spawn sleep 1000
	PID=$LAST
	if is_number_elsewhere "$PID"; then spawn_worker; fi
}
spawn_workers() { # COUNT
	WORKERS=()
	while [ ${#WORKERS[@]} -lt "$1" ]; do
		spawn_worker
		WORKERS+=("$PID")
	done
}
marker() { echo "${READYD_DIR:-$T/m}/ktstr-worker-ready-$1"; }
mark() { : >"$(marker "$1")"; }

# spawn_waiters COUNT ARGUMENT...: starts so many `readyctl wait`, by the command in AS if there is one. Their pids
# are in WAITERS, their output in out.PID and err.PID.
AS=()
spawn_waiters() {
	local count=$1
	shift
	WAITERS=()
	while [ ${#WAITERS[@]} -lt "$count" ]; do
		spawn "${AS[@]}" bash -c 'exec "$0" wait "$@" >"out.$$" 2>"err.$$"' "$READYCTL" "$@"
		WAITERS+=("$LAST")
	done
}

# lookouts PID...: the children in which some readyctl look, see client/ctl/lookout.h.
lookouts() {
	local pid children
	for pid; do
		# The line has no end.
		read -r children 2>/dev/null <"/proc/$pid/task/$pid/children" || echo "$children"
	done
}

# holders LINK PID...: how many of the processes have such a descriptor open; each_holds, none_holds.
GATE='pipe:*' INOTIFY='*inotify'
holders() {
	local link=$1
	shift
	# shellcheck disable=SC2046
	set -- "$@" $(lookouts "$@")
	set -- "${@/#//proc/}"
	find "${@/%//fd}" -lname "$link" -printf '%h\n' 2>/dev/null | sort -u | wc -l
}
each_holds() { [ "$(holders "$@")" -eq $(($# - 1)) ]; }
none_holds() { [ "$(holders "$@")" -eq 0 ]; }

# Every waiter holds its gate; every waiter watches the directory.
wait_for_gates() { until_true 60 each_holds "$GATE" "${WAITERS[@]}"; }
wait_for_watches() { until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}"; }

# kill_and_reap PID: a child of the shell. The shell's message about it is dropped.
kill_and_reap() {
	local got=0
	kill -KILL "$1"
	wait "$1" 2>/dev/null || got=$?
	expect "exit status of process $1, which was killed" "$got" 137
}

exists() { [ -e "$1" ]; }
# is_state LETTER PID: as proc(5) has it.
is_state() { grep -qs "^State:.$1" "/proc/$2/status"; }
is_zombie() { is_state Z "$1"; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }

# all_end STATUS PID...: these children end, with this exit status.
all_end() {
	local want=$1 pid got
	shift
	for pid; do
		until_true 60 has_ended "$pid"
		got=0
		wait "$pid" || got=$?
		[ "$got" -eq "$want" ] || die "process $pid: exit status $got, want $want; $(cat "err.$pid" "out.$pid")"
	done
}

# write_lingering: writes lingering.py, with which a socket is sent that blocks its receiver when it is closed.
write_lingering() {
	cat >lingering.py <<'EOF'
import socket, struct


# A TCP socket, and its peer, which reads nothing: so the last close of the first takes 1000 seconds.
def lingering():
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    sender.setblocking(False)
    try:
        while True:
            sender.send(bytes(65536))
    except BlockingIOError:
        pass
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1000))
    return sender, receiver
EOF
}

# start_for_python: starts a daemon, and writes wire.py for `python`.
start_for_python() {
	need python3
	start_readyd "$@"
	cat >wire.py <<'EOF'
import os, select, socket, sys, time

PATH = os.environ["READYD_SOCKET"]


class Client:
    def __init__(self, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(PATH)
        self.buffer = b""

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        """The next line without its newline; None at the end."""
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def ask(self, request):
        self.send(request + "\n")
        return self.line()

    def gate(self, pid):
        self.send(f"GATE {pid}\n")
        text, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 4)
        assert text.decode().startswith(f"GATE {pid}") and text.endswith(b"\n"), text
        assert len(descriptors) == 1, descriptors
        return descriptors[0]

    def close(self):
        self.socket.close()


def hung_up(fd, seconds):
    """Whether the writing end of the gate is closed within the time."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(seconds * 1000))


def stage(name):
    """Tells the shell how far this program is, and waits until the shell lets it continue."""
    open(name, "w").close()
    while not os.path.exists(name + ".done"):
        time.sleep(0.01)


def same(got, want):
    assert got == want, f"got {got!r}, want {want!r}"
EOF
}

# python ARGUMENT...: runs the program on standard input; spawn_python does not wait for it.
python() { PYTHONPATH=$T timeout 120 python3 -B -c "$(echo 'from wire import *' && cat)" "$@"; }
spawn_python() {
	PYTHONPATH=$T spawn python3 -B -c "$(echo 'from wire import *' && cat)" "$@"
}

# A case inherits the same environment wherever it runs, and nothing that refers to a daemon or directory outside.
run_one() {
	T=$(mktemp -d "${TMPDIR:-/tmp}/readyd-test.XXXXXX")
	(
		trap reap_spawned EXIT
		set -eu
		unset READYD_BACKEND READYD_TIMEOUT READYD_TRUST_UID NOTIFY_SOCKET LISTEN_FDS LISTEN_PID WATCHDOG_USEC WATCHDOG_PID JOURNAL_STREAM
		export READYD_SOCKET=$T/s READYD_DIR=$T/m
		cd "$T"
		"$1"
	) </dev/null >"$T/.log" 2>&1
	local rc=$?
	CASES=$((CASES + 1))
	if [ $rc -eq 0 ]; then
		echo "ok $CASES - $1"
	elif [ $rc -eq 77 ] && [ -f "$T/.skip" ]; then
		echo "ok $CASES - $1 # SKIP $(cat "$T/.skip")"
	else
		echo "not ok $CASES - $1 (exit $rc)"
		sed 's/^/# /' "$T/.log"
	fi
	rm -rf "$T"
}

# What backends.sh starts in other namespaces: one function instead of the cases.
run_inside() {
	unset TEST_INSIDE
	trap reap_spawned EXIT
	set -eu
	cd "$T"
	"$@"
	exit 0
}

run_tests() {
	local name
	if [ -n "${TEST_INSIDE:-}" ]; then
		run_inside "$@"
	fi
	CASES=0
	# shellcheck disable=SC2048
	for name in ${*:-$(grep -o '^test_[a-z0-9_]*' "$0")}; do
		run_one "$name"
	done
	echo "1..$CASES"
}
