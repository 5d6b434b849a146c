#!/usr/bin/env bash
# readyd as a process: how it starts and ends, what it refuses, what it costs.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2119
. "$(dirname "$0")/lib.sh"

has_more_lines() { [ "$(wc -l <"$1")" -gt "$2" ]; }
is_socket() { [ -S "$1" ]; }

# refuses STATUS TEXT ARGUMENT...: readyd ends with this status, and one line on standard error that contains TEXT.
refuses() {
	local want=$1 text=$2 got=0
	shift 2
	timeout 60 "${UNDER[@]}" "$READYD" "$@" >out 2>err || got=$?
	expect "exit status of 'readyd $*' ($(cat err))" "$got" "$want"
	expect "standard output of 'readyd $*'" "$(cat out)" ""
	expect "lines on standard error of 'readyd $*' ($(cat err))" "$(wc -l <err)" 1
	grep -q '^readyd: ' err || die "no prefix 'readyd: ': $(cat err)"
	grep -qF -- "$text" err || die "'$text' is not in: $(cat err)"
}

status_field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$2/status"; }
# The descriptors of a process, with what they refer to.
descriptors() { find "/proc/$1/fd" -printf '%f %l\n' | sort -n; }

test_help_and_version() {
	timeout 60 "$READYD" --help >out 2>err
	grep -qF -- "--ready-fd" out
	timeout 60 "$READYD" -h >/dev/null 2>>err
	timeout 60 "$READYD" --version >version 2>>err
	expect "standard error" "$(cat err)" ""
	has_lines version 3 || die "version: $(cat version)"
	grep -qxE 'readyd [0-9]+\.[0-9]+\.[0-9]+' version || die "version: $(cat version)"
	grep -qxE 'libevent 2\.[0-9]+\.[0-9]+.*' version || die "version: $(cat version)"
	grep -qE '^jemalloc ' version || die "version: $(cat version)"
}

test_jemalloc_is_in_it() {
	! is_sanitized || skip "built with sanitizers, without jemalloc"
	"$READYD" --version | grep -qE '^jemalloc [0-9]+\.[0-9]+\.' || die "version: $("$READYD" --version)"
}

test_help_to_a_full_standard_output() {
	expect_exit 1 timeout 60 "$READYD" --help >/dev/full 2>err
	expect_exit 1 timeout 60 "$READYD" --version >/dev/full 2>>err
	expect "lines on standard error" "$(grep -c '^readyd: cannot write to standard output: No space' err)" 2
}

test_usage_errors() {
	refuses 2 "'extra'" extra
	refuses 2 "--socket: 'relative'" --socket relative
	refuses 2 "--dir" --dir relative
	refuses 2 "--prefix" --prefix a/b
	refuses 2 "--prefix" --prefix ""
	refuses 2 "--dir" --dir "/$(printf '%0600d' 0)"
	for mode in 8 999 01000 -1 rw ""; do
		refuses 2 "--socket-mode: '$mode'" --socket-mode "$mode"
	done
	for number in 0 -1 1x "" 99999999999; do
		refuses 2 "--max-clients: '$number'" --max-clients "$number"
		refuses 2 "--max-waits: '$number'" --max-waits "$number"
	done
	refuses 2 "--log-level: 'loud'" --log-level loud
	for number in 77 -1 x ""; do
		refuses 2 "--ready-fd: '$number'" --ready-fd "$number"
	done
}

test_usage_errors_of_options() {
	refuses 2 "--nonsense" --nonsense
	refuses 2 "'-x'" -x
	refuses 2 "--dir" --dir
	refuses 2 "--help" --help=1
}

# One newline, then end of file: a reader that reads to the end does not block.
test_ready_fd() {
	mkdir m
	mkfifo ready
	"$READYD" -s "$T/s" -d "$T/m" --ready-fd 7 7>ready 2>readyd.log &
	expect "through the descriptor" "$(timeout 60 od -An -c ready | tr -d ' ')" '\n'
	alive
}

# The log would go into what gets the number 2 next: a client's connection.
test_ready_fd_that_is_a_standard_descriptor() {
	local fd
	need socat
	mkdir m
	for fd in 0 1 2; do
		mkfifo "ready.$fd"
		spawn "$BASH" -c 'exec "$@" '"$fd"'>"$0"' "ready.$fd" "$READYD" -s "$T/s" -d "$T/m" --ready-fd "$fd" 2>readyd.log
		DAEMON=$LAST
		expect "through descriptor $fd" "$(timeout 60 tail -c 1 "ready.$fd" | od -An -c | tr -d ' ')" '\n'
		alive
		expect "descriptors 0 to 2" "$(find "/proc/$DAEMON/fd/"[012] -printf '%f\n' | sort | paste -sd' ')" "0 1 2"
		[ "$(readlink "/proc/$DAEMON/fd/$fd")" = /dev/null ] || die "$(descriptors "$DAEMON")"
		mkfifo "ask.$fd"
		spawn socat -t60 "PIPE:ask.$fd!!OPEN:heard.$fd,creat" "UNIX-CONNECT:$T/s"
		exec 8>"ask.$fd"
		echo PING >&8
		until_true 60 grep -qsx PONG "heard.$fd"
		kill -HUP "$DAEMON"
		alive
		echo PING >&8
		until_true 60 has_more_lines "heard.$fd" 1
		exec 8>&-
		expect "what the client hears" "$(sort -u "heard.$fd")" PONG
		kill -TERM "$DAEMON"
		ends 0
	done
}

test_ready_fd_without_a_reader() {
	mkdir m
	mkfifo ready
	exec 8<>ready
	exec 9>ready
	exec 8>&-
	spawn "$READYD" -s "$T/s" -d "$T/m" --ready-fd 9 2>readyd.log
	exec 9>&-
	until_true 60 is_socket s
	alive
	grep -q "warning: .*--ready-fd 9" readyd.log || die "no warning: $(cat readyd.log)"
}

test_one_log_line_for_each_event() {
	start_readyd
	grep -qE "^readyd: info: serving $T/s for $T/m/ktstr-worker-ready-\* \(pid $DAEMON, .*\)$" readyd.log ||
		die "log: $(cat readyd.log)"
	kill -TERM "$DAEMON"
	ends 0
	expect "last line" "$(tail -n 1 readyd.log)" "readyd: info: stopping on SIGTERM"
}

test_log_level() {
	start_readyd --log-level error
	kill -TERM "$DAEMON"
	ends 0
	expect "log" "$(cat readyd.log)" ""
}

# A descriptor that has no room must not stop the daemon.
test_ready_fd_that_is_full() {
	need python3
	mkdir m
	mkfifo ready
	spawn python3 - <<-'PY'
		import os, time

		pipe = os.open("ready", os.O_RDWR | os.O_NONBLOCK)
		try:
		    while True:
		        os.write(pipe, b"x")
		except BlockingIOError:
		    open("full", "w").close()
		while not os.path.exists("drain"):
		    time.sleep(0.01)
		with open("heard", "wb") as heard:
		    while not os.fstat(heard.fileno()).st_size:
		        try:
		            heard.write(os.read(pipe, 1 << 20).strip(b"x"))
		            heard.flush()
		        except BlockingIOError:
		            time.sleep(0.01)
	PY
	until_true 60 exists full
	"$READYD" -s "$T/s" -d "$T/m" --ready-fd 7 7>ready 2>readyd.log &
	DAEMON=$!
	until_true 60 is_socket s
	alive
	until_true 60 grep -q "warning: notification of --ready-fd 7 is delayed" readyd.log
	: >drain
	all_end 0 "$LAST"
	expect "through the descriptor" "$(od -An -c heard | tr -d ' ')" '\n'
	[ ! -e "/proc/$DAEMON/fd/7" ] || [ "$(readlink "/proc/$DAEMON/fd/7")" != "$T/ready" ] || die "fd 7 is kept"
}

# activate.py PATH KIND COUNT PID COMMAND...: executes the command, with a socket passed as a service manager does.
write_activator() {
	cat >activate.py <<'EOF'
import os, socket, sys

path, kind, count, pid = sys.argv[1:5]
passed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
passed.bind(path)
if kind == "listening":
    passed.listen(64)
if passed.fileno() != 3:
    os.dup2(passed.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = count
os.environ["LISTEN_PID"] = pid or str(os.getpid())
os.execv(sys.argv[5], sys.argv[5:])
EOF
}

test_socket_activation() {
	need python3
	write_activator
	UNDER=(python3 activate.py "$T/s" listening 1 "")
	start_readyd
	[ ! -e s.lock ] || die "it created a lock for a socket that it did not create"
	spawn_worker
	spawn_waiters 3 --no-fallback "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	kill -TERM "$DAEMON"
	ends 0
	is_socket s || die "it removed a socket that it did not create"
}

# A client that connects before the daemon starts is served if it cannot have sent descriptors: where the kernel can
# refuse them, the manager has it do so, as with AcceptFileDescriptors=no.
test_socket_activation_with_a_client_already_there() {
	need python3
	cat >activate.py <<'EOF'
import os, socket, sys

SO_PASSRIGHTS = 83

passed = socket.socket(socket.AF_UNIX)
passed.bind(sys.argv[1])
try:
    passed.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
except OSError:
    pass
passed.listen(64)
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"PING\n")
if passed.fileno() != 3:
    os.dup2(passed.fileno(), 3)
os.set_inheritable(3, True)
if os.fork() != 0:
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execv(sys.argv[2], sys.argv[2:])
os.closerange(9, 10)
client.settimeout(60)
with open("heard", "wb") as heard:
    heard.write(client.recv(100))
EOF
	UNDER=(python3 activate.py "$T/s")
	start_readyd
	until_true 60 grep -sqx PONG heard
}

need_descriptor_refusal() {
	need python3
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).getsockopt(socket.SOL_SOCKET, 83)' 2>/dev/null ||
		skip "this kernel cannot refuse descriptors (Linux 6.16 can)"
}

# The daemon can still send descriptors to its clients.
descriptors_are_refused() {
	spawn_worker
	python "$PID" <<'EOF'
client = Client()
try:
    socket.send_fds(client.socket, [b"PING\n"], [0])
    raise AssertionError("the descriptor was sent")
except PermissionError:
    pass
same(client.ask("PING"), "PONG")
os.close(client.gate(sys.argv[1]))
EOF
}

test_descriptors_are_refused() {
	need_descriptor_refusal
	start_for_python
	descriptors_are_refused
}

test_descriptors_are_refused_behind_an_inherited_socket() {
	need_descriptor_refusal
	write_activator
	UNDER=(python3 activate.py "$T/s" listening 1 "")
	start_for_python
	descriptors_are_refused
}

# activate.py PATH CLIENTS COMMAND...: executes the command, with a socket and so many clients in its backlog. The last
# client has sent a TCP socket to which nothing else refers. Its last close blocks for 1000 seconds, because the TCP peer
# does not read the data. The client writes what it receives to the file `heard`, and ends after the daemon.
write_lingering_activator() {
	write_lingering
	cat >activate.py <<'EOF'
import os, socket, sys, time

from lingering import lingering

passed = socket.socket(socket.AF_UNIX)
passed.bind(sys.argv[1])
passed.listen(128)
sender, receiver = lingering()
clients = [socket.socket(socket.AF_UNIX) for i in range(int(sys.argv[2]))]
for client in clients:
    client.connect(sys.argv[1])
socket.send_fds(client, [b"PING\n"], [sender.fileno()])
sender.close()
if passed.fileno() != 3:
    os.dup2(passed.fileno(), 3)
os.set_inheritable(3, True)
daemon = os.getpid()
if os.fork() != 0:
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execv(sys.argv[3], sys.argv[3:])
passed.close()
os.closerange(3, 4)
os.closerange(9, 10)
try:
    heard = client.recv(100)
except ConnectionResetError:
    heard = b""
with open("heard", "wb") as file:
    file.write(heard + b"end\n")
while os.getppid() == daemon:
    time.sleep(0.01)
EOF
}

has_children() { [ "$(grep -lsx "PPid:[[:space:]]*$1" /proc/[0-9]*/status | wc -l)" -eq "$2" ]; }

test_socket_activation_with_a_descriptor_in_the_backlog() {
	need_descriptor_refusal
	write_lingering_activator
	UNDER=(python3 activate.py "$T/s" 1)
	start_readyd
	alive
	until_true 60 grep -sqx end heard
	expect "what the client receives" "$(cat heard)" end
	# These are the client, forked before the daemon was executed, and the spawner.
	until_true 60 has_children "$DAEMON" 2
	kill -TERM "$DAEMON"
	ends 0
}

# The daemon does not close a connection that it has not accepted when it ends, even if nothing else refers to the
# socket. Here it has no descriptor left for accepting it.
test_socket_activation_with_a_descriptor_that_is_not_accepted() {
	local limit
	need_descriptor_refusal
	write_activator
	UNDER=(python3 activate.py "$T/s" listening 1 "")
	start_readyd
	until_true 60 is_asleep "$DAEMON"
	limit=$(descriptors "$DAEMON" | grep -c '^[0-9]')
	kill_readyd
	rm s
	write_lingering_activator
	UNDER=(python3 activate.py "$T/s" 1 "$BASH" -c 'ulimit -n "$0" && exec "$@"' "$limit")
	start_readyd
	until_true 60 grep -q "cannot accept clients" readyd.log
	kill -TERM "$DAEMON"
	ends 0
}

test_socket_activation_for_another_process() {
	need python3
	write_activator
	UNDER=(python3 activate.py "$T/other" listening 1 1)
	start_readyd
	alive
	is_socket s || die "it did not create its own socket"
}

test_socket_activation_with_something_else() {
	need python3
	write_activator
	mkdir m
	for kind in datagram idle; do
		UNDER=(python3 activate.py "$T/s.$kind" "$kind" 1 "")
		refuses 1 "is not a listening unix stream socket" -s "$T/s" -d "$T/m"
	done
	UNDER=(python3 activate.py "$T/s.two" listening 2 "")
	refuses 1 "2 sockets in LISTEN_FDS" -s "$T/s" -d "$T/m"
}

test_socket_mode() {
	umask 077
	start_readyd
	expect "mode" "$(stat -c %a s)" 666
	kill -TERM "$DAEMON"
	ends 0
	start_readyd --socket-mode 0600
	expect "mode" "$(stat -c %a s)" 600
	kill -TERM "$DAEMON"
	ends 0
	umask 0
	start_readyd --socket-mode 640
	expect "mode" "$(stat -c %a s)" 640
}

# Also one by which not even the daemon's user can open a file that is created.
test_an_inherited_umask_does_not_matter() {
	UNDER=("$BASH" -c 'umask 0777 && exec "$@"' -)
	start_readyd
	expect "mode of the lock" "$(stat -c %a s.lock)" 600
	expect "mode of the socket" "$(stat -c %a s)" 666
	kill_readyd
	start_readyd --socket-mode 640
	expect "mode of the lock" "$(stat -c %a s.lock)" 600
	expect "mode of the socket" "$(stat -c %a s)" 640
}

# The mode comes with the socket: chmod(2) on its name would follow a link that has taken its place.
test_no_mode_is_changed_by_name() {
	need_strace
	export ASAN_OPTIONS=detect_leaks=0
	UNDER=(strace -D -f -o trace -e "trace=bind,chmod,fchmod,fchmodat,fchmodat2")
	strace -e trace=fchmodat2 true 2>/dev/null || UNDER[-1]=trace=bind,chmod,fchmod,fchmodat
	start_readyd
	expect "calls" "$(sed -E 's/^[0-9]+ +([a-z0-9]+)\(.*/\1/' trace | select_lines -vE '\+\+\+|---')" bind
}

known_to_the_kernel() { awk -v name="$T/s" 'index($NF, name) == 1 { print $NF }' /proc/net/unix | sort -u; }
is_locked() { [ -e s.lock ] && ! flock -n s.lock true; }

# Programs that remove unused sockets read the names there.
test_the_kernel_knows_the_socket_by_its_name() {
	start_readyd
	expect "names" "$(known_to_the_kernel)" "$T/s"
	kill_readyd
	start_readyd
	rm s
	until_true 60 is_socket s
	until_true 60 ctl ping >out
	expect "names" "$(known_to_the_kernel)" "$T/s"
}

is_held_up() { is_state '[Tt]' "$DAEMON"; }

# Where nothing has the name, the socket is bound before it listens. A client that connects in between is refused, as if
# there was no daemon yet: it gets its answer by the file, or waits by the daemon once it serves.
test_a_client_that_connects_before_the_socket_listens() {
	local early
	need_strace
	export ASAN_OPTIONS=detect_leaks=0
	mkdir m
	strace -D -f -qq -o trace -e trace=bind -e inject=bind:signal=STOP "$READYD" -s "$T/s" -d "$T/m" 2>readyd.log &
	DAEMON=$!
	until_true 60 is_socket s
	until_true 60 is_held_up
	expect_exit 125 ctl ping 2>err
	grep -q "Connection refused" err || die "not refused: $(cat err)"
	spawn_worker
	early=$PID
	spawn_waiters 1 "$early"
	wait_for_watches
	mark "$early"
	all_end 0 "${WAITERS[@]}"
	expect_exit 0 ctl status "$early"
	spawn_worker
	spawn_waiters 3 "$PID"
	wait_for_watches
	kill -CONT "$DAEMON"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_a_removed_lock_comes_back() {
	start_readyd
	until_true 60 is_asleep "$DAEMON"
	rm s.lock
	until_true 60 is_locked
	expect "rebinds" "$(counter rebinds)" 0
	grep -q "info: the lock was lost; serving $T/s again" readyd.log || die "log: $(cat readyd.log)"
	refuses 1 "another readyd serves $T/s" -s "$T/s" -d "$T/m"
	alive
}

# A daemon behind a socket that a manager has passed to it takes no lock.
test_second_daemon_is_refused_without_a_lock() {
	need python3
	write_activator
	UNDER=(python3 activate.py "$T/s" listening 1 "")
	start_readyd
	UNDER=()
	refuses 1 "another readyd serves $T/s" -s "$T/s" -d "$T/m"
	expect "pid" "$(counter pid)" "$DAEMON"
	[ ! -e s.lock ] || die "the lock is left"
}

# occupied KIND: $OCCUPANT has a socket at $T/s: one that is never accepted from, one whose backlog is full too, or one
# of datagrams.
occupied() {
	need python3
	rm -f bound s
	spawn python3 - "$1" <<-'PY'
		import socket, sys, time

		kind = sys.argv[1]
		listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "datagrams" else socket.SOCK_STREAM)
		listener.bind("s")
		clients = []
		if kind != "datagrams":
		    listener.listen(0)
		while kind == "full":
		    clients.append(socket.socket(socket.AF_UNIX))
		    clients[-1].setblocking(False)
		    try:
		        clients[-1].connect("s")
		    except BlockingIOError:
		        break
		open("bound", "w").close()
		time.sleep(1000)
	PY
	OCCUPANT=$LAST
	until_true 60 exists bound
}

test_a_socket_that_no_daemon_serves_is_replaced() {
	local kind
	for kind in silent full; do
		occupied "$kind"
		start_readyd
		alive
		expect "pid" "$(counter pid)" "$DAEMON"
		kill_readyd
		kill_and_reap "$OCCUPANT"
	done
}

test_a_socket_of_another_kind_is_not_replaced() {
	local before
	mkdir m
	occupied datagrams
	before=$(stat -c %i s)
	refuses 1 "cannot determine whether $T/s is served: Protocol wrong type for socket" -s "$T/s" -d "$T/m"
	expect "inode" "$(stat -c %i s)" "$before"
}

# SIGHUP is handled before the PING that is sent after it is logged.
test_hangup_takes_the_name_back_at_once() {
	need_strace
	export ASAN_OPTIONS=detect_leaks=0
	UNDER=(strace -D -f -o trace -e trace=inotify_init1 -e inject=inotify_init1:error=EMFILE)
	start_for_python
	until_true 60 grep -q INJECTED trace
	python "$DAEMON" <<'PY'
import signal
client = Client()
for i in range(10):
    os.unlink(PATH)
    os.kill(int(sys.argv[1]), signal.SIGHUP)
    while open("readyd.log").read().count("SIGHUP") <= i:
        time.sleep(0.001)
    same(client.ask("PING"), "PONG")
    Client().close()
PY
}

# Without any watch, and while no client waits.
test_an_unwatched_name_is_taken_back() {
	need_strace
	export ASAN_OPTIONS=detect_leaks=0
	UNDER=(strace -D -f -o trace -e trace=inotify_init1 -e inject=inotify_init1:error=EMFILE)
	start_readyd
	rm s
	until_true 60 is_socket s
	until_true 60 ctl ping >out
	rm s s.lock
	until_true 60 is_locked
	until_true 60 ctl ping >out
}

test_second_daemon_is_refused() {
	start_readyd
	refuses 1 "another readyd serves $T/s" -s "$T/s" -d "$T/m"
	alive
	expect "pid" "$(counter pid)" "$DAEMON"
	refuses 1 "another readyd serves $T/s" -s "$T/s" -d "$T/m"
	alive
}

test_second_daemon_is_refused_by_a_frozen_one() {
	start_readyd
	kill -STOP "$DAEMON"
	refuses 1 "another readyd serves $T/s" -s "$T/s" -d "$T/m"
	kill -CONT "$DAEMON"
	alive
}

test_lock_that_fails() {
	need_strace
	mkdir m
	# LeakSanitizer does not work under strace.
	export ASAN_OPTIONS=detect_leaks=0
	UNDER=(strace -o trace -e trace=flock -e inject=flock:error=ENOLCK)
	refuses 1 "cannot lock $T/s.lock: No locks available" -s "$T/s" -d "$T/m"
}

test_two_daemons_on_two_sockets() {
	local first
	start_readyd
	first=$DAEMON
	start_readyd --socket "$T/s2"
	expect "pid" "$(counter pid)" "$first"
	READYD_SOCKET=$T/s2
	expect "pid" "$(counter pid)" "$DAEMON"
}

test_stale_socket_is_replaced() {
	local old
	start_readyd
	old=$(stat -c %i s)
	kill_readyd
	is_socket s || die "a killed daemon left no socket"
	start_readyd
	alive
	[ "$(stat -c %i s)" != "$old" ] || die "still the old socket"
}

# A client in a loop, while daemons are started and ended by SIGTERM and SIGKILL, gets only right answers and never hangs.
test_restarts_under_a_client() {
	local i
	start_readyd
	spawn_worker
	mark "$PID"
	spawn bash -c 'while [ ! -e stop ]; do timeout 60 "$0" status "$1" >>replies || exit; done' "$READYCTL" "$PID"
	for i in 1 2 3 4 5; do
		kill_readyd
		start_readyd
		alive
		kill -TERM "$DAEMON"
		ends 0
		start_readyd
		alive
	done
	: >stop
	all_end 0 "$LAST"
	expect "other answers" "$(select_lines -vc '^ready ' replies)" 0
}

test_only_a_socket_is_replaced() {
	mkdir m
	echo precious >s
	refuses 1 "$T/s exists and is not a socket" -s "$T/s" -d "$T/m"
	expect "the file" "$(cat s)" "precious"
	rm s
	mkdir s
	refuses 1 "$T/s exists and is not a socket" -s "$T/s" -d "$T/m"
	rmdir s
	ln -s elsewhere s
	refuses 1 "$T/s exists and is not a socket" -s "$T/s" -d "$T/m"
	expect "symbolic link" "$(readlink s)" elsewhere
	[ ! -e elsewhere ] || die "the symbolic link was followed"
}

test_socket_path_that_is_not_possible() {
	mkdir m
	refuses 1 "$T/absent/s" -s "$T/absent/s" -d "$T/m"
	refuses 2 "--socket: " -s "$T/$(printf '%0200d' 0)" -d "$T/m"
	refuses 2 "--socket: " -s "$T/$(printf "%0$((107 - ${#T}))d" 0)" -d "$T/m"
}

# A daemon that refuses to start leaves no files.
test_refusals_are_clean() {
	mkdir m
	echo precious >s
	refuses 1 "is not a socket" -s "$T/s" -d "$T/m"
	expect "files" "$(ls)" "$(printf '%s\n' err m out s)"
}

test_socket_and_lock_are_removed() {
	local signal
	for signal in TERM INT; do
		start_readyd
		is_socket s
		[ -e s.lock ] || die "no lock"
		kill -"$signal" "$DAEMON"
		ends 0
		[ ! -e s ] || die "the socket is left after SIG$signal"
		[ ! -e s.lock ] || die "the lock is left after SIG$signal"
	done
}

# Clients with a connection and clients with a gate; they continue with the file.
test_waiters_are_woken_at_the_end() {
	local worker workers=() many
	start_readyd
	while [ ${#workers[@]} -lt 20 ]; do
		spawn_worker
		workers+=("$PID")
	done
	spawn_waiters 1 "${workers[@]}"
	many=${WAITERS[0]}
	spawn_waiters 20 "$PID"
	wait_for_gates
	until_true 60 counter_is waits 20
	kill -TERM "$DAEMON"
	ends 0
	until_true 60 each_holds "$INOTIFY" "$many" "${WAITERS[@]}"
	for worker in "${workers[@]}"; do
		mark "$worker"
	done
	all_end 0 "$many" "${WAITERS[@]}"
}

test_survives_hangup_and_broken_pipe() {
	start_readyd
	spawn_worker
	spawn_waiters 3 "$PID"
	wait_for_gates
	kill -HUP "$DAEMON"
	until_true 60 grep -q "info: SIGHUP" readyd.log
	kill -PIPE "$DAEMON"
	alive
	expect "pid" "$(counter pid)" "$DAEMON"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_closed_standard_descriptors() {
	UNDER=(bash -c 'exec "$@" <&- >&- 2>&-' -)
	start_readyd
	alive
	expect "descriptors 0 to 2" "$(descriptors "$DAEMON" | grep -E '^[012] ')" \
		"$(printf '%s /dev/null\n' 0 1 2)"
}

# Every descriptor that it opens is close-on-exec, and it closes the inherited descriptor of --ready-fd.
test_descriptors_are_its_own() {
	local fd flags
	start_readyd
	alive
	until_true 60 is_asleep "$DAEMON"
	for fd in "/proc/$DAEMON/fd/"*; do
		fd=${fd##*/}
		# A descriptor that has gone belonged to a client.
		flags=$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$DAEMON/fdinfo/$fd" 2>/dev/null) || continue
		[ "$fd" -le 2 ] || [ $((flags & 02000000)) -ne 0 ] || die "not close-on-exec: $(descriptors "$DAEMON")"
	done
	[ ! -e "/proc/$DAEMON/fd/9" ] || [ "$(readlink "/proc/$DAEMON/fd/9")" != "$T/.serves" ] || die "fd 9 is kept"
}

test_started_with_signals_ignored_and_blocked() {
	timeout 60 env --block-signal=TERM true 2>/dev/null || skip "env cannot block signals"
	UNDER=(env --ignore-signal=CHLD --ignore-signal=TERM --ignore-signal=INT --ignore-signal=HUP
		--block-signal=TERM --block-signal=HUP --block-signal=INT)
	start_readyd
	[ $((0x$(status_field SigIgn "$DAEMON") & 0x10000)) -eq 0 ] || die "SIGCHLD is still ignored"
	expect "blocked signals" "$(status_field SigBlk "$DAEMON")" 0000000000000000
	spawn_worker
	spawn_waiters 3 "$PID"
	wait_for_gates
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	kill -HUP "$DAEMON"
	until_true 60 grep -q "info: SIGHUP" readyd.log
	kill -TERM "$DAEMON"
	ends 0
}

test_100_daemons_at_once() {
	local i pids=() pid served=0
	mkdir m
	mkfifo gun
	for ((i = 0; i < 100; i++)); do
		spawn bash -c ': <gun; exec "$0" -s "$1/s" -d "$1/m" 2>"log.$$"' "$READYD" "$T"
		pids+=("$LAST")
	done
	exec 8<>gun
	until_true 120 one_is_left "${pids[@]}"
	exec 8>&-
	alive
	served=$(counter pid)
	for pid in "${pids[@]}"; do
		[ "$pid" != "$served" ] || continue
		expect_exit 1 wait "$pid"
		has_lines "log.$pid" 1 || die "not one line: $(cat "log.$pid")"
		grep -q "error: another readyd serves $T/s" "log.$pid" || die "unclear: $(cat "log.$pid")"
	done
	has_ended "$served" && die "it has ended"
	alive
}

one_is_left() {
	local pid left=0
	for pid; do
		has_ended "$pid" || left=$((left + 1))
	done
	[ "$left" -gt 0 ] || die "all have ended: $(cat log.*)"
	[ "$left" -eq 1 ]
}

# After a waiter has come and gone. The measurement takes five seconds.
test_idle_costs_nothing() {
	local switches ticks more
	start_readyd
	spawn_worker
	spawn_waiters 1 "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	until_true 60 counter_is gates 0
	until_true 60 counter_is clients 1
	spawn_worker
	expect_exit 124 ctl wait --timeout 0.1 "$PID"
	until_true 60 counter_is gates 0
	ctl stats >before
	until_true 60 is_asleep "$DAEMON"
	switches=$(status_field voluntary_ctxt_switches "$DAEMON")
	ticks=$(cpu_ticks "$DAEMON")
	sleep 5
	more=$(($(status_field voluntary_ctxt_switches "$DAEMON") - switches))
	ticks=$(($(cpu_ticks "$DAEMON") - ticks))
	ctl stats >after
	[ "$more" -eq 0 ] || die "$more wake-ups; before and after: $(paste -d ' ' before after)"
	expect "CPU time" "$ticks" 0
}

# Then libevent uses poll(2), and the daemon checks the mounts every second. The measurement takes two seconds.
test_idle_without_epoll_does_not_spin() {
	local before
	export EVENT_NOEPOLL=1
	start_readyd
	grep -q 'with poll' readyd.log || die "another method: $(cat readyd.log)"
	spawn_worker
	spawn_waiters 3 "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	before=$(cpu_ticks "$DAEMON")
	sleep 2
	[ $(($(cpu_ticks "$DAEMON") - before)) -lt 20 ] || die "clock ticks: $(($(cpu_ticks "$DAEMON") - before)) more"
}

# is_asleep PID: it does not run within half a second, which is longer than its timers.
is_asleep() {
	local before
	before=$(status_field voluntary_ctxt_switches "$1")
	sleep 0.5
	[ "$(status_field voluntary_ctxt_switches "$1")" = "$before" ]
}

test_markers_from_before_are_listed() {
	local first
	mkdir m
	spawn_worker
	first=$PID
	mark "$PID"
	spawn_worker
	mark "$PID"
	: >"m/ktstr-worker-ready-$NO_SUCH_PID"
	: >m/ktstr-worker-ready-01
	: >m/unrelated
	start_readyd
	expect "list" "$(ctl list | cut -d ' ' -f 1,2 | sort)" "$(printf 'ready %s\n' "$first" "$PID" | sort)"
	rm "$(marker "$first")"
	expect_exit 0 ctl status "$first"
}

test_a_process_that_exits_leaves_the_list() {
	start_readyd
	spawn_worker
	mark "$PID"
	until_true 60 counter_is processes 1
	expect "list" "$(ctl list | cut -d ' ' -f 1,2)" "ready $PID"
	kill_and_reap "$PID"
	until_true 60 counter_is processes 0
	expect "list" "$(ctl list)" ""
}

# spawn_connections COUNT WORKER: so many connections after a first one, which sends requests while no descriptor is
# left. The replies are in `replies`, that to its WAIT in `answer`. A file marks each stage.
spawn_connections() {
	cat >connections.py <<'EOF'
import os, socket, sys, time

path, count, worker = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def connect():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(path)
    return client


def stage(name):
    open(name, "w").close()
    while not os.path.exists(name + ".done"):
        time.sleep(0.01)


old = connect()
lines = old.makefile()
old.sendall(b"PING\n")
assert lines.readline() == "PONG\n"
others = [connect() for _ in range(count)]
stage("all_open")
old.sendall(f"QUERY {worker}\nWAIT {worker}\nPING\n".encode())
with open("replies", "w") as replies:
    for line in iter(lines.readline, "PONG\n"):
        print(line, end="", file=replies, flush=True)
for client in others:
    client.close()
stage("left")
if open("replies").read().count("\n") < 2:
    open("answer", "w").write(lines.readline())
EOF
	spawn python3 connections.py "$T/s" "$1" "$2"
	CONNECTIONS=$LAST
}

test_descriptors_used_up() {
	local before after
	need python3
	need prlimit
	UNDER=(prlimit --nofile=40:40)
	start_readyd
	spawn_worker
	spawn_connections 100 "$PID"
	until_true 60 exists all_open
	until_true 60 grep -q "warning: cannot accept clients" readyd.log
	before=$(cpu_ticks "$DAEMON")
	sleep 2
	after=$(cpu_ticks "$DAEMON")
	[ $((after - before)) -le 10 ] || die "$((after - before)) ticks of CPU time in 2 seconds"
	: >all_open.done
	until_true 60 exists left
	grep -q "^pending $PID" replies || die "the first client got: $(cat replies)"
	alive
	expect "warnings" "$(grep -c "warning: cannot accept clients" readyd.log)" 1
	expect_exit 1 ctl status --no-fallback "$PID"
	mark "$PID"
	: >left.done
	all_end 0 "$CONNECTIONS"
	# A late answer and an error are acceptable, a wrong answer is not.
	if [ -e answer ]; then
		grep -q "^ready $PID" answer || die "the reply to WAIT is: $(cat answer)"
	else
		grep -q "^ERR no-resources pid=$PID " replies || die "the reply to WAIT is: $(cat replies)"
	fi
}

# The same while the time of a WAIT runs out: it gets one right reply, and the daemon continues.
test_deadline_after_descriptors_were_used_up() {
	need python3
	need prlimit
	UNDER=(prlimit --nofile=40:40)
	start_readyd
	spawn_worker
	cat >connections.py <<'EOF'
import socket, sys

path, worker = sys.argv[1:3]


def connect():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(path)
    return client


old = connect()
lines = old.makefile()


def counter(name):
    old.sendall(b"STATS\n")
    return int(lines.readline().split(f" {name}=")[1].split()[0])


for milliseconds in 0, 20, 60, 120, 180:
    before = counter("accept_pauses")
    others = [connect() for _ in range(60)]
    # The first pauses may be for connections of the previous round, which the daemon accepts after they have gone.
    while counter("accept_pauses") < before + 3:
        pass
    old.sendall(f"WAIT {worker} {milliseconds}\nPING\n".encode())
    replies = [lines.readline()]
    for client in others:
        client.close()
    replies.append(lines.readline())
    replies.remove("PONG\n")
    if not replies[0].startswith((f"pending {worker} ", f"ERR no-resources pid={worker} ")):
        sys.exit(f"after {milliseconds} ms: {replies}")
EOF
	timeout 120 python3 connections.py "$T/s" "$PID" || die "log: $(cat readyd.log)"
	alive
	expect "waits" "$(counter waits)" 0
}

test_directory_comes_later() {
	start_readyd --dir "$T/later"
	READYD_DIR=$T/later
	grep -q "warning: cannot watch $T/later: .*create the directory" readyd.log || die "log: $(cat readyd.log)"
	spawn_worker
	expect_exit 6 ctl status --no-fallback "$PID"
	expect_exit 6 ctl wait "$PID"
	mkdir later
	spawn_waiters 3 --no-fallback "$PID"
	wait_for_gates
	until_true 60 counter_is watching 1
	: >"later/ktstr-worker-ready-$PID"
	all_end 0 "${WAITERS[@]}"
	expect "list" "$(ctl list | cut -d ' ' -f 1,2)" "ready $PID"
}

test_directory_is_replaced_during_a_wait() {
	start_readyd
	spawn_worker
	spawn_waiters 3 --no-fallback "$PID"
	wait_for_gates
	rmdir m
	until_true 60 counter_is watching 0
	mkdir m
	until_true 60 counter_is watching 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_directory_is_a_file() {
	mkdir m
	: >file
	start_readyd --dir "$T/file"
	READYD_DIR=$T/file
	spawn_worker
	expect_exit 6 ctl status "$PID"
	alive
	rm file
	mkdir file
	: >"file/ktstr-worker-ready-$PID"
	expect_exit 0 ctl wait --no-fallback "$PID"
}

# A daemon of another user than root, which no permission would stop. That user may execute the copies of the programs.
use_other_user() {
	need_root
	need setpriv
	AS_OTHER_USER=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	"${AS_OTHER_USER[@]}" true || skip "cannot become another user"
	cp "$READYD" "$READYCTL" .
	mkdir m run
	chmod 711 .
	chown 65534 run
	READYD=$T/readyd READYCTL=$T/readyctl READYD_SOCKET=$T/run/s
	export READYD_TRUST_UID=65534
	"${AS_OTHER_USER[@]}" sh -c '"$0" --version' "$READYD" >/dev/null || skip "another user cannot run programs in $T"
	UNDER=("${AS_OTHER_USER[@]}")
}

test_directory_that_cannot_be_written() {
	use_other_user
	chmod 555 m
	start_readyd --socket "$READYD_SOCKET"
	expect "watching" "$(counter watching)" 1
	spawn_worker
	spawn_waiters 3 --no-fallback "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

# The directory can be searched but not read, so it cannot be watched and is polled.
test_directory_that_cannot_be_read() {
	use_other_user
	chmod 711 m
	start_readyd --socket "$READYD_SOCKET"
	expect "watching" "$(counter watching)" 0
	grep -q "warning: cannot watch $T/m: .*make the directory readable" readyd.log || die "log: $(cat readyd.log)"
	spawn_worker
	spawn_waiters 3 --no-fallback "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	chmod 755 m
	spawn_worker
	spawn_waiters 3 --no-fallback "$PID"
	until_true 60 counter_is watching 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_directory_that_cannot_be_searched() {
	local got=0
	use_other_user
	chmod 700 m
	start_readyd --socket "$READYD_SOCKET"
	spawn_worker
	"${AS_OTHER_USER[@]}" timeout 60 "$READYCTL" status "$PID" >out || got=$?
	expect "exit status" "$got" 6
	grep -qxE "unreachable $PID start=[0-9]+ reason=directory-denied" out || die "it prints: $(cat out)"
	mark "$PID"
	expect_exit 0 ctl status "$PID"
	chmod 755 m
	expect_exit 0 ctl status --no-fallback "$PID"
}

# A marker of a process that no longer exists costs reading its directory entry, no check of a process.
test_markers_without_processes_cost_no_checks() {
	local i
	mkdir m
	for i in {1..500}; do
		: >"m/ktstr-worker-ready-$((NO_SUCH_PID + i))"
	done
	spawn_worker
	mark "$PID"
	start_readyd
	# The scan ends after the daemon serves: it takes eight turns, and each request makes at least one.
	until_true 60 counter_is looks 1
	for i in {1..10}; do alive; done
	expect "looks" "$(counter looks)" 1
	rm "$(marker "$PID")"
	ctl status "$PID" | grep -q '^ready .*latched=1' || die "the running process is not remembered: $(ctl status "$PID")"
	# One for the removal, one for the request.
	[ "$(counter looks)" -le 3 ] || die "looks: $(counter looks)"
}

pidfds_held() { find "/proc/$DAEMON/fd" -lname '*pidfd*' | wc -l; }

# The daemon keeps pidfds of the processes queried last, not of all; and a process that has ended is reported as such.
test_queries_again_and_again() {
	local i pid first pids=()
	start_readyd
	for i in {1..20}; do
		spawn_worker
		pids+=("$PID")
		expect_exit 1 ctl -q status "$PID"
		expect_exit 1 ctl -q status "$PID"
	done
	expect "pidfds" "$(pidfds_held)" 16
	counter_is processes 0 || die "processes: $(counter processes)"
	first=${pids[19]}
	kill -KILL "$first"
	until_true 60 has_ended "$first"
	expect_exit 3 ctl -q status "$first"
	for pid in "${pids[@]:0:19}"; do
		mark "$pid"
		expect_exit 0 ctl -q status "$pid"
	done
	counter_is processes 19 || die "processes: $(counter processes)"
	expect "pidfds" "$(pidfds_held)" 19
}

# If descriptors are scarce, they are kept for waits.
test_queries_again_with_few_descriptors() {
	local i
	ulimit -S -n 40
	ulimit -H -n 40
	start_readyd
	for i in {1..30}; do
		spawn_worker
		expect_exit 1 ctl -q status "$PID"
	done
	[ "$(pidfds_held)" -lt 10 ] || die "$(pidfds_held) pidfds of 40 descriptors"
}

run_tests "$@"
