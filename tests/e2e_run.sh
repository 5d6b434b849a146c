#!/usr/bin/env bash
# readyctl run starts a worker, waits, and stays as its parent; readyctl mark writes a marker for a process.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh disable=SC1091
. "$(dirname "$0")/backends.sh"

# What a worker does to be ready, in the shell.
MARKS='echo >"$READYD_DIR/ktstr-worker-ready-$$"'
# It may be seen before its content.
IS_READY='ready [0-9]+ start=[0-9]+( empty=1)?'

# said TEXT...: each is in the standard error of the last run.
said() {
	local text
	for text; do
		grep -qF -- "$text" err || die "'$text' is not in: $(cat err)"
	done
}

# json FIELD...: each is in the last object on standard output.
json() {
	local field
	for field; do
		tail -n 1 out | grep -qF -- "$field" || die "'$field' is not in: $(cat out)"
	done
}

# is_over PID: it has ended; an init that does not reap may leave a zombie.
is_over() { has_ended "$1" || is_zombie "$1"; }

# is_late FILE ARGUMENT...: it is not ready in time, but has written this file; a machine that is slow gets more time.
is_late() {
	local file=$1 time
	shift
	for time in 0.2 2 20; do
		run 124 run --timeout "$time" "$@"
		[ ! -s "$file" ] || return 0
	done
	die "$file was not written"
}

test_run_ends_with_the_status_of_a_worker_that_was_ready() {
	mkdir m
	quiet_run 0 run -- sh -c "$MARKS; sleep 0.1"
	run 5 run -- sh -c "$MARKS; sleep 0.1; exit 5"
	said "exit status 5 after it was ready" "exit code 5, that of the worker"
	run 3 run --print json -- sh -c "$MARKS; sleep 0.1; exit 3"
	expect "objects" "$(wc -l <out)" 2
	head -n 1 out | grep -qF '"verdict":"ready","exit":0,' || die "$(cat out)"
	json '"verdict":"exited","exit":3,"exit_from":"worker"' '"status":3'
}

test_run_prints_the_pid_once_the_worker_is_ready() {
	mkdir m
	quiet_run 0 run --print pid -- sh -c 'echo $$; '"$MARKS; sleep 0.1"
	expect "lines" "$(wc -l <out)" 2
	expect "pids" "$(sort -u out | wc -l)" 1
}

# A pid or an object that is lost is a failure, also where the last write of all succeeds.
test_run_reports_what_it_cannot_print() {
	mkdir m
	[ -w /dev/full ] || skip "no /dev/full"
	expect_exit 125 ctl run --print pid -- sh -c "$MARKS; sleep 0.1" >/dev/full 2>err
	said "cannot write to standard output: No space left on device"
	expect_exit 125 ctl run --detach -- sh -c "$MARKS; echo \$\$ >pid; exec sleep 60" >/dev/full 2>err
	PID=$(cat pid)
	kill "$PID"
	said "cannot write to standard output: No space left on device" "process $PID (sh) is ready and goes on"
}

test_a_worker_that_dies_before_it_is_ready() {
	mkdir m
	run 3 run --print json -- sh -c 'echo; echo first >&2; printf "boom\033\n\n" >&2; exit 7'
	said 'ended with exit status 7 before it was ready' 'standard error: boom\x1b' "exit code 3, the verdict 'died'"
	json '"verdict":"died","exit":3,"exit_from":"verdict"' '"status":7' '"stderr":"boom\u001b"'
	run 3 run --print json -- sh -c 'kill -KILL $$'
	said "by signal 9"
	json '"signal":9'
	# Its status equals the verdict's code.
	run 3 run -- sh -c 'exit 3'
	said "exit status 3 before it was ready" "the verdict 'died'"
}

test_a_worker_that_cannot_be_executed() {
	mkdir m
	run 127 run --print json -- ./nothing
	said "cannot run './nothing': No such file or directory; exit code 127"
	json '"exit":127,"exit_from":"exec"'
	: >file
	for _ in 1 2 3 4 5; do
		run 126 run --print json -- ./file
		said "Permission denied; exit code 126"
		json '"exit":126,"exit_from":"exec"'
	done
}

# The process that explains why a worker is late does not answer yet, and the worker ends meanwhile.
children_of() { pgrep -P "$1"; }
look_child() { children_of "$1" | select_lines -vx "$(cat pid)"; }
has_look_child() { [ -n "$(look_child "$1")" ]; }
has_passed() { [ "$(now_ms)" -gt "$1" ]; }
# spawn_with_stopped_look ARGUMENT...: a run of a worker that ends with 7 when `go` is written to; $LOOK is what looks for it.
spawn_with_stopped_look() {
	need pgrep
	mkdir m
	mkfifo go
	spawn bash -c 'exec "$0" run "$@" --print json -- sh -c "echo \$\$ >pid; read -r _ <go; exit 7" >out 2>err' \
		"$READYCTL" "$@"
	until_true 60 grep -qs . pid
	until_true 60 has_look_child "$LAST"
	LOOK=$(look_child "$LAST")
	# With a time-out, a slow machine may be late.
	kill -STOP "$LOOK" || has_ended "$LOOK"
}

test_a_worker_that_ends_at_its_deadline_has_died() {
	local began
	began=$(now_ms)
	spawn_with_stopped_look --timeout 1
	until_true 60 has_passed $((began + 1100))
	echo 1<>go >&1
	until_true 60 is_over "$(cat pid)"
	kill -CONT "$LOOK" || has_ended "$LOOK"
	until_true 60 has_ended "$LAST"
	# On a slow machine, it may be late indeed.
	grep -q '"exit":124' out || json '"verdict":"died","exit":3,"exit_from":"verdict"' '"status":7'
}

test_a_worker_whose_directory_says_nothing_has_not_died_unready() {
	spawn_with_stopped_look
	echo 1<>go >&1
	all_end 6 "$LAST"
	json '"verdict":"unreachable","exit":6,"exit_from":"verdict"' '"reason":"directory-hangs","status":7'
	said "ended with exit status 7; its marker directory does not answer; exit code 6, the verdict 'unreachable'"
}

# The shell that ignores SIGTERM has a child that does, too.
test_a_worker_that_is_not_ready_in_time_is_ended_with_its_group() {
	mkdir m
	is_late child --print json -- sh -c 'sleep 1000 & echo $! >child; wait'
	said "is not ready after" "its marker $T/m/ktstr-worker-ready-" "by signal 15" "exit code 124, not ready in time"
	json '"verdict":"pending","exit":124,"exit_from":"verdict"' '"reason":"deadline","signal":15'
	is_over "$(cat child)" || die "its child goes on"
	rm child
	is_late child --kill-after 0.1 --print json -- \
		sh -c 'trap "" TERM; sh -c "while :; do sleep 0.01; done" & echo $! >child; while :; do sleep 0.01; done'
	json '"signal":9'
	is_over "$(cat child)" || die "its child goes on"
}

# The worker ends at SIGTERM, but its child takes longer, within the time that it has.
test_a_group_may_take_its_time_to_end() {
	mkdir m
	is_late ended --kill-after 60 -- sh -c \
		'sh -c "trap \"sleep 0.2; echo now >ended; exit 0\" TERM; while :; do sleep 0.01; done" & exec sleep 1000'
}

test_a_stopped_worker_is_ended_in_time() {
	mkdir m
	run 124 run --timeout 0.2 --kill-after 60 --print json -- sh -c 'kill -STOP $$'
	json '"signal":15'
}

test_a_detached_worker_goes_on() {
	mkdir m
	PID=$("$READYCTL" run --detach -- sh -c "echo its output; $MARKS; exec sleep 1000" 2>err)
	expect "its output" "$(cat err)" "its output"
	quiet_run 0 status "$PID"
	expect "its session" "$(stat_fields "$PID" | awk '{ print $4 }')" "$PID"
	kill "$PID"
	run 3 run --detach -- sh -c 'echo boom >&2; exit 1'
	said "standard error: boom" "the verdict 'died'"
	expect "output" "$(cat out)" ""
}

test_a_detached_worker_is_ended_if_it_is_late() {
	mkdir m
	is_late pid --detach --kill-after 0.1 --print json -- \
		sh -c 'trap "" TERM; echo $$ >pid; while :; do sleep 0.01; done'
	json '"signal":9'
	is_over "$(cat pid)" || die "it goes on"
	rm pid
	is_late pid --detach --print json -- sh -c 'echo $$ >pid; exec sleep 1000'
	expect "last line of a silent worker" "$(grep -c '"stderr"' out)" 0
	rm pid
	is_late pid --detach --print json -- sh -c 'echo hm >&2; echo $$ >pid; exec sleep 1000'
	json '"stderr":"hm"'
	run 127 run --detach --print json -- ./nothing
	expect "last line of no worker" "$(grep -c '"stderr"' out)" 0
}

# Other programs wait for the marker as ever.
test_others_wait_for_the_worker() {
	start_readyd
	both_backends others_wait
}
others_wait() {
	rm -f pid go
	mkfifo go
	READYD_BACKEND=$1 spawn "$READYCTL" run --notify-fd 3 -- sh -c 'echo $$ >pid; read -r _ <go; echo >&3; exec sleep 1000'
	until_true 60 test -s pid
	start_waiter "$1" "$(cat pid)"
	SINCE=$(now_ms)
	echo >go
	waiter_ends 0 "$IS_READY"
	kill "$(cat pid)"
}

# started_by_python STATUS ARGUMENT...: runs `readyctl run` with default signals, which a shell in the background does
# not leave to its children, and the program on standard input beside it, and compares the exit status.
started_by_python() {
	need python3
	timeout 60 python3 -B -c "$(cat <<'EOF'
import os, signal, subprocess, sys, time

def until(condition):
    end = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < end, "still not true"
        time.sleep(0.005)

def line_is(name, text):
    return os.path.exists(name) and open(name).read().split()[-1:] == [text]

def defaults():
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)

run = subprocess.Popen(sys.argv[2:], preexec_fn=defaults, start_new_session=True)
EOF
cat)
status = run.wait()
assert status == int(sys.argv[1]), status" "$1" "$READYCTL" run "${@:2}"
}

test_signals_are_passed_on() {
	mkdir m
	cat >worker.py <<'EOF'
import os, signal, sys, time
names = "INT TERM HUP QUIT USR1 USR2 WINCH TSTP CONT".split()
def on(number, frame):
    with open("got", "a") as file:
        file.write(signal.Signals(number).name + "\n")
for name in names:
    signal.signal(getattr(signal, "SIG" + name), on)
open(os.environ["READYD_DIR"] + "/ktstr-worker-ready-%d" % os.getpid(), "w").close()
open("got", "w").write("ready\n")
while "SIGCONT" not in open("got").read():
    time.sleep(0.01)
sys.exit(9)
EOF
	started_by_python 9 -- python3 -B worker.py <<'EOF'
until(lambda: line_is("got", "ready"))
for name in "SIGINT SIGTERM SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGWINCH SIGTSTP SIGCONT".split():
    run.send_signal(getattr(signal, name))
    until(lambda: line_is("got", name))
EOF
}

test_run_ends_by_the_signal_of_its_worker() {
	mkdir m
	started_by_python -15 --line ready -- sh -c "echo ready; echo >started; exec sleep 1000" 2>err <<'EOF'
until(lambda: os.listdir("m"))
run.terminate()
EOF
	expect "standard error" "$(cat err)" ""
	# Before it is ready, too: it is the user that ends both.
	started_by_python -2 -- sh -c "echo now >got; exec sleep 1000" 2>err <<'EOF'
until(lambda: line_is("got", "now"))
run.send_signal(signal.SIGINT)
EOF
	said "by signal 2" "before it was ready"
	started_by_python -9 -- sh -c "$MARKS; sleep 0.1; kill -KILL \$\$" 2>err </dev/null
	said "by signal 9" "after it was ready"
}

# That of the worker is of use; readyctl, which ends by the same signal, leaves none.
test_the_core_is_that_of_the_worker() {
	mkdir m w
	[[ $(cat /proc/sys/kernel/core_pattern) =~ ^[a-z.%]+$ ]] || skip "cores go to another place"
	ulimit -c unlimited 2>/dev/null || skip "cores are not permitted"
	run 3 run --print json -- sh -c 'cd w; kill -ABRT $$'
	ls w/core* >/dev/null 2>&1 || skip "the kernel writes no core"
	json '"signal":6,"core":true'
	started_by_python -6 -- sh -c "$MARKS; cd w; sleep 0.1; kill -ABRT \$\$" 2>err </dev/null
	said "by signal 6" "after it was ready"
	expect "cores of readyctl" "$(find . -maxdepth 1 -name 'core*')" ""
	run 3 run --print json -- sh -c 'kill -KILL $$'
	json '"signal":9'
	grep -q core out && die "no core: $(cat out)"
	return 0
}

# Both are ignored by the caller: SIGCHLD would take the status away, SIGHUP stays ignored (nohup(1)).
test_ignored_signals_of_the_caller() {
	mkdir m
	need python3
	got=0
	timeout 60 python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$READYCTL" run --print json -- \
		sh -c "kill -HUP \$\$; $MARKS; sleep 0.1; exit 6" >out 2>err || got=$?
	expect "exit status" "$got" 6
	json '"exit":6,"exit_from":"worker"'
}

# At a prompt: the worker reads from the terminal, Ctrl-Z stops the job, fg and bg continue it, Ctrl-C ends it and what
# waits for it, and a pipeline stops as a whole.
test_job_control_at_a_terminal() {
	need python3
	mkdir m
	timeout 120 python3 -B - "$READYCTL" <<'EOF' || die "exit status $?"
import os, pty, re, select, sys, time
run = sys.argv[1] + " run"
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(PS1="prompt> ", INPUTRC="/dev/null", TERM="dumb")
    os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"])
seen = b""

def until(pattern):
    """Reads until the pattern comes; what was read so far is then used up."""
    global seen
    end = time.monotonic() + 20
    while True:
        found = re.search(pattern, seen, re.S)
        if found:
            seen = seen[found.end():]
            return found
        assert time.monotonic() < end, (pattern, seen)
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 4096)

def type(text):
    os.write(fd, text.encode())

until(rb"prompt> ")
type(run + " --line ready --print pid -- sh -c 'echo ready; exec cat'\n")
until(rb"\nready\r\n\d+\r\n")
type("one\n")
until(rb"one\r\none\r\n")
type("\x1a")
until(rb"Stopped.*prompt> ")
type("fg\n")
until(rb"exec cat'\r\n")
type("two\n")
until(rb"two\r\ntwo\r\n")
type("\x1a")
until(rb"Stopped.*prompt> ")
type("bg\n")
until(rb"prompt> ")
# In the background, cat may not read.
while True:
    type("jobs\n")
    if b"Stopped" in until(rb"jobs\r\n(.*?)prompt> ").group(1):
        break
    time.sleep(0.05)
type("fg\n")
until(rb"exec cat'\r\n")
type("three\n")
until(rb"three\r\nthree\r\n")
type("\x03")
until(rb"prompt> ")
type("echo status=$?\n")
until(rb"status=130\r\n.*?prompt> ")

type("for i in 1 2; do " + run + " --line ready -- sh -c 'echo ready; exec sleep 1000'; done; echo loop=$?\n")
until(rb"\r\nready\r\n")
type("\x03")
until(rb"prompt> ")
type("echo status=$?\n")
assert b"loop" not in until(rb"(.*?)status=130\r\n.*?prompt> ").group(1)

# A script that waits for it in the same process group ends as well.
type("sh -c '" + run + " --line ready -- sh -c \"echo ready; exec sleep 1000\"; echo after'\n")
until(rb"\r\nready\r\n")
type("\x03")
assert b"after" not in until(rb"(.*?)prompt> ").group(1)

# One that goes on has the terminal back.
type("sh -c '" + run + " --line ready -- sh -c \"echo ready; sleep 0.1\"; read x; echo got-$x'\n")
until(rb"\r\nready\r\n")
type("five\n")
until(rb"got-five.*?prompt> ")

type(run + " --line ready -- sh -c 'echo ready; exec cat' | cat\n")
until(rb"\r\nready\r\n")
type("\x1a")
until(rb"Stopped.*prompt> ")
type("fg\n")
until(rb"\| cat\r\n")
type("four\n")
until(rb"four\r\nfour\r\n")
type("\x04")
until(rb"prompt> ")
type("exit\n")
until(rb"exit\r\n")
EOF
}

test_a_killed_readyctl_ends_its_worker_unless_it_is_detached() {
	mkdir m
	spawn "$READYCTL" run -- sh -c 'echo $$ >pid; exec sleep 1000'
	until_true 60 test -s pid
	kill_and_reap "$LAST"
	until_true 60 is_over "$(cat pid)"
	rm pid
	spawn "$READYCTL" run --detach -- sh -c 'trap "echo >told; exit" TERM; echo $$ >pid; while :; do sleep 0.01; done'
	until_true 60 test -s pid
	children=$(lookouts "$LAST")
	kill_and_reap "$LAST"
	# What else it has started is gone.
	for child in $children; do
		[ "$child" = "$(cat pid)" ] || until_true 60 is_over "$child"
	done
	! exists told || die "the worker was told to end"
	kill "$(cat pid)" || die "the worker has ended"
}

test_a_worker_that_goes_to_the_background() {
	mkdir m
	run 3 run -- sh -c 'setsid sleep 0.5 & exit 0'
	said "exit status 0 before it was ready" "have it stay in the foreground"
}

# Its standard error is copied; it does not matter to the time-out that nothing reads the copy.
test_megabytes_on_standard_error() {
	mkdir m
	run 3 run -- sh -c 'head -c 5000000 /dev/zero | tr "\0" x >&2; echo >&2; echo last >&2; exit 1'
	[ "$(wc -c <err)" -gt 5000000 ] || die "lost: $(wc -c <err) bytes"
	said "standard error: last"
	mkfifo pipe
	exec 8<>pipe
	spawn timeout 60 "$READYCTL" run --timeout 2 -- sh -c 'echo $$ >pid; exec yes >&2' 2>pipe
	UNREAD=$LAST
	until_true 60 test -s pid
	until_true 60 is_over "$(cat pid)"
	spawn cat <&8 >/dev/null
	expect_exit 124 wait "$UNREAD"
}

test_a_worker_that_closes_its_descriptors() {
	mkdir m
	quiet_run 0 run -- sh -c "exec <&- >&- 2>&-; $MARKS; sleep 0.2"
}

test_a_missing_directory_ends_the_worker() {
	run 6 run --print json -- sh -c 'echo $$ >pid; exec sleep 1000'
	said "the marker directory that this process sees is missing" "the verdict 'unreachable'"
	json '"verdict":"unreachable","exit":6,"exit_from":"verdict"'
	[ ! -s pid ] || is_over "$(cat pid)" || die "it goes on"
}

test_a_daemon_that_cannot_be_used() {
	local where
	start_readyd
	spawn_worker
	mkdir other
	for where in "cannot wait for the marker of the worker" "cannot mark process $PID"; do
		set -- run -- true
		[[ $where == *worker ]] || set -- mark "$PID"
		run 125 "$1" --no-fallback -s "$T/none" "${@:2}"
		said "$where: $T/none: No such file or directory (is readyd running at this socket?"
		run 125 "$1" --no-fallback -d "$T/other" "${@:2}"
		said "$where: $T/s: the daemon serves $T/m, not the directory of --dir; omit it"
	done
}

test_wrong_usage_of_run() {
	mkdir m
	refused 2 "no command to run" run
	refused 2 "no command to run" run --
	refused 2 "option '--time': not a whole name; did you mean --timeout?" run --time 1 -- true
	refused 2 "option '-x': unknown" run -x true
	refused 2 "--timeout 'x'" run --timeout x true
	refused 2 "option '--timeout': requires a value" run --timeout
	refused 2 "option '--detach': takes no value" run --detach=x true
	refused 2 "--print 'line': use pid or json" run --print line true
	refused 2 "--detach: not with --foreground" run --detach --foreground true
	refused 2 "--line: not with --detach" run --line x --detach true
	refused 2 "--line '('" run --line '(' true
	refused 2 "--notify-fd '2': use the number of a descriptor from 3 to 1023" run --notify-fd 2 true
	refused 2 "--listen 'socket': use a port from 1 to 65535" run --listen socket true
	refused 2 "--listen '65536'" run --listen 65536 true
	refused 2 "--listen: use one of" run --notify --listen 80 true
	refused 2 "--dir 'm': relative" run -d m true
	READYD_TIMEOUT=x refused 2 "READYD_TIMEOUT 'x'" run true
	refused 2 "--timeout: valid for wait, run only" mark --timeout 1
	refused 2 "'x': not a PID" mark x
	refused 2 "'01': not a PID" mark 01
	refused 2 "'0': out of range; a pid is from 1 to 2147483647" mark 0
	refused 2 "'4294967295': out of range" mark 4294967295
	refused 2 "extra argument" mark 1 2
	quiet_run 0 run --help
	quiet_run 0 mark -h
	# Options of the worker are its own, and those before the command count.
	run 3 run -- env sh -c 'exit 4'
	said "exit status 4"
	run 3 -q run sh -c 'exit 4'
	said "exit status 4"
}

test_mark_makes_a_process_ready() {
	start_readyd
	both_backends mark_makes_ready
}
mark_makes_ready() {
	spawn_worker
	start_waiter "$1" "$PID"
	SINCE=$(now_ms)
	READYD_BACKEND=$1 quiet_run 0 mark "$PID"
	waiter_ends 0 "$IS_READY"
	expect "the marker" "$(cat "$(marker "$PID")")" ready
	# That marker stays.
	inode=$(stat -c %i "$(marker "$PID")")
	READYD_BACKEND=$1 quiet_run 0 mark "$PID"
	expect "the file" "$(stat -c %i "$(marker "$PID")")" "$inode"
}

# The daemon says where the markers are.
test_mark_asks_the_daemon_for_the_directory() {
	start_readyd --prefix its-
	unset READYD_DIR
	spawn_worker
	quiet_run 0 mark "$PID"
	exists "$T/m/its-$PID" || die "no such marker: $(ls "$T/m")"
}

test_mark_without_a_pid_is_for_the_shell() {
	mkdir m
	spawn sh -c '"$0" mark && echo $$ >pid && exec sleep 1000' "$READYCTL"
	until_true 60 test -s pid
	run 0 status "$(cat pid)"
}

test_mark_replaces_a_leftover() { in_pid_namespace mark_replaces_a_leftover; }
mark_replaces_a_leftover() {
	mkdir m
	mark 500
	ln "$(marker 500)" kept
	until_true 60 is_surely_older kept
	spawn_worker_with_pid 500
	run 5 status 500
	quiet_run 0 mark 500
	run 0 status 500
	[ "$(stat -c %i "$(marker 500)")" != "$(stat -c %i kept)" ] || die "it was not replaced"
	expect "the leftover" "$(cat kept)" ""
}

test_mark_of_a_process_that_was_ready() {
	start_readyd
	spawn_worker
	quiet_run 0 mark "$PID"
	quiet_run 0 mark "$PID"
	rm "$(marker "$PID")"
	run 0 mark "$PID"
	said "process $PID was ready before; its marker was removed, and is not written again"
	[ ! -e "$(marker "$PID")" ] || die "it was written"
}

test_mark_does_not_follow_or_remove_what_it_should_not() {
	mkdir m
	spawn_worker
	mkdir "$(marker "$PID")"
	run 125 mark "$PID"
	said "cannot write $(marker "$PID")"
	rmdir "$(marker "$PID")"
	echo kept >file
	ln -s "$T/file" "$(marker "$PID")"
	run 125 mark "$PID"
	expect "the file" "$(cat file)" kept
}

test_mark_of_a_process_that_has_ended() {
	mkdir m
	run 3 mark "$NO_SUCH_PID"
	said "it has ended, or never existed"
	spawn_unreaped true
	until_true 60 is_zombie "$PID"
	run 3 mark "$PID"
	expect "markers" "$(ls m)" ""
}

# It ends between the creation of the marker and the check after that: strace holds readyctl there.
test_mark_of_a_process_that_ends_meanwhile() {
	need_strace
	! is_sanitized || skip "sanitizers do not look for leaks under strace"
	mkdir m
	spawn_worker
	spawn timeout 60 strace -f -o trace -P "$(marker "$PID")" -e inject=openat:delay_exit=1000000 \
		"$READYCTL" mark "$PID" 2>err
	until_true 60 exists "$(marker "$PID")"
	kill_and_reap "$PID"
	expect_exit 3 wait "$LAST"
	said "it has ended"
	expect "markers" "$(ls m)" ""
}

test_mark_is_for_the_owner() {
	need_other_user
	mkdir -m 1777 m
	spawn_worker
	got=0
	as_other_user "$READYCTL" mark "$PID" 2>err || got=$?
	expect "exit status" "$got" 125
	said "it belongs to another user"
	spawn "${AS_OTHER_USER[@]}" sleep 1000
	until_true 60 grep -qs "^Uid:.$OTHER_UID" "/proc/$LAST/status"
	quiet_run 0 mark "$LAST"
	expect "the owner of the marker" "$(stat -c %u "$(marker "$LAST")")" "$OTHER_UID"
}

test_mark_without_a_directory() {
	spawn_worker
	run 6 mark "$PID"
	said "the marker directory that this process sees is missing"
}

run_tests "$@"
