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

run_tests "$@"
