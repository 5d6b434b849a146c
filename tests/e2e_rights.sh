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
	grep -qE "$T/shared/s.lock(: Permission denied| is not a file of this daemon's user; remove it, or)" refused.log ||
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

run_tests "$@"
