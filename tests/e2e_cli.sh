#!/usr/bin/env bash
# The command line, the environment and the terminal of readyctl and readyd: what is refused, and what is shown.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# long LENGTH: an absolute path of so many bytes.
long() { printf '/%0*d' "$(($1 - 1))" 0; }

test_usage_errors() {
	refused 2 "no command: use wait, run, mark, status, list, monitor, ping, stats, fleet or help"
	refused 2 "unknown command 'nonsense': use wait, run, mark, status, list, monitor, ping, stats, fleet or help" nonsense 1
	refused 2 "unknown command 'nonsense': use" help nonsense
	refused 2 "extra argument 'list'" help wait list
	refused 2 "no process" wait
	refused 2 "no process" status
	refused 2 "no process" wait -- 1
	refused 2 "no command after --" wait 1 --
	for pid in x 1x 1.0 +1 0x1 01 007:1 1:01 1: : :1 1:1:1 ''; do
		refused 2 "positive decimal number" status "$pid"
	done
	for pid in 0 0:1 2147483648 99999999999999999999; do
		refused 2 "process '$pid': out of range; a pid is from 1 to 2147483647" status "$pid"
	done
	refused 2 "out of range; a start is from 1 to 18446744073709551615" status 1:18446744073709551616
	refused 2 "option '-1': unknown" wait -1
	refused 2 "positive decimal number" wait 1 2 x
	refused 2 "--timeout: valid for wait, run only; try 'readyctl status --help'" status --timeout 1 1
	refused 2 "valid for wait only" list --any
	refused 2 "--print: valid for wait, run, status, list only" ping --print pid
	refused 2 "takes no arguments" list 1
	refused 2 "takes no arguments" ping 1
	refused 2 "takes no arguments" stats -- 1
}

test_usage_errors_of_options() {
	refused 2 "option '--nonsense': unknown; try 'readyctl --help'" --nonsense
	refused 2 "option '-x': unknown; try 'readyctl --help'" -x
	refused 2 "option '-x': unknown; try 'readyctl wait --help'" wait -qxq 1
	refused 2 "option '--timeout': requires a value: DURATION" wait --timeout
	refused 2 "option '-s': requires a value" wait 1 -qs
	refused 2 "option '--any': takes no value" wait --any=1 1
	refused 2 "option '-=': unknown" wait -q=1 1
	refused 2 "--timeout '1001h': out of range; use at most 1000h" wait -t1001h 1
	refused 2 "--timeout '1m1': not a duration such as" wait --timeout=1m1 1
	refused 2 "CODE is out of range; an exit status is from 0 to 255" status --legend 256=x 1
	refused 2 "--for 'start': use ready or end" wait --for start 1
	refused 2 "--print 'pids': use pid or json, or line (not with run)" wait --print=pids 1
	refused 2 "--count '0': use a number from 1" wait --count 0 1
	refused 2 "--count '3': there are fewer processes" wait --count 3 1 2
	refused 2 "--count '2': there is only one process" wait --count 2 1 1
	refused 2 "--pidfile: the name is empty" wait --pidfile ""
}

# A command or an option that is almost right is named, and none is abbreviated: a later one could begin alike.
test_what_was_meant() {
	local word
	for word in wiat wai waitt; do refused 2 "'$word': did you mean wait? Try 'readyctl --help'" "$word" 1; done
	refused 2 "unknown command 'st': did you mean status?" st
	refused 2 "option '--tiemout': unknown; did you mean --timeout? Try 'readyctl wait --help'" wait --tiemout 1 1
	refused 2 "option '--time': not a whole name; did you mean --timeout?" wait --time=1 1
	refused 2 "option '--an': not a whole name; did you mean --any?" --an wait 1
	refused 2 "option '--tim': unknown; try" status --tim 1
	refused 2 "option '-timeout': unknown; did you mean --timeout?" wait -timeout 1 1
	refused 2 "unknown command 'version': did you mean --version?" version
	refused 2 "process 'nginx': not PID or PID:START, positive decimal numbers; pgrep(1) prints those of a name" wait nginx
	expect_exit 2 "$READYD" --sock "$T/s" 2>err
	grep -qxF "readyd: option '--sock': not a whole name; did you mean --socket? Try 'readyd --help'" err || die "$(cat err)"
	expect_exit 2 "$READYD" --soket "$T/s" 2>err
	grep -qxF "readyd: option '--soket': unknown; did you mean --socket? Try 'readyd --help'" err || die "$(cat err)"
}

test_help_of_each_command() {
	local name
	for name in wait status list ping stats help; do
		quiet_run 0 help "$name"
		grep -q "^Usage: readyctl $name " out || die "not of $name: $(cat out)"
		mv out first
		quiet_run 0 "$name" --help
		cmp out first
		quiet_run 0 -h "$name"
		cmp out first
	done
	quiet_run 0 help
	mv out first
	quiet_run 0 --help
	cmp out first
	for name in wait status list ping stats help; do grep -q "^  $name  *[a-z]" out || die "not $name: $(cat out)"; done
	quiet_run 0 wait -V
	grep -qx 'readyctl [0-9.]*' out
}

# Options stand anywhere before "--", and a value in the same word or the next one.
test_places_of_options() {
	start_readyd
	spawn_worker
	run 124 -t 0 --prefix ktstr-worker-ready- wait -q "$PID"
	run 124 wait "$PID" -qt 0
	run 124 wait -qt0 "$PID"
	run 124 --timeout=0 wait "$PID" --quiet
	quiet_run 1 -- status "$PID"
	quiet_run 1 status -- "$PID"
}

test_the_socket_that_was_tried_is_named() {
	mkdir m
	refused 125 "no answer: $T/s: No such file or directory (is readyd running" ping
	refused 125 "cannot wait: $T/x: " wait --no-fallback -s "$T/x" "$$"
	(unset READYD_SOCKET && refused 125 "no answer: /run/readyd-test-$$" ping -s "/run/readyd-test-$$")
	READYD_SOCKET=@readyd-test-$$ refused 125 "cannot ask: @readyd-test-$$: Connection refused" stats
}

test_default_time_out_of_the_environment() {
	mkdir m
	spawn_worker
	READYD_TIMEOUT=100ms run 124 wait "$PID"
	grep -q "timed out after 100 ms" err || die "$(cat err)"
	READYD_TIMEOUT=1001h run 124 wait -t 0 "$PID"
	READYD_TIMEOUT=x refused 2 "READYD_TIMEOUT 'x': not a duration such as" wait "$PID"
	READYD_TIMEOUT=1001h refused 2 "READYD_TIMEOUT '1001h': out of range" wait "$PID"
	READYD_TIMEOUT=x quiet_run 1 status "$PID"
	READYD_TIMEOUT="" run 124 wait -t 0 "$PID"
}

# readyctl exits with 2 before it does anything, and names the option or the variable.
test_bad_settings() {
	mkdir m
	refused 2 "--dir 'markers': relative; use an absolute path" status -d markers 1
	refused 2 "--dir: the directory is empty; use an absolute path" status -d "" 1
	refused 2 "--dir '$(long 512)': too long; use at most 511 bytes" wait -d "$(long 512)" 1
	refused 2 "--prefix 'a/b': use a name without a slash" status --prefix a/b 1
	refused 2 "--prefix: the prefix is empty" status --prefix "" 1
	refused 2 "--prefix '$(printf '%064d' 0)': too long; use at most 63 bytes" status --prefix "$(printf '%064d' 0)" 1
	refused 2 "--socket: the path is empty" ping -s ""
	refused 2 "--socket '$(long 108)': too long for a socket; use at most 107 bytes" ping -s "$(long 108)"
	refused 2 "--socket '$(long 108)'" list -s "$(long 108)"
	refused 2 "--socket '$(long 108)'" wait -s "$(long 108)" "$$"
}

test_bad_settings_of_the_environment() {
	mkdir m
	READYD_DIR=markers refused 2 "READYD_DIR 'markers': relative; use an absolute path" status 1
	READYD_DIR=$(long 512) refused 2 "READYD_DIR '$(long 512)': too long" list
	READYD_SOCKET=$(long 108) refused 2 "READYD_SOCKET '$(long 108)': too long" wait "$$"
	READYD_BACKEND=nonsense refused 2 "READYD_BACKEND 'nonsense': use auto, daemon or file" wait 1
	READYD_BACKEND=File refused 2 "READYD_BACKEND 'File'" ping
}

# The longest values are good, an empty variable counts as unset, and an option hides its variable.
test_good_settings() {
	local name
	spawn_worker
	start_readyd --prefix ktstr-worker-ready- --socket-mode 0600
	quiet_run 1 status -s "$(long 107)" "$PID"
	run 6 status -d "$(long 511)" "$PID"
	quiet_run 1 status --prefix "$(printf '%063d' 0)" "$PID"
	for name in auto daemon file; do READYD_BACKEND=$name quiet_run 1 status "$PID"; done
	READYD_BACKEND="" quiet_run 1 status "$PID"
	(unset READYD_SOCKET READYD_DIR && READYD_DIR="" READYD_SOCKET="" run 125 ping && grep -q "answer: /run/readyd.sock: " err)
	READYD_SOCKET=$(long 108) quiet_run 1 status -s "$T/s" "$PID"
	READYD_DIR=markers quiet_run 1 status -d "$T/m" "$PID"
	READYD_BACKEND=nonsense quiet_run 1 status --no-fallback "$PID"
}

# readyd_refuses TEXT ARGUMENT...: exit status 2 and this one line.
readyd_refuses() {
	local text=$1
	shift
	expect_exit 2 "$READYD" "$@" 2>err
	expect "lines of readyd $* ($(cat err))" "$(wc -l <err)" 1
	grep -qF -- "readyd: $text" err || die "'$text' is not in: $(cat err)"
}

test_readyd_refuses_the_same() {
	unset READYD_SOCKET READYD_DIR
	for value in markers ""; do
		readyd_refuses "--dir: '$value' is not an absolute path; try 'readyd --help'" --dir "$value"
		readyd_refuses "--socket: '$value' is not an absolute path, or @NAME for an abstract socket" --socket "$value"
	done
	readyd_refuses "--dir: '$(long 512)' is not a path of at most 511 bytes" --dir "$(long 512)"
	readyd_refuses "--socket: '$(long 104)' is not a path of at most 103 bytes" --socket "$(long 104)"
	readyd_refuses "--prefix: 'a/b' is not a name without a slash" --prefix a/b
	readyd_refuses "--prefix: 'a/b' is not a name without a slash" -d /ok --prefix a/b
	readyd_refuses "--prefix: '$(printf '%064d' 0)' is not a name of at most 63 bytes" --prefix "$(printf '%064d' 0)"
	readyd_refuses "--max-clients: '0' is not a number from 1 to 2147483647" --max-clients 0
	readyd_refuses "--max-waits: '2147483648' is not a number from 1 to 2147483647" --max-waits 2147483648
	readyd_refuses "--socket-mode: '01000' is not octal permissions from 0 to 0777" --socket-mode 01000
	readyd_refuses "option '-x': unknown" -xs "$T/s"
	readyd_refuses "option '--dir': requires a value: DIR" --dir
	readyd_refuses "argument: 'foo' is not expected" -- foo
	READYD_SOCKET=markers readyd_refuses "READYD_SOCKET: 'markers' is not an absolute path"
	READYD_DIR=markers readyd_refuses "READYD_DIR: 'markers' is not an absolute path"
}

# The variables stand for the options; an option hides its variable, and an empty one counts as unset.
test_readyd_reads_the_environment() {
	mkdir m
	READYD_SOCKET=$T/e READYD_DIR=$T/m spawn "$READYD" 2>readyd.log
	until_true 60 grep -qF "serving $T/e for $T/m/" readyd.log
	READYD_SOCKET=markers READYD_DIR=markers spawn "$READYD" -s "$T/o" -d "$T/m" 2>readyd.log
	until_true 60 grep -qF "serving $T/o for $T/m/" readyd.log
	READYD_DIR="" spawn "$READYD" -s "$T/p" 2>readyd.log
	until_true 60 grep -qF "serving $T/p for /tmp/" readyd.log
}

# An abstract name is another one in each network namespace, so it must be unused in this one.
test_abstract_socket() {
	local name=@readyd-test-$$-$RANDOM
	mkdir m
	readyd_refuses "--socket: '@' is not an abstract name of 1 to 106 bytes" -s @
	readyd_refuses "--socket: '@$(long 107)' is not an abstract name" -s "@$(long 107)"
	readyd_refuses "--socket-mode: '600' is not for an abstract socket" -s "$name" --socket-mode 600
	spawn "$READYD" -s "$name" -d "$T/m" 2>readyd.log
	DAEMON=$LAST
	until_true 60 grep -qF "serving $name for" readyd.log
	expect "pid of the daemon" "$(ctl stats -s "$name" | sed -n 's/^pid=//p')" "$DAEMON"
	expect_exit 1 "$READYD" -s "$name" -d "$T/m" 2>err
	grep -qF "another process serves $name" err || die "$(cat err)"
	spawn_worker
	spawn_waiters 2 --no-fallback -s "$name" "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	expect "files that were created" "$(find . -name '*readyd-test*' -o -name '*.lock')" ""
	kill -TERM "$DAEMON"
	ends 0
	spawn "$READYD" -s "$name$(printf '%0*d' $((107 - ${#name})) 0)" -d "$T/m" 2>readyd.log
	until_true 60 grep -qF "serving $name" readyd.log
}

test_advice_fits() {
	mkdir m
	unset READYD_SOCKET
	: >file
	expect_exit 1 "$READYD" -s "$T/file" -d "$T/m" 2>err
	grep -qxF "readyd: error: $T/file exists and is not a socket; choose another place with --socket" err || die "$(cat err)"
}

# no_controls FILE: but for the newlines that end its lines; C2 80 to C2 9F are those beyond ASCII.
no_controls() {
	local found
	found=$(LC_ALL=C select_lines -cP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|(?<![\xc2-\xf4\x80-\xbf])[\x80-\xbf]' "$1")
	expect "lines with control characters in $1 ($(od -c "$1" | head -n 20))" "$found" 0
}

CONTROLS=$'\r\n\t\e[2J\x7f\xc2\x9b\x9b'
ESCAPED='\x0d\x0a\x09\x1b[2J\x7f\xc2\x9b\x9b'

# shows ARGUMENT...: readyctl does not print the characters themselves.
shows() {
	refused "$@"
	no_controls err
}

test_controls_of_arguments_and_variables() {
	mkdir m
	shows 2 "process '1234$ESCAPED'" status "1234$CONTROLS"
	shows 2 "unknown command '$ESCAPED'" "$CONTROLS"
	shows 2 "option '--$ESCAPED'" "--$CONTROLS"
	shows 2 "extra argument '$ESCAPED'" ping "$CONTROLS"
	shows 2 "--timeout '$ESCAPED'" wait --timeout "$CONTROLS" 1
	shows 2 "--not-started '$ESCAPED'" wait --not-started "$CONTROLS" 1
	shows 2 "--legend '$ESCAPED'" wait --legend "$CONTROLS" 1
	shows 2 "--dir '$ESCAPED'" status -d "$CONTROLS" 1
	shows 2 "--prefix '/$ESCAPED'" status --prefix "/$CONTROLS" 1
	shows 125 "cannot ask: $T/$ESCAPED: " status --no-fallback -s "$T/$CONTROLS" 1
	READYD_DIR=$CONTROLS shows 2 "READYD_DIR '$ESCAPED'" status 1
	READYD_BACKEND=$CONTROLS shows 2 "READYD_BACKEND '$ESCAPED'" status 1
}

test_controls_of_a_time_out() {
	mkdir "d$CONTROLS"
	spawn_worker
	run 124 wait --timeout 0 -d "$T/d$CONTROLS" "$PID"
	no_controls err
	grep -qF "$T/d$ESCAPED/" err || die "not the path: $(cat err)"
	run 124 wait --json --timeout 0 -d "$T/d$CONTROLS" "$PID"
	no_controls out
}

test_controls_of_a_legend() {
	mkdir m
	spawn_unreaped "exit 8"
	until_true 60 is_state Z "$PID"
	READYD_BACKEND="file" quiet_run 3 status --legend "8=$CONTROLS" "$PID"
	no_controls out
	READYD_BACKEND="file" quiet_run 3 status --json --legend "8=$CONTROLS" "$PID"
	no_controls out
}

test_controls_in_the_log_of_readyd() {
	local name
	for name in --dir --prefix --socket --socket-mode --max-clients --ready-fd --log-level --bad; do
		expect_exit 2 "$READYD" "$name" "$CONTROLS/" 2>err
		no_controls err
		has_lines err 1 || die "not one line: $(cat err)"
	done
	mkdir "m$CONTROLS"
	spawn "$READYD" -s "$T/s" -d "$T/m$CONTROLS" 2>readyd.log
	until_true 60 grep -qF "serving $T/s for $T/m$ESCAPED/" readyd.log
	no_controls readyd.log
}

# A daemon that is not ours: REPLY is its answer to a request.
write_false_daemon() {
	need python3
	cat >false.py <<'EOF'
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("s")
server.listen()
open("listening", "w").close()
while True:
    client, _ = server.accept()
    lines = client.makefile("rb")
    for line in lines:
        client.sendall(os.fsencode(sys.argv[1 if line.startswith(b"HELLO") else 2]) + b"\n")
EOF
}

test_controls_of_a_daemon() {
	local hello reply
	write_false_daemon
	start_readyd
	hello=$(printf 'HELLO 1\n' | timeout 60 python3 -c '
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect("s")
client.sendall(sys.stdin.buffer.read())
sys.stdout.write(client.makefile().readline())')
	kill_readyd
	for reply in "STATS pid=1 a=${CONTROLS/$'\n'/} b$CONTROLS=2" "ERR bad-verb $CONTROLS" "${CONTROLS}x"; do
		rm -f s listening
		spawn python3 false.py "$hello" "${reply//$'\n'/}"
		until_true 60 exists listening
		got=0
		ctl stats >out 2>err || got=$?
		no_controls out
		no_controls err
		ctl stats --json >json 2>err || [ $? -eq "$got" ] || die "another exit status with --json"
		no_controls json
		no_controls err
		[ "$got" -ne 0 ] || grep -qF 'a=\x0d\x09\x1b[2J\x7f\xc2\x9b\x9b' out || die "not shown: $(cat out)"
		[ "$got" -ne 0 ] || python3 -c 'import json; json.load(open("json", encoding="utf-8"))'
		[ "${reply%% *}" != STATS ] || expect "exit status of stats" "$got" 0
		kill_and_reap "$LAST"
	done
}

# terminal.py COLUMNS COMMAND...: runs it with a terminal as standard error, which has so many columns (0: not known),
# and writes what it prints there to `screen`.
write_terminal() {
	need python3
	cat >terminal.py <<'EOF'
import fcntl, os, pty, struct, subprocess, sys, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
child = subprocess.Popen(sys.argv[2:], stderr=slave, stdout=subprocess.DEVNULL)
os.close(slave)
with open("screen", "wb") as screen:
    while True:
        try:
            text = os.read(master, 4096)
        except OSError:
            break
        screen.write(text)
sys.exit(child.wait())
EOF
}

# live_line COLUMNS: the first line that is drawn while two processes are waited for.
live_line() {
	expect_exit 124 timeout -s KILL 60 python3 terminal.py "$1" "$READYCTL" wait --timeout 0.5 "${WORKERS[@]}"
	tr '\r' '\n' <screen | sed -nE "s/\x1b\\[K\$//; s/^[0-9]+ s/0 s/; s/process [0-9]+/process N/; /./{p;q}"
}

# The last column stays free. A width that the kernel does not know comes from the environment, else it is 80.
test_live_line_is_as_wide_as_the_terminal() {
	write_terminal
	mkdir m
	spawn_workers 2
	export TERM=xterm READYD_BACKEND="file"
	unset COLUMNS
	expect "80 columns" "$(live_line 80)" "0 s: 0/2 ready; process N is sleeping, marker: absent"
	expect "15 columns" "$(live_line 15)" "0 s: 0/2 ready"
	expect "14 columns" "$(live_line 14)" "0 s: 0/2 read"
	expect "4 columns" "$(live_line 4)" "0 s"
	expect "no columns" "$(live_line 0)" "0 s: 0/2 ready; process N is sleeping, marker: absent"
	export COLUMNS=6
	expect "6 columns by the environment" "$(live_line 0)" "0 s: "
	expect "15 columns, 6 by the environment" "$(live_line 15)" "0 s: 0/2 ready"
	for COLUMNS in 0 x -3 ""; do
		expect "COLUMNS=$COLUMNS" "$(live_line 0)" "0 s: 0/2 ready; process N is sleeping, marker: absent"
	done
	live_line 1 >line
	! grep -q "0/2" screen || die "written into the only column: $(od -c screen)"
	! grep -q $'\e\[[0-9;]*m' screen || die "colours: $(od -c screen)"
}

test_live_line_names_what_is_missing() {
	write_terminal
	mkdir m
	spawn_workers 1
	export TERM=xterm READYD_BACKEND="file" COLUMNS=
	expect "one process" "$(live_line 80)" "0 s: process N is sleeping, marker: absent"
	mkdir "$(marker "$PID")"
	expect "a directory" "$(live_line 80)" "0 s: process N is sleeping, marker: not-a-file"
	WORKERS=(--pidfile no.pid)
	expect "no pid file" "$(live_line 80)" "0 s: pid file no.pid is missing"
}

# no_live_line ARGUMENT...: neither the line nor an escape sequence.
no_live_line() {
	expect_exit 124 timeout -s KILL 60 python3 terminal.py 80 "$READYCTL" wait --timeout 0.5 "$@" "${WORKERS[@]}"
	! grep -q $'[\e]\|/2 ready' screen || die "on TERM=${TERM-}: $(od -c screen)"
}

test_no_live_line_on_a_dumb_terminal() {
	write_terminal
	mkdir m
	spawn_workers 2
	export READYD_BACKEND="file"
	for TERM in dumb ""; do
		export TERM
		no_live_line
	done
	unset TERM
	no_live_line
	export TERM=xterm
	no_live_line -q
}

run_tests "$@"
