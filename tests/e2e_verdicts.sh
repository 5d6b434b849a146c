#!/usr/bin/env bash
# Both backends give the same answer: for each state of a process with each state of its marker, by a wait that began
# before, and by a query afterwards. And what goes with the answers: legends, starts, time-outs.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

STATES=(alive stopped leader-exited zombie reaped no-process status3 signal9)
MARKERS=(absent regular empty directory symlink fifo foreign older)

# processes.py DIRECTORY STATES MARKERS: starts a process for each state and each marker, and prints "state marker pid".
# After a line on standard input it brings each of them into its state, and prints "changed".
write_processes() {
	cat >processes.py <<'END'
import ctypes, os, platform, signal, sys, threading, time

states, markers = sys.argv[2].split(), sys.argv[3].split()
prefix = os.path.join(sys.argv[1], "ktstr-worker-ready-")
libc = ctypes.CDLL(None)
SYS_EXIT = {"x86_64": 60, "aarch64": 93}.get(platform.machine(), 1)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

def end_with_parent():
    libc.prctl(1, signal.SIGKILL)

def stay():
    end_with_parent()
    while True:
        time.sleep(1000)

def run(state):
    end_with_parent()
    if state == "leader-exited":
        threading.Thread(target=stay).start()
    signal.sigwait({signal.SIGUSR1})
    if state == "leader-exited":
        libc.syscall(SYS_EXIT, 0)
    os._exit(3 if state == "status3" else 0)

def start(state):
    pid = os.fork()
    if pid == 0:
        try:
            run(state)
        finally:
            os._exit(99)
    return pid

def letter(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rsplit(")", 1)[1].split()[0]

def until(pid, wanted):
    while letter(pid) != wanted:
        time.sleep(0.005)

# The pids that may be assigned next; those below 300 are not assigned again after a wrap-around.
def next_pids(count):
    with open("/proc/sys/kernel/pid_max") as file:
        limit = int(file.read())
    first = os.fork()
    if first == 0:
        os._exit(0)
    os.waitpid(first, 0)
    return {300 + (first - 300 + i) % (limit - 300) for i in range(1, min(count, limit - 300) + 1)}

# The change time of a file cannot be set, so the files come first: one for every pid that may be next. Only children
# that have got one of these are of use.
def try_to_start_with_older_markers(wanted, count, kept):
    pids = next_pids(count) - set(kept.values())
    for pid in pids:
        os.close(os.open(prefix + str(pid), os.O_CREAT | os.O_WRONLY))
    time.sleep(0.1)
    for state in wanted:
        pid = start(state)
        if pid in pids:
            kept[state] = pid
        else:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    for pid in pids - set(kept.values()):
        os.unlink(prefix + str(pid))

# Meanwhile, other programs take pids too, on a busy machine thousands: there is a file for every pid in the end.
def start_with_older_markers():
    kept, count = {}, 5000
    while True:
        wanted = [state for state in states if state != "no-process" and state not in kept]
        if not wanted:
            return kept
        try_to_start_with_older_markers(wanted, count, kept)
        count *= 4

children = {"older": start_with_older_markers()}
for marker in markers:
    if marker != "older":
        children[marker] = {state: start(state) for state in states if state != "no-process"}
for marker, processes in children.items():
    for state, pid in processes.items():
        print(state, marker, pid)
print("started", flush=True)
sys.stdin.readline()
for processes in children.values():
    for state, pid in processes.items():
        sent = {"alive": 0, "stopped": signal.SIGSTOP, "signal9": signal.SIGKILL}
        os.kill(pid, sent.get(state, signal.SIGUSR1))
    for state, pid in processes.items():
        if state == "stopped":
            until(pid, "T")
        elif state == "reaped":
            os.waitpid(pid, 0)
        elif state != "alive":
            until(pid, "Z")
print("changed", flush=True)
signal.pause()
END
}

make_marker() {
	local path
	path=$(marker "$2")
	case $1 in
	absent | older) ;;
	regular) echo ready >new && mv new "$path" ;;
	empty) : >"$path" ;;
	directory) mkdir "$path" ;;
	symlink) echo ready >"elsewhere" && ln -s "$T/elsewhere" "$path" ;;
	fifo) mkfifo "$path" ;;
	foreign) echo ready >new && chown 12345 new && mv new "$path" ;;
	esac
}

# The answer without its pid and start.
normal() { sed -E "s/^([a-z]+) [0-9]+/\1/; s/ start=[0-9]+//; s/ age=assumed//"; }

declare -A CELL_PID CELL WAITER_OF

# The wait ends by its time-out.
stays_pending() {
	case $1 in alive | stopped | leader-exited) ;; *) return 1 ;; esac
	case $2 in absent | directory | symlink | fifo | foreign | older) ;; *) return 1 ;; esac
}

start_waiters() {
	local state marker backend timeout=60
	! stays_pending "$1" "$2" || timeout=1
	for backend in daemon file; do
		READYD_BACKEND=$backend spawn_waiters 1 --timeout $timeout "${CELL_PID[$1 $2]}"
		WAITER_OF[$1 $2 $backend]=${WAITERS[0]}
		stays_pending "$1" "$2" && continue
		case $1-$2 in no-process-*) continue ;; esac
		if [ $backend = daemon ]; then AT_GATES+=("${WAITERS[0]}"); else AT_FILES+=("${WAITERS[0]}"); fi
		case $2 in regular | empty) SETTLED+=("${WAITERS[0]}") ;; esac
	done
}

each_cell() {
	local state marker
	for state in "${STATES[@]}"; do
		for marker in "${MARKERS[@]}"; do
			"$@" "$state" "$marker"
		done
	done
}

all_have_ended() {
	local pid
	for pid; do
		has_ended "$pid" || return 1
	done
}

mark_cell() { make_marker "$2" "${CELL_PID[$1 $2]}"; }

collect_before() {
	local backend pid got
	for backend in daemon file; do
		pid=${WAITER_OF[$1 $2 $backend]}
		until_true 90 has_ended "$pid"
		got=0
		wait "$pid" || got=$?
		CELL[$1 $2 before-$backend]="$got $(normal <"out.$pid")"
	done
}

collect_after() {
	local backend got line
	for backend in daemon file auto; do
		got=0
		line=$(READYD_BACKEND=$backend ctl status "${CELL_PID[$1 $2]}" 2>/dev/null) || got=$?
		CELL[$1 $2 after-$backend]="$got $(normal <<<"$line")"
	done
}

# The two answers of a cell are the same, or those of the list of differences.
compare() {
	local cell="$1 $2" when=$3 listed
	local of_daemon=${CELL[$cell $when-daemon]} of_file=${CELL[$cell $when-file]}
	listed=${DIFFERENT[$when $cell]:-}
	if [ -n "$listed" ]; then
		[ "$of_daemon | $of_file" = "$listed" ] && return 0
		wrong "$when, $cell: '$of_daemon | $of_file' is not '$listed'"
	elif [ "$of_daemon" != "$of_file" ]; then
		wrong "$when, $cell: the daemon answers '$of_daemon', the file '$of_file'"
	fi
}

wrong() {
	echo "$*"
	WRONG=$((WRONG + 1))
}

compare_cell() {
	compare "$1" "$2" before
	compare "$1" "$2" after
	case ${CELL[$1 $2 after-auto]} in
	"${CELL[$1 $2 after-daemon]}" | "${CELL[$1 $2 after-file]}") ;;
	*) wrong "after, $1 $2: with both backends it is '${CELL[$1 $2 after-auto]}', which neither of them answers" ;;
	esac
}

# What the file answers afterwards, so that the two are not both wrong.
expected_after() {
	local empty="" status=" status=0"
	case $2 in empty | older) empty=" empty=1" ;; esac
	case $1 in
	alive | stopped | leader-exited) expected_for_running "$2" "$empty" ;;
	no-process | reaped) expected_without_process "$1" "$2" "$empty" ;;
	*)
		[ "$1" != status3 ] || status=" status=3"
		[ "$1" != signal9 ] || status=" signal=9"
		expected_for_zombie "$2" "$status$empty" "$1"
		;;
	esac
}

expected_for_running() {
	case $1 in
	absent) echo "1 pending" ;;
	regular | empty) echo "0 ready$2" ;;
	foreign) echo "5 stale reason=foreign-owner" ;;
	older) echo "5 stale reason=older-than-process$2" ;;
	*) echo "1 pending reason=not-a-file" ;;
	esac
}

# Which process created the marker is unknown then; another user's file does not count. There is no older marker for a
# pid that never existed.
expected_without_process() {
	case $1-$2 in
	*-regular | *-empty | reaped-older) echo "4 exited$3" ;;
	*-foreign) echo "3 died reason=identity-unknown" ;;
	*) echo "3 died reason=no-process" ;;
	esac
}

expected_for_zombie() {
	case $1 in
	regular | empty) echo "4 exited$2" ;;
	foreign) echo "3 died reason=foreign-owner$2" ;;
	older) echo "3 died reason=older-than-process$2" ;;
	*) echo "3 died$2" ;;
	esac
}

expect_cell() {
	local want
	want=$(expected_after "$1" "$2")
	[ "${CELL[$1 $2 after-file]}" = "$want" ] ||
		wrong "after, $1 $2: the file answers '${CELL[$1 $2 after-file]}', want '$want'"
}

# All that may differ in the table: a waiter that the daemon tells that a process is ready does not look whether the
# marker is empty; the daemon knows how a reaped process ended if a client waited for it or it was ready, and the file
# backend no longer finds the process.
list_differences() {
	local marker state
	declare -gA DIFFERENT=(
		["after reaped regular"]="4 exited status=0 | 4 exited"
		["after reaped empty"]="4 exited status=0 empty=1 | 4 exited empty=1"
		["after reaped foreign"]="3 died reason=foreign-owner status=0 | 3 died reason=identity-unknown"
		["after reaped older"]="3 died reason=older-than-process status=0 empty=1 | 4 exited empty=1"
	)
	for state in alive stopped leader-exited zombie reaped status3 signal9; do
		DIFFERENT["before $state empty"]="0 ready | 0 ready empty=1"
	done
	for marker in absent directory symlink fifo; do
		DIFFERENT["after reaped $marker"]="3 died status=0 | 3 died reason=no-process"
	done
}

# A pidfd tells the exit status of a process that has been reaped.
pidfd_tells_status() {
	local major minor
	IFS=. read -r major minor _ </proc/sys/kernel/osrelease
	[ $((major * 1000 + minor)) -ge 6015 ]
}

test_both_backends_agree_in_every_state() {
	local state marker pid
	need_root
	pidfd_tells_status || skip "before Linux 6.15 a reaped process's status is lost"
	need python3
	start_readyd
	write_processes
	mkfifo to from
	exec 7<>to 8<>from
	spawn python3 processes.py "$T/m" "${STATES[*]}" "${MARKERS[*]}" <to >from
	while read -r -t 60 -u 8 state marker pid && [ "$state" != started ]; do
		CELL_PID[$state $marker]=$pid
	done
	[ "$state" = started ] || die "no children"
	for marker in "${MARKERS[@]}"; do
		CELL_PID[no-process $marker]=$((NO_SUCH_PID++))
	done
	AT_GATES=() AT_FILES=() SETTLED=()
	each_cell start_waiters
	until_true 90 each_holds "$GATE" "${AT_GATES[@]}"
	until_true 90 each_holds "$INOTIFY" "${AT_FILES[@]}"
	each_cell mark_cell
	until_true 90 all_have_ended "${SETTLED[@]}"
	echo go >&7
	read -r -t 60 -u 8 state
	expect "children" "$state" changed
	each_cell collect_before
	each_cell collect_after
	list_differences
	WRONG=0
	each_cell compare_cell
	each_cell expect_cell
	[ "$WRONG" -eq 0 ] || die "$WRONG wrong"
}

# --- what only the daemon knows

answer_of() { # BACKEND [OPTION]
	local got=0 line
	line=$(READYD_BACKEND=$1 ctl status "${@:2}" "$PID" 2>/dev/null) || got=$?
	echo "$got $(normal <<<"$line")"
}

# differs DAEMON FILE: what each backend answers for PID. With both, the daemon's knowledge counts.
differs() {
	expect "by the daemon" "$(answer_of daemon)" "$1"
	expect "by the file" "$(answer_of file)" "$2"
	expect "by both" "$(answer_of auto)" "$1"
}

# A process that has been seen ready stays ready until it ends.
test_only_the_daemon_knows_a_removed_marker() {
	start_readyd
	spawn_unreaped "exec sleep 1000"
	echo ready >"$(marker "$PID")"
	until_true 60 counter_is processes 1
	rm "$(marker "$PID")"
	differs "0 ready latched=1" "1 pending"
	kill -KILL "$PID"
	until_true 60 is_state Z "$PID"
	differs "4 exited signal=9 latched=1" "3 died signal=9"
}

# A worker that writes its marker right after its start: a later observer has only stamps, which are too close to tell.
# On a slow machine they may not be.
start_close() {
	local _
	for _ in {1..20}; do
		spawn bash -c 'echo ready >"m/ktstr-worker-ready-$$"; exec sleep 1000'
		PID=$LAST
		until_true 60 test -s "$(marker "$PID")"
		READYD_BACKEND="file" ctl status "$PID" >out || die "not ready: $(cat out)"
		! grep -q "age=assumed" out || return 0
	done
	skip "each process took longer than the stamps can tell to its marker"
}

strict_answers() { # BACKEND
	expect "$1, strict" "$(answer_of "$1" --strict-age)" "1 pending reason=age-unknown"
	expect "$1" "$(answer_of "$1")" "0 ready"
}

test_a_strict_caller_assumes_no_age() {
	local backend
	mkdir m
	start_close
	strict_answers file
	start_readyd
	strict_answers daemon
	strict_answers auto
	for backend in file daemon auto; do
		READYD_BACKEND=$backend expect_exit 124 ctl wait --strict-age --timeout 0.2 "$PID" >out 2>&1
	done
	spawn_waiters 1 --strict-age "$PID"
	until_true 60 is_state S "${WAITERS[0]}"
	echo ready >"$(marker "$PID")"
	all_end 0 "${WAITERS[0]}"
}

# A marker that was created just before the pid was reused. If the timestamps cannot tell, the file backend accepts the
# marker, and the daemon knows better.
within_the_resolution() {
	local by_file
	start_readyd
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		spawn_worker_with_pid 200
		echo ready >"$(marker 200)"
		until_true 60 counter_is processes 1
		touch "$(marker 200)"
		kill_and_reap 200
		spawn_worker_with_pid 200
		expect "by the daemon" "$(answer_of daemon)" "5 stale reason=older-than-process"
		expect "by both" "$(answer_of auto)" "5 stale reason=older-than-process"
		by_file=$(answer_of file)
		kill_and_reap 200
		rm "$(marker 200)"
		echo "by the file: $by_file"
		case $by_file in
		"0 ready") return 0 ;;
		"5 stale reason=older-than-process") ;;
		*) die "the file answers '$by_file'" ;;
		esac
	done
	echo "never within the resolution of the timestamps: the machine is too busy"
}

test_only_the_daemon_knows_a_marker_of_the_same_moment() { in_pid_namespace within_the_resolution; }

# Two processes that have the same pid and start within the same clock tick. The one that runs is not the one that ended.
within_a_tick() {
	local former
	start_readyd
	for _ in {1..50}; do
		spawn_worker_with_pid 200
		former=$(start_of 200)
		echo ready >"$(marker 200)"
		ctl -q status 200 || die "the marker does not count"
		kill_and_reap 200
		spawn_worker_with_pid 200
		expect "by the daemon" "$(answer_of daemon)" "5 stale reason=older-than-process"
		[ "$(start_of 200)" != "$former" ] || return 0
		kill_and_reap 200
		rm "$(marker 200)"
	done
	echo "never within one clock tick: the machine is too slow"
}

test_two_processes_of_one_tick_are_different() { in_pid_namespace within_a_tick; }

# The daemon remembers the process of an earlier query, not its pid.
reuse_after_a_query() {
	start_readyd
	spawn_worker_with_pid 200
	expect "of the first" "$(answer_of daemon)" "1 pending"
	kill_and_reap 200
	expect "without a process" "$(answer_of daemon | cut -d' ' -f1,2)" "3 died"
	spawn_worker_with_pid 200
	expect "of the second" "$(answer_of daemon)" "1 pending"
	kill_and_reap 200
	spawn_worker_with_pid 200
	expect "of the third" "$(answer_of daemon)" "1 pending"
	echo ready >"$(marker 200)"
	expect "of the third, marked" "$(answer_of daemon)" "0 ready"
}

test_a_query_before_the_pid_is_reused() { in_pid_namespace reuse_after_a_query; }

# --- legends

# legend_is COMMAND TEXT ARGUMENT...: of a process that ends by this command, with both backends, in text and in JSON.
legend_is() {
	local backend ends=$1 text=$2
	shift 2
	spawn_unreaped "$ends"
	until_true 60 is_state Z "$PID"
	for backend in daemon file; do
		READYD_BACKEND=$backend expect_exit 3 ctl status "$@" "$PID" >out
		expect "$backend, legend of '$ends'" "$(sed -n 's/.* legend="\(.*\)"$/\1/p' out)" "$text"
		READYD_BACKEND=$backend expect_exit 3 ctl wait --json "$@" "$PID" >out
		expect "$backend, legend of '$ends' in JSON" "$(sed -n 's/.*"legend":"\([^"]*\)".*/\1/p' out)" "$text"
	done
}

test_legend() {
	start_readyd
	legend_is "exit 0" ""
	legend_is "exit 3" ""
	legend_is "exit 3" "no license" --legend '3=no license'
	legend_is "exit 42" "the answer" --legend 3=x --legend=42="the answer"
	legend_is "exit 255" "b" --legend 255=a --legend 255=b
	legend_is "exit 9" "1=2" --legend 9=1=2
}

# A program of this name, which exits with the number that it is given: a shell.
as_program() { # NAME
	cp "$(command -v sh)" "$1"
	echo 'exit "$1"' >exit.sh
}

# The statuses of the reference worker are those of a program of its name only; the kernel cuts names to 15 bytes.
test_legend_of_the_reference_worker() {
	local code
	as_program ktstr-jemalloc-alloc-worker
	start_readyd
	legend_is "exec ./ktstr-jemalloc-alloc-worker exit.sh 2" "reference worker: BYTES is 0"
	legend_is "exec ./ktstr-jemalloc-alloc-worker exit.sh 4" "reference worker: the marker could not be written"
	legend_is "exec ./ktstr-jemalloc-alloc-worker exit.sh 5" \
		"reference worker: BYTES is missing, not a number, or out of range"
	legend_is "exec ./ktstr-jemalloc-alloc-worker exit.sh 6" "reference worker: /proc/self/task could not be read"
	legend_is "exec ./ktstr-jemalloc-alloc-worker exit.sh 101" "reference worker: Rust panic"
	legend_is "exec ./ktstr-jemalloc-alloc-worker exit.sh 7" ""
	legend_is "exec ./ktstr-jemalloc-alloc-worker exit.sh 4" "mine" --legend 4=mine
	for code in 2 3 4 5 6 101; do legend_is "exit $code" ""; done
}

# legend_after_reaping BACKEND NAME TEXT: a program of this name exits with 3 while it is waited for, and is reaped.
legend_after_reaping() {
	READYD_BACKEND=$1
	export READYD_BACKEND
	as_program "$2"
	echo 'read -r _ <go; exit 3' >last.sh
	rm -f go
	mkfifo go
	spawn sh -c './$0 last.sh & echo $! >worker.pid; wait' "$2"
	until_true 60 [ -s worker.pid ]
	PID=$(cat worker.pid)
	rm worker.pid
	until_true 60 grep -qsx "${2:0:15}" "/proc/$PID/comm"
	spawn_waiters 1 "$PID"
	if [ "$1" = daemon ]; then wait_for_gates; else wait_for_watches; fi
	kill -STOP "${WAITERS[0]}"
	echo >go
	until_true 60 has_ended "$PID"
	kill -CONT "${WAITERS[0]}"
	all_end 3 "${WAITERS[0]}"
	expect "$1, legend of a reaped $2" "$(sed 's/.* status=3//' "out.${WAITERS[0]}")" "$3"
}

# The name is that of the time when the process was alive. Another program may have the same first 15 bytes.
test_legend_of_a_reaped_worker() {
	local backend text
	pidfd_tells_status || skip "before Linux 6.15 a reaped process's status is lost"
	text='legend="reference worker: more than one thread, typically MALLOC_CONF=background_thread:true"'
	start_readyd
	for backend in daemon file; do
		legend_after_reaping $backend ktstr-jemalloc-alloc-worker " $text"
		legend_after_reaping $backend ktstr-jemalloc-other ""
	done
}

# Neither for a signal nor for a process that runs.
test_legend_only_for_an_exit_status() {
	start_readyd
	spawn_unreaped "exec sleep 1000"
	mark "$PID"
	READYD_BACKEND="file" ctl status --legend 9=x --legend 0=x "$PID" >out
	kill -KILL "$PID"
	until_true 60 is_state Z "$PID"
	READYD_BACKEND="file" expect_exit 4 ctl status --legend 9=x --legend 0=x "$PID" >>out
	expect "legends" "$(select_lines -c legend out)" 0
}

# json FIELD: that of the object in out.
json() { python3 -c 'import json, sys; print(json.load(open("out"))[sys.argv[1]])' "$1"; }

test_legend_with_quotes_in_json() {
	local text=$'a "b" \\ c\td'
	need python3
	start_readyd
	spawn_unreaped "exit 8"
	until_true 60 is_state Z "$PID"
	READYD_BACKEND="daemon" expect_exit 3 ctl status --json --legend "8=$text" "$PID" >out
	expect "legend" "$(json legend)" "$text"
}

test_legend_of_the_real_worker() {
	start_readyd
	spawn_unreaped "exec '$WORKER' 2>worker.err"
	until_true 60 is_state Z "$PID"
	expect_exit 3 ctl wait "$PID" >out
	grep -q 'status=5 legend="reference worker: BYTES is missing' out || die "no legend: $(cat out)"
}

test_legend_usage() {
	local bad
	for bad in 3 =x 256=x -1=x x=y "" 1x=y; do
		expect_exit 2 ctl status --legend "$bad" 1 2>err
		expect "lines on standard error ($(cat err))" "$(wc -l <err)" 1
	done
}

# --- processes that have not started

start_readyd_unless_file() {
	mkdir -p m
	[ "$1" = file ] || start_readyd
}

not_started_yet() {
	start_readyd_unless_file "$1"
	READYD_BACKEND=$1 expect_exit 124 ctl wait --json --not-started=wait --timeout 0.2 200 >out 2>err
	grep -q '"process":"not-started"' out || die "not in JSON: $(cat out)"
	grep -q "process 200 is not-started; its marker .*: absent;" err || die "not on standard error: $(cat err)"
	READYD_BACKEND=$1 expect_exit 3 ctl -q wait --not-started=fail --timeout 60 200
	READYD_BACKEND=$1 expect_exit 3 ctl -q wait --timeout 60 200
}

# starts_during_the_wait BACKEND ready|dies
starts_during_the_wait() {
	start_readyd_unless_file "$1"
	READYD_BACKEND=$1 spawn_waiters 2 --not-started=wait --timeout 60 200
	until_true 60 have_checked "${WAITERS[@]}"
	spawn_worker_with_pid 200
	until_true 60 each_holds '*pidfd*' "${WAITERS[@]}"
	if [ "$2" = ready ]; then
		mark 200
		all_end 0 "${WAITERS[@]}"
	else
		kill_and_reap 200
		all_end 3 "${WAITERS[@]}"
	fi
}

# A marker that exists before the process starts is not its marker.
starts_with_a_stale_marker() {
	start_readyd_unless_file "$1"
	echo ready >"$(marker 200)"
	READYD_BACKEND=$1 spawn_waiters 1 --not-started=wait --stale=fail --timeout 60 200
	READYD_BACKEND=$1 expect_exit 124 ctl -q wait --not-started=wait --timeout 0.2 200 2>err
	grep -q "is not-started; its marker .*: older-than-process;" err || die "$(cat err)"
	spawn_worker_with_pid 200
	all_end 5 "${WAITERS[@]}"
}

# starts_and_exits_unseen BACKEND: it has created its marker and ended before a check could see it.
starts_and_exits_unseen() {
	start_readyd_unless_file "$1"
	READYD_BACKEND=$1 spawn_waiters 2 --not-started=wait --timeout 60 200
	until_true 60 have_checked "${WAITERS[@]}"
	kill -STOP "${WAITERS[@]}"
	for pid in "${WAITERS[@]}"; do until_true 60 is_stopped "$pid"; done
	spawn_worker_with_pid 200
	mark 200
	kill_and_reap 200
	kill -CONT "${WAITERS[@]}"
	all_end 4 "${WAITERS[@]}"
}

# A process named by its start has started already, and will not start again.
exact_process_has_started() {
	local start
	start_readyd_unless_file "$1"
	spawn_worker_with_pid 200
	start=$(start_of 200)
	kill_and_reap 200
	READYD_BACKEND=$1 expect_exit 3 ctl -q wait --not-started=wait --timeout 60 "200:$start"
}

test_not_started() {
	local backend
	for backend in daemon file auto; do
		in_pid_namespace starts_and_exits_unseen $backend
		in_pid_namespace exact_process_has_started $backend
		in_pid_namespace not_started_yet $backend
		in_pid_namespace starts_during_the_wait $backend ready
		in_pid_namespace starts_during_the_wait $backend dies
		in_pid_namespace starts_with_a_stale_marker $backend
	done
}

test_not_started_usage() {
	expect_exit 2 ctl wait --not-started=maybe 1 2>err
	expect_exit 2 ctl status --not-started=wait 1 2>>err
	expect "lines on standard error ($(cat err))" "$(wc -l <err)" 2
}

# --- time-outs

# explains BACKEND "KEY":VALUE...: a wait on PID that times out says so in JSON, and in words.
explains() {
	local backend=$1 field
	shift
	READYD_BACKEND=$backend expect_exit 124 ctl wait --json --timeout 0.3 "$PID" >out 2>err
	grep -q "^readyctl: timed out after 300 ms: process $PID is " err || die "not on standard error: $(cat err)"
	expect "lines on standard error" "$(wc -l <err)" 1
	for field; do
		grep -qF -- "$field" out || die "$backend: $field is not in $(cat out)"
	done
}

test_timeout_says_what_the_process_does() {
	local backend
	start_readyd
	for backend in daemon file; do
		spawn_worker
		until_true 60 is_state S "$PID"
		explains $backend '"process":"sleeping"' '"marker":"absent"' '"directory":"ok"' "\"path\":\"$(marker "$PID")\""
		kill -STOP "$PID"
		until_true 60 is_state T "$PID"
		explains $backend '"process":"stopped"'
		spawn bash -c 'while :; do :; done'
		PID=$LAST
		until_true 60 is_state R "$PID"
		explains $backend '"process":"running"'
		kill_and_reap "$PID"
	done
}

# A process still runs after its first thread has exited.
test_timeout_says_that_the_leader_has_exited() {
	local backend
	need python3
	start_readyd
	spawn python3 -c 'import ctypes, signal, threading
threading.Thread(target=signal.pause).start()
ctypes.CDLL(None).pthread_exit(None)'
	PID=$LAST
	until_true 60 is_state Z "$PID"
	for backend in daemon file; do
		explains $backend '"process":"leader-exited"'
	done
}

test_timeout_says_what_is_in_the_way() {
	local backend
	start_readyd
	for backend in daemon file; do
		spawn_worker
		mkfifo "$(marker "$PID")"
		explains $backend '"marker":"not-a-file"' '"reason":"deadline"' '"exit":124' '"verdict":"pending"'
		grep -qF "its marker $(marker "$PID"): not-a-file;" err || die "not on standard error: $(cat err)"
	done
}

test_timeout_says_how_it_waited() {
	start_readyd
	spawn_worker
	explains daemon '"via":"daemon"'
	explains auto '"via":"daemon"'
	grep -qE '"last_event_ms":[0-9]+,' out || die "no message of the daemon: $(cat out)"
	explains file '"via":"inotify"' '"last_event_ms":null' '"backend":"file"'
}

# A frozen daemon has one second to answer; after that, the wait watches the directory.
test_timeout_says_that_the_daemon_is_late() {
	start_readyd
	spawn_worker
	freeze_readyd
	READYD_BACKEND=auto expect_exit 124 ctl wait --json --timeout 3 "$PID" >out 2>err
	grep -qF '"via":"inotify"' out || die "not in JSON: $(cat out)"
}

# The wait continues without the directory, and names it at the time-out.
test_timeout_says_what_became_of_the_directory() {
	local backend
	start_readyd
	for backend in daemon file; do
		mkdir -p m
		spawn_worker
		READYD_BACKEND=$backend spawn_waiters 1 --json --timeout 3 "$PID"
		case $backend in
		daemon) until_true 60 each_holds "$GATE" "${WAITERS[@]}" ;;
		file) until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}" ;;
		esac
		rmdir m
		all_end 124 "${WAITERS[@]}"
		grep -q '"directory":"missing"' "out.${WAITERS[0]}" || die "$backend: $(cat "out.${WAITERS[0]}")"
	done
}

# A symbolic link to itself exists, and is not a directory.
test_timeout_says_that_the_directory_leads_nowhere() {
	mkdir m
	spawn_worker
	READYD_BACKEND="file" spawn_waiters 1 --json --timeout 3 "$PID"
	until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}"
	rmdir m
	ln -s m m
	all_end 124 "${WAITERS[@]}"
	grep -q '"directory":"not-a-directory"' "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
}

# Each byte that is not valid UTF-8 (overlong, a surrogate, truncated, too large) becomes U+FFFD; the rest is unchanged.
test_timeout_is_json_whatever_the_bytes() {
	local good=$'\u00fc\u20ac\ud7ff\U0001f600\U0010ffff' x=$'\ufffd'
	need python3
	export READYD_DIR=$T/$'m\nn\xff\xe2\x82'
	mkdir "$READYD_DIR"
	spawn_worker
	READYD_BACKEND="file" expect_exit 124 ctl wait --json --timeout 0.1 "$PID" >out 2>err
	expect "path" "$(PYTHONUTF8=1 json path)" "$T/m"$'\n'"n$x$x$x/ktstr-worker-ready-$PID"
	expect "lines on standard error" "$(wc -l <err)" 1
	grep -qF 'its marker '"$T"'/m\x0an' err || die "not on standard error: $(cat err)"
	spawn_unreaped "exit 8"
	until_true 60 is_state Z "$PID"
	READYD_BACKEND="file" expect_exit 3 ctl status --json \
		--legend 8="$good"$'\xc0\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\xe0\x9f\xbf|\xf0\x9f\x98' "$PID" >out
	expect "legend" "$(PYTHONUTF8=1 json legend)" "$good$x$x|$x$x$x|$x$x$x$x|$x$x$x|$x$x$x"
}

test_timeout_path_is_json() {
	need python3
	export READYD_DIR=$T/'m"x\y'
	mkdir "$READYD_DIR"
	spawn_worker
	READYD_BACKEND="file" expect_exit 124 ctl wait --json --timeout 0.1 "$PID" >out 2>err
	expect "path" "$(json path)" "$READYD_DIR/ktstr-worker-ready-$PID"
}

run_tests "$@"
