#!/usr/bin/env bash
# Monitors: real processes, a real daemon and readyctl monitor, as lines and as a table on a terminal.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# follow FILE ARGUMENT...: a monitor that writes to the file; $LAST is its pid.
follow() {
	local file=$1
	shift
	: >"$file"
	spawn "$READYCTL" monitor "$@" >"$file"
	LAST_MONITOR=$LAST
}

has() { grep -q "$1" "$2"; }
await() { until_true 60 has "$1" "$2"; }
# transitions FILE: "CHANGE PID TOKEN" of each transition.
transitions() { sed -nE 's/^([a-z]+) ([0-9]+) .*token=([0-9:]+).*/\1 \2 \3/p' "$1"; }
token_of() { sed -nE "/$1/s/.*token=([0-9:]+).*/\1/p" "$2" | tail -n 1; }

# live WORKER...: each becomes ready, loses its marker, has it again, and ends.
live() {
	local pid
	for pid; do
		mark "$pid"
		await "^ready $pid " full
		rm "$(marker "$pid")"
		await "^removed $pid " full
		mark "$pid"
		await "^rewritten $pid " full
		kill "$pid"
		await "^exited $pid " full
	done
}

# The message says which of the two is wrong, and what to do.
test_a_daemon_of_another_directory() {
	mkdir other
	start_readyd --dir "$T/other"
	READYD_DIR=$T fails ": the daemon serves $T/other, not the directory of READYD_DIR; unset it" monitor
	fails ": the daemon serves $T/other, not the directory of --dir; omit it" monitor --dir "$T"
	fails ": the markers of the daemon have another prefix; omit --prefix" monitor --dir "$T/other" --prefix x
	! grep -q 'cross-device' err || die "$(cat err)"
	READYD_BACKEND="file" refused 2 "READYD_BACKEND 'file': not with monitor" monitor
	fails ": the daemon serves $T/other, not the directory of --dir; omit it" wait --no-fallback --dir "$T" 1
}
fails() {
	local text=$1
	shift
	run 125 "$@"
	grep -qF -- "$text" err || die "'$text' is not in: $(cat err)"
}
test_a_daemon_of_another_pid_namespace() {
	start_readyd
	unshare --pid --mount --fork true 2>/dev/null || skip "unshare --pid --mount is not permitted"
	expect_exit 125 timeout 60 unshare --pid --fork --mount-proc "$READYCTL" monitor 2>err
	grep -q ': the daemon is in another pid namespace, where pids are those of other processes; run readyctl there' err || die "$(cat err)"
	expect_exit 125 timeout 60 unshare --mount sh -c 'mount -t tmpfs none "$1" && exec "$0" monitor' "$READYCTL" "$T/m" 2>err
	grep -q ": $T/m is another directory for the daemon, which has another root or other mounts" err || die "$(cat err)"
}

test_a_monitor_that_was_cut_off_misses_nothing() {
	local token
	start_readyd
	follow full
	await '^live' full
	follow cut
	await '^live' cut
	spawn_workers 4
	live "${WORKERS[0]}" "${WORKERS[1]}"
	await "^exited ${WORKERS[1]} " cut
	kill_and_reap "$LAST_MONITOR"
	live "${WORKERS[2]}"
	token=$(token_of '^exited' cut)
	follow resumed --since "$token"
	live "${WORKERS[3]}"
	await "^exited ${WORKERS[3]} " resumed
	expect "its first line" "$(head -n 1 resumed)" "resumed token=$token"
	expect "what both have told" "$(transitions cut; transitions resumed)" "$(transitions full)"
	expect "numbers" "$(transitions full | sed 's/.*://' | paste -sd ' ')" "$(seq -s ' ' 16)"
}

# One that is killed and resumed at random, over restarts of the daemon, and one that does not read for a time.
test_monitors_that_are_interrupted_agree_with_a_full_record() {
	local seed=${SEED:-$RANDOM}
	need python3
	mkdir m
	echo "seed $seed"
	timeout 120 python3 -B "$SRC/tests/monitor_record.py" "$seed" "$READYD" "$READYCTL" || die "$(cat readyd.log)"
}

test_a_restart_is_a_gap_and_another_epoch() {
	local before
	start_readyd
	spawn_worker
	mark "$PID"
	follow out
	await '^live' out
	before=$(token_of '^live' out)
	kill_readyd
	await '^lost' out
	start_readyd
	await '^gap' out
	until_true 60 [ "$(grep -c '^live' out)" -eq 2 ]
	expect "what it says" "$(cut -d' ' -f1 out | paste -sd ' ')" "snapshot state live lost gap snapshot state live"
	[ "$(token_of '^live' out)" != "$before" ] || die "the epoch is the same: $before"
	expect "the process" "$(grep -c "^state $PID verdict=ready " out)" 2
	mark_another
}
mark_another() {
	spawn_worker
	mark "$PID"
	await "^ready $PID " out
}

test_it_waits_for_a_daemon() {
	mkdir m
	follow out
	await '^lost' out
	start_readyd
	await '^live' out
	expect "what it says" "$(cut -d' ' -f1 out | paste -sd ' ')" "lost snapshot live"
}

test_waits_are_shown_and_forgotten() {
	start_readyd
	spawn_worker
	follow out
	await '^live' out
	spawn "$READYCTL" wait --timeout 60 "$PID"
	await "^waited $PID verdict=pending .*waiters=1 " out
	kill "$LAST"
	await "^forgotten $PID verdict=pending " out
}

test_only_the_processes_that_are_named() {
	start_readyd
	spawn_workers 2
	follow out "${WORKERS[1]}"
	await '^live' out
	mark "${WORKERS[0]}"
	mark "${WORKERS[1]}"
	await "^ready ${WORKERS[1]} " out
	! has " ${WORKERS[0]} " out || die "the other one, too: $(cat out)"
}

test_json_is_one_object_a_line() {
	need python3
	start_readyd
	spawn_worker
	follow out --json
	await '"live"' out
	mark "$PID"
	await '"change":"ready"' out
	kill "$PID"
	await '"change":"exited"' out
	python3 - "$PID" out <<'END' || die "$(cat out)"
import json, sys
events = [json.loads(line) for line in open(sys.argv[2])]
assert [e["change"] for e in events] == ["snapshot", "live", "ready", "exited"], events
ready, exited = events[2:]
assert ready["pid"] == exited["pid"] == int(sys.argv[1])
assert ready["start"] == exited["start"] > 0 and ready["seq"] == 1 and exited["seq"] == 2
assert ready["token"] == "%d:1" % ready["epoch"] and ready["name"] == "sleep"
assert exited["verdict"] == "exited" and exited["reason"] is None and exited["waiters"] == 0
assert exited["status"] is None and exited.get("signal", 15) == 15
END
}

# Its reader ends, so does it, although nothing happens any more.
test_the_reader_goes() {
	start_readyd
	{
		ctl monitor
		echo $? >code
	} 2>err | head -n 1 >out
	expect "exit status" "$(cat code)" 0
	expect "messages" "$(cat err)" ""
}

test_a_full_disk_is_an_error() {
	[ -w /dev/full ] || skip "no /dev/full"
	start_readyd
	expect_exit 125 ctl monitor >/dev/full 2>err
	has 'cannot write to standard output' err
}

test_a_wrong_token() {
	refused 2 "--since '12': not EPOCH:SEQ" monitor --since 12
}

test_an_older_daemon() {
	local got=0
	need python3
	mkdir m
	python3 - s m <<'END' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
open("listens", "w")
st = os.stat(sys.argv[2])
c, _ = s.accept()
c.recv(100)
c.sendall(b"READYD 1 epoch=1 dir=%d:%d prefix=ktstr-worker-ready- path=%s\nERR bad-verb use HELLO\n" %
    (st.st_dev, st.st_ino, os.path.realpath(sys.argv[2]).encode()))
c.recv(100)
END
	until_true 60 exists listens
	ctl monitor >out 2>err || got=$?
	expect "exit status ($(cat err))" "$got" 125
	has 'is older' err
}

# --- the table, on a terminal that Python holds

write_terminal() {
	cat >terminal.py <<'END'
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

class Terminal:
    def __init__(self, argv, size=(12, 90)):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execv(argv[0], argv)
        self.before = termios.tcgetattr(self.fd)
        self.out = b""
        self.resize(*size)

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            self.out += data
            return bool(data)
        return False

    def until(self, condition, what):
        end = time.monotonic() + 60
        while not condition():
            self.read(0.05)
            assert time.monotonic() < end, "%s: %r" % (what, self.out[-2000:])

    def picture(self):
        """The last complete one, without colours."""
        pictures = self.out.split(b"\x1b[H")
        done = [p for p in pictures[1:] if b"\x1b[J" in p]
        return re.sub(rb"\x1b\[[0-9;]*[mKJ]", b"", done[-1]).decode().replace("\r", "") if done else ""

    def shows(self, text):
        self.until(lambda: text in self.picture(), text)

    def end(self):
        while self.read(5):
            pass
        status = os.waitpid(self.pid, 0)[1]
        assert self.out.endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049l"), self.out[-200:]
        return status

    def is_restored(self):
        return termios.tcgetattr(self.fd)[3] == self.before[3]
END
}
on_a_terminal() {
	need python3
	write_terminal
	start_readyd
	spawn_workers 2
	mark "${WORKERS[0]}"
	PYTHONPATH=$T timeout 120 python3 -B -c "from terminal import *
t = Terminal(['$READYCTL', 'monitor', *'${MORE-}'.split()])
daemon, ready, other = $DAEMON, ${WORKERS[0]}, ${WORKERS[1]}
marker = lambda pid: '$T/m/ktstr-worker-ready-%d' % pid
if not '${MORE-}':
    t.shows('q: quit')
    t.shows('%10d  sleep             ready ' % ready)
$1" || die "see above"
}

test_the_table_is_live() {
	on_a_terminal '
open(marker(other), "w").close()
t.shows("2 ready, ")
os.unlink(marker(other))
t.shows("%10d  sleep             ready (marker removed) " % other)
os.kill(other, signal.SIGKILL)
t.shows("%10d  sleep             exited" % other)
assert b"\x1b[32mready" in t.out
t.resize(12, 40)
t.until(lambda: t.picture() and max(map(len, t.picture().split("\n"))) <= 40, "narrow")
t.resize(4, 90)
for key, rows in (b"\x1b[B", "2-2"), (b"k", "1-1"), (b" ", "2-2"), (b"\x1b[5~", "1-1"):
    os.write(t.fd, key)
    t.shows(rows + " of 2  q: quit")
os.write(t.fd, b"q")
assert t.end() == 0'
}

test_the_terminal_is_restored_after_signals() {
	on_a_terminal '
os.write(t.fd, b"\x03")
status = t.end()
assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, status
for number in signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT:
    t = Terminal(["'"$READYCTL"'", "monitor"])
    t.shows("q: quit")
    os.kill(t.pid, number)
    status = t.end()
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, status'
}

test_it_stops_and_continues() {
	on_a_terminal '
os.kill(t.pid, signal.SIGTSTP)
assert os.WIFSTOPPED(os.waitpid(t.pid, os.WUNTRACED)[1])
t.until(lambda: t.out.endswith(b"\x1b[?1049l"), "left")
assert t.is_restored()
os.kill(t.pid, signal.SIGCONT)
t.out = b""
t.shows("1 ready, ")
os.write(t.fd, b"q")
assert t.end() == 0'
}

test_no_colours() {
	export NO_COLOR=1
	on_a_terminal '
assert b"\x1b[32m" not in t.out
os.write(t.fd, b"q")
assert t.end() == 0'
}

# They are changes alone, which make no table.
test_lines_follow_a_token_on_a_terminal() {
	local MORE="--since 1:2"
	on_a_terminal '
t.until(lambda: b"\r\nsnapshot " in t.out and b"\r\nlive " in t.out, "lines")
assert t.out.startswith(b"gap ") and b"\x1b" not in t.out, t.out
os.kill(t.pid, signal.SIGKILL)'
}

test_a_lost_daemon_is_shown() {
	on_a_terminal '
os.kill(daemon, signal.SIGKILL)
t.shows("No connection to the daemon; trying again")
os.write(t.fd, b"q")
assert t.end() == 0'
}

run_tests "$@"
