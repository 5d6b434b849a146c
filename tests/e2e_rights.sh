#!/usr/bin/env bash
# What each process of the daemon may do, and what other users can make of the places that it uses.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031,SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

# Bits of linux/capability.h.
SYS_PTRACE=80000 SYS_PTRACE_AND_DAC_READ_SEARCH=80004

children() { cat "/proc/$1/task/$1/children"; }
spawner() { children "$DAEMON" | cut -d ' ' -f 1; }
# status_field PID NAME: of /proc/PID/status, numbers without leading zeros.
status_field() { sed -nE "s/^$2:[[:space:]]*0*(.+)/\1/p" "/proc/$1/status"; }
expect_field() { expect "$2 of $(cat "/proc/$1/comm")" "$(status_field "$1" "$2")" "$3"; }

# spawn_below_another_root [COMMAND]: $PID is a process in another mount namespace, with a marker below that root.
spawn_below_another_root() {
	spawn "$@" unshare "$MOUNTS" --propagation private bash -c '
		mount -t tmpfs none "$0/m" && : >"$0/m/ktstr-worker-ready-$$" && : >"$0/up" && exec sleep 1000' "$T"
	PID=$LAST
	until_true 60 exists up
}

# start_all_processes [OPTION...]: loop, spawner and scout.
start_all_processes() {
	need_root
	start_readyd "$@"
	spawn_below_another_root
	expect_status daemon 0 "$READY" "$PID"
	SPAWNER=$(spawner)
	SCOUT=$(children "$SPAWNER" | tr -d ' ')
	[ -n "$SCOUT" ] || die "there is no scout"
}

# The machine may lack one of the rights.
shared_rights() { printf '%x' $((0x$1 & 0x$(status_field $$ CapPrm))); }

test_each_process_keeps_only_the_rights_of_its_work() {
	local pid
	start_all_processes
	for pid in "$DAEMON" "$SPAWNER" "$SCOUT"; do
		expect_field "$pid" NoNewPrivs 1
		expect_field "$pid" CapInh 0
		expect_field "$pid" CapBnd 0
		expect_field "$pid" CapAmb 0
	done
	expect_field "$DAEMON" CapPrm "$(shared_rights $SYS_PTRACE)"
	expect_field "$DAEMON" CapEff "$(shared_rights $SYS_PTRACE)"
	for pid in "$SPAWNER" "$SCOUT"; do
		expect_field "$pid" CapPrm "$(shared_rights $SYS_PTRACE_AND_DAC_READ_SEARCH)"
		expect_field "$pid" CapEff "$(shared_rights $SYS_PTRACE_AND_DAC_READ_SEARCH)"
	done
	expect "rights" "$(counter rights)" sys_ptrace
}

test_a_daemon_of_another_user_has_no_rights() {
	need_other_user
	chmod 1777 .
	export READYD_TRUST_UID=$OTHER_UID
	UNDER=("${AS_OTHER_USER[@]}")
	start_readyd
	UNDER=()
	expect "rights" "$(counter rights)" none
	expect_field "$DAEMON" NoNewPrivs 1
	expect_field "$(spawner)" CapPrm 0
}

# The loop reads their names of namespace and root with the right that it keeps.
test_roots_of_other_users_processes_are_seen() {
	need_root
	need_other_user
	chmod 1777 .
	start_readyd
	MOUNTS=-Urm spawn_below_another_root "${AS_OTHER_USER[@]}"
	expect_status daemon 0 "$READY" "$PID"
	marker_ends_a_new_wait daemon
}

# Their owner alone may search the directories that lead to the marker.
test_a_scout_sees_below_closed_directories() {
	need_root
	start_for_python
	mkdir -p "jail$T/m"
	chown -R "$OTHER_UID" jail
	chmod 700 jail "jail$T/m"
	spawn_python "$T" "$OTHER_UID" <<-'EOT'
	os.chroot(sys.argv[1] + "/jail")
	os.chdir("/")
	os.setgid(int(sys.argv[2]))
	os.setuid(int(sys.argv[2]))
	open(f"{sys.argv[1]}/m/ktstr-worker-ready-{os.getpid()}", "w").close()
	time.sleep(1000)
	EOT
	until_true 60 status_is daemon 'ready .*' "$LAST"
}

# --- the place of the socket

# refuses TEXT ARGUMENT...: the daemon does not start, and says why.
refuses() {
	local text=$1 got=0
	shift
	timeout 60 "$READYD" --dir "$T/m" "$@" 2>refused.log || got=$?
	expect "exit status" "$got" 1
	grep -qF -- "$text" refused.log || die "'$text' is not in: $(cat refused.log)"
}

test_a_directory_that_others_may_write_to_is_refused() {
	mkdir -m 777 open
	mkdir -m 775 group
	mkdir -m 755 open/below
	refuses "other users may write to $T/open and could replace the socket; use chmod go-w, or choose another place with --socket" \
		--socket "$T/open/s"
	refuses "other users may write to $T/group" --socket "$T/group/s"
	refuses "other users may write to $T/open" --socket "$T/open/below/s"
	ln -s open/below link
	refuses "other users may write to $T/open" --socket "$T/link/s"
	expect "what was created" "$(find open/ group/ -mindepth 1)" open/below
	chmod +t open
	start_readyd --socket "$T/open/s"
}

test_a_directory_of_another_user_is_refused() {
	need_other_user
	mkdir -m 755 foreign
	mkdir -m 755 foreign/own
	chown "$OTHER_UID" foreign
	refuses "$T/foreign belongs to user $OTHER_UID, which could replace the socket; make it root's, or choose another place with --socket" \
		--socket "$T/foreign/s"
	refuses "$T/foreign belongs to user $OTHER_UID" --socket "$T/foreign/own/s"
	mkdir -m 1777 shared
	as_other_user ln -s "$T" shared/link
	refuses "$T/shared/link belongs to user $OTHER_UID" --socket "$T/shared/link/s"
	chmod +t foreign
	refuses "$T/foreign belongs to user $OTHER_UID" --socket "$T/foreign/s"
}

# A link or a file that another user has put in the way, where it may.
test_planted_names_are_not_followed() {
	need_other_user
	mkdir -m 1777 shared
	install -m 600 /dev/null secret
	as_other_user ln -s "$T/secret" shared/s.new
	as_other_user ln -s "$T/secret" shared/s.lock
	refuses "cannot create $T/shared/s.lock: " --socket "$T/shared/s"
	rm shared/s.lock
	as_other_user touch shared/s.lock
	as_other_user chmod 666 shared/s.lock
	refuses "$T/shared/s.lock" --socket "$T/shared/s"
	# With fs.protected_regular, the file is not even opened.
	grep -qE "$T/shared/s.lock(: Permission denied| is not a file of this daemon's user; choose another)" refused.log ||
		die "$(cat refused.log)"
	rm shared/s.lock
	# An old socket, so that the new one is bound at s.new.
	start_readyd --socket "$T/shared/s"
	kill_readyd
	as_other_user ln -sf "$T/secret" shared/s.new
	start_readyd --socket "$T/shared/s"
	READYD_SOCKET=$T/shared/s alive
	expect "the file" "$(stat -c '%a %U %s %F' secret)" "600 root 0 regular empty file"
	kill "$DAEMON"
	ends 0
}

# Its owner replaces the directory while the daemon runs.
test_the_socket_is_not_bound_again_where_others_may_write() {
	need_root
	mkdir -m 755 run
	export READYD_SOCKET=$T/run/s
	start_readyd --socket "$READYD_SOCKET"
	chmod 777 run
	rm run/s
	until_true 60 grep -q "cannot bind the socket again: other users may write to $T/run" readyd.log
	! exists run/s || die "the socket is there"
	chmod 755 run
	until_true 60 exists run/s
	alive
}

# The directory of markers that readyd(8) recommends, against a third user.
test_a_directory_of_the_workers_user_keeps_others_out() {
	need_other_user
	mkdir -m 755 markers
	chown "$OTHER_UID" markers
	export READYD_DIR=$T/markers
	start_readyd --dir "$READYD_DIR"
	spawn "${AS_OTHER_USER[@]}" sleep 1000
	PID=$LAST
	start_waiter daemon "$PID"
	! setpriv --reuid 1234 --regid 1234 --clear-groups touch "$(marker "$PID")" 2>/dev/null || die "others may write there"
	SINCE=$(now_ms)
	as_other_user touch "$(marker "$PID")"
	waiter_ends 0 "$READY"
}

# --- the filter of system calls

need_sandbox() { [ "$(counter sandbox)" = on ] || skip "built without the filter, or no list for this machine"; }

test_each_process_is_filtered() {
	local pid
	start_all_processes
	need_sandbox
	for pid in "$DAEMON" "$SPAWNER" "$SCOUT"; do
		expect_field "$pid" Seccomp 2
	done
}

# The whole life of a daemon: a call that it needs and may not make would end it by SIGSYS.
test_the_filter_permits_what_the_daemon_does() {
	start_all_processes --max-clients 4
	need_sandbox
	kill -HUP "$DAEMON"
	until_true 60 grep -q 'SIGHUP: rechecking everything' readyd.log
	rm s
	until_true 60 counter_is rebinds 1
	rm s.lock
	until_true 60 grep -q 'the lock was lost' readyd.log
	marker_ends_a_new_wait daemon
	kill_and_reap "$PID"
	expect_status daemon 4 'exited .*' "$PID"
	mv m n
	mkdir m
	marker_ends_a_new_wait daemon
	kill "$DAEMON"
	ends 0
	# A core that is denied to a process would show as SIGSYS in the status of the loop or of a scout.
	! grep -q 'has ended' readyd.log || die "$(cat readyd.log)"
}

# --- another user

# user_directory USER: a directory for its socket.
user_directory() {
	mkdir -m 755 run
	chown "$1" run
	export READYD_SOCKET=$T/run/s
	chmod 755 .
}

expect_user() { # PID UID:GID
	expect_field "$1" Uid "$(printf '%s\t' "${2%:*}" "${2%:*}" "${2%:*}")${2%:*}"
	expect_field "$1" Gid "$(printf '%s\t' "${2#*:}" "${2#*:}" "${2#*:}")${2#*:}"
	expect_field "$1" Groups " "
}

test_the_user_changes() {
	local pid
	need_other_user
	user_directory 1234
	export READYD_TRUST_UID=1234
	start_all_processes --socket "$READYD_SOCKET" --user 1234:2345
	for pid in "$DAEMON" "$SPAWNER" "$SCOUT"; do
		expect_user "$pid" 1234:2345
	done
	expect_field "$DAEMON" CapEff "$(shared_rights $SYS_PTRACE)"
	expect_field "$SCOUT" CapEff "$(shared_rights $SYS_PTRACE_AND_DAC_READ_SEARCH)"
	marker_ends_a_new_wait daemon
	rm run/s run/s.lock
	until_true 60 counter_is rebinds 1
	expect "owner of the socket" "$(stat -c %u run/s)" 1234
	kill "$DAEMON"
	ends 0
	expect "what is left" "$(ls run)" ""
}

test_a_user_is_found_by_its_name() {
	need_root
	getent passwd nobody >/dev/null || skip "there is no user nobody"
	user_directory nobody
	start_readyd --socket "$READYD_SOCKET" --user nobody
	expect_user "$DAEMON" "$(id -u nobody):$(id -g nobody)"
}

without_passwd() {
	tmpfs "$T/etc"
	mount --bind "$T/etc" /etc
	user_directory 1234
	start_readyd --socket "$READYD_SOCKET" --user 1234
	expect_user "$DAEMON" 1234:1234
	expect_exit 2 "$READYD" --user nobody 2>err
	grep -q "readyd: --user: 'nobody' is not a number, and /etc/passwd cannot be read; use UID\[:GID\]" err || die "$(cat err)"
}
test_a_number_needs_no_file_of_users() {
	need_root
	in_namespaces -m without_passwd
}

test_a_user_that_cannot_be_had_is_refused() {
	local user
	need_other_user
	for user in '' no-such-user 12: 12:x :12 4294967295 -1; do
		expect_exit 2 "$READYD" --user "$user" 2>err
		grep -q "readyd: --user: '$user' is not a user in /etc/passwd, or UID\[:GID\]; try" err || die "$(cat err)"
	done
	# The socket could not be bound again.
	mkdir -m 755 run
	refuses "cannot create $T/run/s.lock: Permission denied" --socket "$T/run/s" --user 1234
	as_other_user timeout 60 "$READYD" --dir "$T/m" --socket "$T/s" --user 1234 2>err && die "it starts"
	grep -q 'cannot change to the user 1234: Operation not permitted; start readyd as root, or without --user' err || die "$(cat err)"
}

# --- what is inherited

test_what_is_inherited_has_no_effect() {
	need python3
	mkdir -p m gone
	cd gone || return
	UNDER=(python3 -c '
import os, signal, sys, resource
os.umask(0o777)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
timers = {signal.SIGALRM, signal.SIGPROF}
for number in set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP} - timers:
    signal.signal(number, signal.SIG_IGN)
# One is pending, the other one is to come.
os.kill(os.getpid(), signal.SIGALRM)
signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.execvp(sys.argv[1], sys.argv[1:])')
	start_readyd
	cd "$T" || return
	mv gone/readyd.log .
	rmdir gone
	expect "working directory" "$(readlink "/proc/$DAEMON/cwd")" /
	expect "descriptors" "$(awk '/^Max open files/ { print $4 }' "/proc/$DAEMON/limits")" "$(ulimit -Hn)"
	expect "mode of the socket" "$(stat -c %a s)" 666
	expect "mode of the lock" "$(stat -c %a s.lock)" 600
	expect_field "$DAEMON" Umask 77
	marker_ends_a_new_wait daemon
	kill -HUP "$DAEMON"
	until_true 60 grep -q 'SIGHUP: rechecking everything' readyd.log
	# Another start, over what the first one leaves.
	kill_readyd
	start_readyd
	marker_ends_a_new_wait daemon
	kill "$DAEMON"
	ends 0
}

# A log that has reached its limit.
test_a_full_log_does_not_end_the_daemon() {
	mkdir -p m
	# In blocks of 1024 bytes.
	UNDER=(bash -c 'ulimit -f 1 && exec "$@"' bash)
	start_readyd
	for _ in {1..40}; do
		kill -HUP "$DAEMON"
		alive
	done
	expect "bytes of the log" "$(stat -c %s readyd.log)" 1024
	kill "$DAEMON"
	ends 0
}

# --- descriptors that a client sends

# The last close of a descriptor that a client sends takes 1000 seconds. The kernel does not refuse it, as before
# Linux 6.16.
test_descriptors_that_are_not_refused_do_not_block() {
	need_strace
	UNDER=(strace -D -f -o strace.out -e trace=getsockopt -e inject=getsockopt:error=ENOPROTOOPT:when=1)
	start_for_python --max-clients 4
	grep -q INJECTED strace.out || die "the socket refuses descriptors: $(cat strace.out)"
	write_lingering
	TARGET=$DAEMON python <<-'EOT'
	import signal

	from lingering import lingering

	daemon = int(os.environ["TARGET"])

	def state(pid):
	    with open(f"/proc/{pid}/stat") as stat:
	        return stat.read().rpartition(")")[2].split()[0]

	# The daemon reads nothing before all has been sent: else it could close the connection first, and the last reference
	# to the sender would be here.
	def attack(*before):
	    os.kill(daemon, signal.SIGSTOP)
	    while state(daemon) not in "Tt":
	        time.sleep(0.001)
	    client = Client()
	    sender, receiver = lingering()
	    for text in before:
	        client.send(text)
	    socket.send_fds(client.socket, [b"PING\n"], [sender.fileno()])
	    sender.close()
	    os.kill(daemon, signal.SIGCONT)
	    return client, receiver

	def answers():
	    client = Client(5)
	    same(client.ask("PING"), "PONG")
	    client.close()

	answers()
	receivers = []
	# With a request, after another one, and behind what the daemon closes unread after a line that is too long.
	for before in ((), ("PING\n",), ("x" * 20000,)):
	    client, receiver = attack(*before)
	    receivers.append(receiver)
	    answers()
	    client.close()
	    answers()
	# One client too many.
	clients = [Client() for _ in range(4)]
	for client in clients:
	    same(client.ask("PING"), "PONG")
	_, receiver = attack()
	for client in clients:
	    same(client.ask("PING"), "PONG")
	open("sent", "w").close()
	EOT
	exists sent
	kill "$DAEMON"
	until_true 5 has_ended "$DAEMON"
}

# A client that is not accepted yet when the daemon ends has sent such a descriptor.
test_descriptors_that_are_in_the_backlog_do_not_block() {
	need_strace
	UNDER=(strace -D -f -o strace.out -e trace=getsockopt -e inject=getsockopt:error=ENOPROTOOPT)
	start_for_python
	UNDER=()
	write_lingering
	TARGET=$DAEMON python <<-'EOT'
	import signal

	from lingering import lingering

	daemon = int(os.environ["TARGET"])

	def state(pid):
	    with open(f"/proc/{pid}/stat") as stat:
	        return stat.read().rpartition(")")[2].split()[0]

	receivers = []

	# More than are accepted in one pass of the loop come first.
	def attack():
	    os.kill(daemon, signal.SIGSTOP)
	    while state(daemon) not in "Tt":
	        time.sleep(0.001)
	    clients = [Client() for _ in range(40)]
	    sender, receiver = lingering()
	    socket.send_fds(clients[-1].socket, [b"PING\n"], [sender.fileno()])
	    sender.close()
	    receivers.append(receiver)
	    return clients

	clients = attack()
	os.kill(daemon, signal.SIGTERM)
	os.kill(daemon, signal.SIGCONT)
	open("sent", "w").close()
	began = time.monotonic()
	while os.path.exists(f"/proc/{daemon}/fd/0"):
	    assert time.monotonic() < began + 20, "the daemon does not end"
	    time.sleep(0.01)
	EOT
	exists sent
	until_true 5 has_ended "$DAEMON"
}

run_tests "$@"
