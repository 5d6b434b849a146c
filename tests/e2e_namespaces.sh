#!/usr/bin/env bash
# Workers, daemons and waiters in different namespaces, below other roots or with different privileges find the right
# marker, or say that they cannot.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

# spawn_in_namespaces FLAGS [mount]: a worker in new namespaces, which creates its marker when something is written to
# `go`; with "mount", in a file system of its own on the marker directory. $PID is its pid here, $INNER the one in its
# own namespace: below 300, see spawn_worker_with_pid, and another one than those of most other tests.
spawn_in_namespaces() {
	local flags=$1 before=${2:-}
	INNER=$((100 + RANDOM % 180))
	rm -f go inner.pid
	mkfifo go inner.pid
	# shellcheck disable=SC2086
	spawn unshare $flags bash -c '
		set -e
		case $1 in *mount*) mount -t tmpfs none "$2/m" ;; esac
		if [[ $0 = *--pid* ]]; then
			echo $(($3 - 1)) >/proc/sys/kernel/ns_last_pid
		fi
		setpriv --pdeathsig KILL bash -c "echo \$\$ >inner.pid; read -r <go; echo ready >$2/m/ktstr-worker-ready-\$\$; exec sleep 1000" &
		wait' "$flags" "$before" "$T" "$INNER"
	NAMESPACE_SHELL=$LAST
	exec 8<>inner.pid
	read -r -t 60 -u 8 INNER || die "the worker in its namespaces does not start"
	exec 8<&-
	until_true 60 find_inner
}

# Sets PID to the descendant of NAMESPACE_SHELL with the innermost pid INNER.
find_inner() {
	local pid
	for pid in $(descendants "$NAMESPACE_SHELL"); do
		[ "$(awk '$1 == "NSpid:" { print $NF }' "/proc/$pid/status" 2>/dev/null)" = "$INNER" ] || continue
		PID=$pid
		return 0
	done
	return 1
}

descendants() {
	local child
	# shellcheck disable=SC2013
	for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		echo "$child"
		descendants "$child"
	done
}

ready_in_namespaces() {
	local backend=$1
	shift
	spawn_in_namespaces "$@"
	expect_status "$backend" 1 "$PENDING" "$PID"
	start_waiter "$backend" "$PID"
	SINCE=$(now_ms)
	echo >go
	waiter_ends 0 "$READY"
	expect_status "$backend" 0 "ready $PID$AGE start=[0-9]+" "$PID"
	kill -KILL "$PID"
	until_true 60 status_is "$backend" "(died|exited) $PID .*" "$PID"
}

test_a_worker_in_another_mount_namespace() {
	need_root
	start_readyd
	both_backends ready_in_namespaces "--mount --propagation private" mount
	expect "markers here" "$(find m -name 'ktstr-*' | wc -l)" 0
}

# The marker directory is gone with the process's mount namespace; what remains is the event that reported the marker.
# One backend at a time, since a frozen daemon that has been asked would be late.
marked_and_gone() {
	local backend=$1 asker askers
	spawn unshare --mount --propagation private bash -c '
		mount -t tmpfs none "$0/m"
		echo >"$0/up"
		read -r <"$0/go"
		echo ready >"$0/m/ktstr-worker-ready-$$"
		kill -KILL $$' "$T"
	PID=$LAST
	until_true 60 exists up
	start_waiter "$backend" "$PID"
	mapfile -t askers < <(lookouts "$WAITER" | tr -s ' ' '\n')
	askers=("$WAITER" "${askers[@]}" ${DAEMON:+"$DAEMON"})
	for asker in "${askers[@]}"; do
		kill -STOP "$asker"
		until_true 60 is_stopped "$asker"
	done
	echo >go
	until_true 60 has_ended "$PID"
	kill -CONT "${askers[@]}"
	all_end 4 "$WAITER"
	grep -qE "^exited $PID$AGE start=[0-9]+ (signal=9|status=unknown)" "out.$WAITER" || die "$(cat "out.$WAITER")"
	rm up
}

test_a_marker_that_is_gone_with_its_mount_namespace() {
	need_root
	mkfifo go
	mkdir m
	DAEMON=
	marked_and_gone file
	start_readyd
	marked_and_gone daemon
}

# Something else than a file has come under the name, and is gone with the directory.
no_file_and_gone() { # BACKEND COMMAND
	spawn unshare --mount --propagation private bash -c '
		mount -t tmpfs none "$0/m"
		echo >"$0/up"
		read -r <"$0/go"
		"$1" "$0/m/ktstr-worker-ready-$$"
		read -r <"$0/leave"' "$T" "$2"
	PID=$LAST
	until_true 60 exists up
	start_waiter "$1" "$PID"
	echo >go
	until_true 60 status_is "$1" "pending $PID .*reason=not-a-file" "$PID"
	echo >leave
	all_end 3 "$WAITER"
	rm up
}

test_what_is_no_file_is_no_marker_of_a_directory_that_is_gone() {
	local kind
	need_root
	mkfifo go leave
	mkdir m
	start_readyd
	for kind in mkdir mkfifo; do
		no_file_and_gone file $kind
		no_file_and_gone daemon $kind
	done
}

test_a_worker_in_a_child_pid_namespace() {
	need_root
	need_pid_choice
	start_readyd
	both_backends ready_in_namespaces "--pid --fork --kill-child --mount-proc"
}

test_a_worker_in_a_child_pid_namespace_with_its_own_mounts() {
	need_root
	need_pid_choice
	start_readyd
	both_backends ready_in_namespaces "--pid --fork --kill-child --mount-proc --propagation private" mount
	expect "markers here" "$(find m -name 'ktstr-*' | wc -l)" 0
}

# Without the privilege to follow /proc/PID/root, where the marker would be cannot be determined.
test_a_pid_namespace_that_may_not_be_entered_is_unreachable() {
	local before
	need_other_user
	need_pid_choice
	mkdir m
	chmod 1777 m
	start_readyd_as_other_user
	spawn_in_namespaces "--pid --fork --kill-child --mount-proc --propagation private" mount
	for backend in file daemon auto; do
		before=$(now_ms)
		got=0
		READYD_BACKEND=$backend as_other_user timeout 60 "$READYCTL" wait "$PID" >out 2>err || got=$?
		within_soon "the refusal" "$before"
		expect "$backend: exit status ($(cat out err))" "$got" 6
		grep -qxE "unreachable $PID start=[0-9]+ reason=namespace-denied" out || die "$backend: $(cat out)"
		grep -q "process $PID is unreachable: .*namespace" err || die "$backend: not explained: $(cat err)"
	done
	# A client with the privilege gets its answer, whatever a daemon without it says.
	start_waiter auto "$PID"
	until_true 60 each_holds '*pidfd*' "$WAITER"
	SINCE=$(now_ms)
	echo >go
	waiter_ends 0 "$READY"
}

# A client without the privilege to look gets the answer of a daemon that has it.
test_a_daemon_with_more_privileges_than_its_client_answers() {
	local backend
	need_other_user
	need_pid_choice
	start_readyd --socket-mode 0666
	spawn_in_namespaces "--pid --fork --kill-child --mount-proc --propagation private" mount
	for backend in daemon auto; do
		expect_exit 1 as_other_user env READYD_BACKEND=$backend "$READYCTL" status "$PID"
	done
	chmod 1777 "$T"
	AS=("${AS_OTHER_USER[@]}")
	for backend in daemon auto; do
		READYD_BACKEND=$backend spawn_waiters 1 "$PID"
		until_true 60 each_holds "$GATE" "${WAITERS[0]}"
		expect_exit 124 as_other_user env READYD_BACKEND=$backend "$READYCTL" wait --timeout 0.3 "$PID"
		eval "$backend=${WAITERS[0]}"
	done
	SINCE=$(now_ms)
	echo >go
	# shellcheck disable=SC2154
	for WAITER in "$daemon" "$auto"; do waiter_ends 0 "$READY"; done
}

# with_error ERROR CALLS STATUS ARGUMENT...: readyctl by itself, on a kernel where these system calls fail.
with_error() {
	local error=$1 calls=$2 want=$3 got=0
	shift 3
	READYD_BACKEND="file" timeout 60 strace -f -qq -o trace -e trace="$calls" -e inject="$calls:error=$error" \
		"$READYCTL" "$@" >out 2>err || got=$?
	expect "exit status of '$*' ($(cat out err))" "$got" "$want"
}
without_call() { with_error ENOSYS "$@"; }

# Without openat2(2), where the marker of a process in another root is cannot be determined: Linux before 5.6, or a
# seccomp filter. Before 5.8, roots have no mount ids either.
test_an_old_kernel_serves_its_own_root_only() {
	need_root
	need_strace
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	mkdir m
	spawn_worker
	mark "$PID"
	without_call openat2,statx 0 status "$PID"
	grep -q statx trace || die "statx was not called"
	mkfifo go
	spawn_in_namespaces "--mount --propagation private" mount
	: >"$(marker "$INNER")"
	expect_status file 1 "$PENDING" "$PID"
	without_call openat2 6 status "$PID"
	grep -qxE "unreachable $PID start=[0-9]+ reason=namespace-denied" out || die "$(cat out)"
	grep -q openat2 trace || die "openat2 was not called"
	without_call openat2,statx 6 status "$PID"
	: >go
}

# As in a unit of systemd with RestrictSUIDSGID=.
test_a_daemon_that_cannot_look_below_other_roots_says_so() {
	need_strace
	UNDER=(strace -D -f -qq -o trace -e trace=openat2 -e inject=openat2:error=EPERM)
	start_readyd
	expect "warnings" "$(select_lines -c 'warning: openat2() is not available; processes with another root are unreachable' readyd.log)" 1
	UNDER=()
	kill_readyd
	start_readyd
	expect "warnings of both" "$(select_lines -c 'openat2() is not available' readyd.log)" 1
}

# A file system's error is not the end of the process, after which a marker in our directory would count.
test_a_root_that_cannot_be_examined_is_not_ours() {
	need_root
	need_strace
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	mkdir m
	mkfifo go
	spawn_in_namespaces "--mount --propagation private" mount
	mark "$INNER"
	# The first one is of our own root.
	with_error EIO:when=2+ statx 1 status "$PID"
	grep -q 'statx(.*/root' trace || die "the root was not examined"
	: >go
}

# The next process with the same inner pid may have another pid here.
test_a_reused_pid_in_a_child_pid_namespace_is_stale() {
	local before
	need_root
	need_pid_choice
	start_readyd
	spawn_in_namespaces "--pid --fork --kill-child --mount-proc"
	before=$PID
	echo >go
	until_true 60 status_is daemon "$READY" "$PID"
	kill -KILL "$before"
	until_true 60 status_is daemon "exited .*" "$before"
	spawn_with_inner_pid "$INNER"
	[ "$PID" != "$before" ] || skip "the pid is the same"
	expect_status daemon 5 "stale $PID start=[0-9]+ reason=older-than-process" "$PID"
	expect_exit 5 ctl -q wait --stale=fail "$PID"
}

# The process has its own mounts, perhaps one over the directory. That cannot be determined, and the explanation says so.
test_a_mount_namespace_that_may_not_be_entered_is_named_at_the_timeout() {
	local backend
	need_other_user
	mkdir m
	chmod 1777 m
	start_readyd_as_other_user
	spawn_in_namespaces "--mount --propagation private" mount
	for backend in file daemon auto; do
		timeout_names_directory $backend hidden
	done
	spawn_worker
	timeout_names_directory file ok
	READYD_BACKEND="file" expect_exit 124 ctl wait --json --timeout 0.3 "$PID" >out 2>err
	grep -qF '"directory":"ok"' out || die "for a process of root: $(cat out)"
}

timeout_names_directory() {
	local got=0
	READYD_BACKEND=$1 as_other_user timeout -s KILL 60 "$READYCTL" wait --json --timeout 0.3 "$PID" >out 2>err || got=$?
	expect "$1: exit status ($(cat out err))" "$got" 124
	grep -qF "\"directory\":\"$2\"" out || die "$1: $(cat out)"
	grep -qF "; directory: $2;" err || die "$1, not on standard error: $(cat err)"
}

# Two processes with the same pid in different namespaces, and one directory: both have the same marker name.
test_a_collision_of_two_child_pid_namespaces() {
	local first second backend
	need_root
	need_pid_choice
	start_readyd
	spawn_in_namespaces "--pid --fork --kill-child --mount-proc"
	first=$PID
	spawn_with_inner_pid "$INNER"
	second=$PID
	both_backends expect_status 1 "$PENDING" "$first"
	both_backends expect_status 1 "$PENDING" "$second"
	: >"$(marker "$INNER")"
	for backend in daemon file auto; do
		expect_status $backend 6 "unreachable $first start=[0-9]+ reason=name-collision.*" "$first"
		expect_status $backend 6 "unreachable $second start=[0-9]+ reason=name-collision.*" "$second"
	done
	expect_exit 6 ctl wait "$first" >out 2>err
	grep -q "process $first is unreachable: " err || die "not explained: $(cat err)"
}

# One of the two is in this namespace. The marker is ambiguous for it only as long as that marker exists. When the other
# process has ended, only the daemon still knows of it. The file backend never searches for it: a stated limit.
test_a_collision_with_a_process_of_this_namespace() {
	local here backend
	need_root
	need_pid_choice
	start_readyd
	spawn_worker
	here=$PID
	spawn_with_inner_pid "$here"
	for backend in daemon file auto; do
		start_waiter $backend "$here"
		[ $backend != auto ] || until_true 60 each_holds "$GATE" "$WAITER"
		both_backends expect_status 1 "$PENDING" "$here"
		SINCE=$(now_ms)
		mark "$here"
		if [ $backend = file ]; then
			waiter_ends 0 "$READY"
		else
			waiter_ends 6 "unreachable $here start=[0-9]+ reason=name-collision.*"
			grep -q "process $here is unreachable: " "err.$WAITER" || die "not explained: $(cat "err.$WAITER")"
		fi
		expect_status daemon 6 "unreachable $here start=[0-9]+ reason=name-collision.*" "$here"
		expect_status file 0 "$READY" "$here"
		both_backends expect_status 6 "unreachable $PID start=[0-9]+ reason=name-collision.*" "$PID"
		rm "$(marker "$here")"
	done
	mark "$here"
	expect_status daemon 6 "unreachable $here start=[0-9]+ reason=name-collision.*" "$here"
	kill -KILL "$PID"
	until_true 60 status_is daemon "died .*" "$PID"
	expect_status daemon 6 "unreachable $here start=[0-9]+ reason=name-collision.*" "$here"
	expect_status auto 6 "unreachable $here start=[0-9]+ reason=name-collision.*" "$here"
	expect_status file 0 "$READY" "$here"
	expect_exit 6 ctl -q wait "$here"
	rm "$(marker "$here")"
	start_waiter auto "$here"
	until_true 60 each_holds "$GATE" "$WAITER"
	SINCE=$(now_ms)
	mark "$here"
	waiter_ends 0 "$READY"
	kill_and_reap "$here"
	until_true 60 counter_is processes 0
}

# The gate carries the answer: its waiters neither ask the daemon again nor search for a process with the same name.
test_an_open_gate_spares_its_waiters_the_search_for_collisions() {
	local asked
	need_root
	start_readyd
	spawn unshare --pid --fork --kill-child sleep 1000
	spawn_worker
	spawn_waiters 20 "$PID"
	wait_for_gates
	until_true 60 counter_is clients 1
	asked=$(counter requests)
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	expect "requests" "$(counter requests)" $((asked + 1))
}

# No sweep is under way: nothing has been checked for a while.
is_between_sweeps() {
	SWEEPS=$(counter sweeps)
	LOOKS=$(counter looks)
	sleep 0.1
	[ "$(counter looks)" -eq "$LOOKS" ]
}

# few_others_looked COUNT: beside the sweeps, each of which checks so many, there were few looks.
few_others_looked() {
	local stats sweeps more
	stats=$(ctl stats)
	sweeps=$(($(sed -n 's/^sweeps=//p' <<<"$stats") - SWEEPS))
	more=$(($(sed -n 's/^looks=//p' <<<"$stats") - LOOKS - $1 * sweeps))
	echo "$more looks beside $sweeps sweeps"
	[ "$more" -ge 1 ] && [ "$more" -le $((8 + sweeps)) ]
}

# The process is found by its number in its own namespace, not by a check of all that is waited for.
test_a_marker_in_a_child_pid_namespace_is_found_by_few_looks() {
	local pids=()
	need_root
	start_readyd
	for _ in {1..200}; do
		spawn sleep 1000
		pids+=("$LAST")
	done
	spawn "$READYCTL" wait "${pids[@]}"
	spawn_in_namespaces "--pid --fork --kill-child"
	spawn_waiters 1 "$PID"
	until_true 60 counter_is waited 201
	until_true 60 is_between_sweeps
	echo >go
	all_end 0 "${WAITERS[@]}"
	# A sweep takes the longer the more CPU time a look takes, which is ten times as much on a busy machine.
	until_true 60 few_others_looked 200
}

# In another time namespace the start times of processes have an offset.
test_a_waiter_in_another_time_namespace() {
	local shift
	unshare --time --boottime 5000 true 2>/dev/null || skip "time namespaces are not available"
	start_readyd
	for shift in 5000 -5; do
		spawn_worker
		# shellcheck disable=SC2016
		spawn unshare --time --boottime $shift --fork --kill-child bash -c \
			'exec "$0" wait "$1" >out 2>&1' "$READYCTL" "$PID"
		WAITER=$LAST
		until_true 60 is_waiting
		mark "$PID"
		expect_exit 0 wait "$WAITER"
		grep -qE "^ready $PID$AGE start=[0-9]+" out || die "$(cat out)"
	done
	got=0
	READYD_BACKEND=daemon unshare --time --boottime 5000 "$READYCTL" status "$PID" 2>err || got=$?
	expect "exit status ($(cat err))" "$got" 125
	grep -q "the daemon is in another time namespace, .*; run readyctl there, or a daemon here" err || die "no reason: $(cat err)"
}
is_waiting() { [ -n "$(find "/proc/$(descendants "$WAITER")/fd" -lname "$INOTIFY" 2>/dev/null)" ]; }

# spawn_with_inner_pid PID: a process in another pid namespace that has that pid there.
spawn_with_inner_pid() {
	rm -f go inner.pid
	mkfifo go inner.pid
	spawn unshare --pid --fork --kill-child --mount-proc bash -c '
		echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
		bash -c "echo \$\$ >inner.pid; exec sleep 1000" &
		wait' - "$1"
	NAMESPACE_SHELL=$LAST
	exec 8<>inner.pid
	read -r -t 60 -u 8 INNER || die "the process in its namespace does not start"
	exec 8<&-
	expect "inner pid" "$INNER" "$1"
	until_true 60 find_inner
}

# walks: how often the traced programs opened /proc to read it as a directory.
walks() { select_lines -c '"/proc", .*O_DIRECTORY' trace; }
TRACED=(strace -f -qq -e trace=openat -o trace)
# traced_wait STATUS PID: runs a wait to its end.
traced_wait() { expect_exit "$1" timeout 60 "${TRACED[@]}" "$READYCTL" wait "$2" >out; }
# traced_waiter PID: starts a wait, and returns when the daemon covers it.
traced_waiter() {
	AS=("${TRACED[@]}")
	spawn_waiters 1 "$1"
	until_true 60 counter_is gates 1
}

need_traced_namespaces() {
	need_root
	need_strace
	# LeakSanitizer does not work under strace.
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	spawn unshare --pid --fork --kill-child sleep 1000
}

# Thousands of waiters do the same at once, so with a daemon none of them walks through all processes.
test_no_waiter_walks_proc() {
	need_traced_namespaces
	start_readyd
	spawn_worker
	mark "$PID"
	traced_wait 0 "$PID"
	expect "walks when it is ready already" "$(walks)" 0
	freeze_readyd
	traced_wait 0 "$PID"
	expect "walks when the daemon is frozen" "$(walks)" 0
	kill -CONT "$DAEMON"
	kill_and_reap "$PID"
	traced_wait 3 "$NO_SUCH_PID"
	expect "walks when there is no such process" "$(walks)" 0
	spawn_worker
	traced_waiter "$PID"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	expect "walks after the marker" "$(walks)" 0
	kill_and_reap "$PID"
	spawn_worker
	traced_waiter "$PID"
	kill_and_reap "$PID"
	all_end 3 "${WAITERS[@]}"
	expect "walks after a death" "$(walks)" 0
	spawn_worker
	traced_waiter "$PID"
	freeze_readyd
	mark "$PID"
	kill_and_reap "$PID"
	kill -CONT "$DAEMON"
	all_end 4 "${WAITERS[@]}"
	expect "walks after marker and death" "$(walks)" 0
}

# Without a daemon the wait must find out which process a marker belongs to, if the process is in a child pid namespace.
test_a_waiter_without_daemon_walks_proc_only_for_child_pid_namespaces() {
	local inner got=0
	need_traced_namespaces
	mkdir -p m
	inner=$LAST
	until_true 60 grep -q . "/proc/$inner/task/$inner/children"
	inner=$(tr -d ' ' <"/proc/$inner/task/$inner/children")
	spawn_worker
	mark "$PID"
	traced_wait 0 "$PID"
	expect "walks for a process of our own namespace" "$(walks)" 0
	mark 1
	# Another first process of a namespace on this machine may have left that marker; then it is found.
	timeout 60 "${TRACED[@]}" "$READYCTL" -q wait "$inner" >out || got=$?
	grep -qx '[06]' <<<"$got" || die "exit status $got"
	[ "$(walks)" -ge 1 ] || die "no walk for a process in a child pid namespace"
}

waits_with_hidepid() {
	mount -t proc -o hidepid=2 proc /proc || skip "hidepid is not available"
	start_readyd_as_other_user
	chmod 1777 m
	spawn_worker
	as_other_user test -e "/proc/$PID" && skip "hidepid has no effect"
	for backend in daemon file auto; do
		spawn_worker
		spawn "${AS_OTHER_USER[@]}" env READYD_BACKEND=$backend bash -c 'exec "$0" wait "$1"' "$READYCTL" "$PID" >out.$backend 2>&1
		until_true 60 each_holds '*pidfd*' "$LAST"
		SINCE=$(now_ms)
		mark "$PID"
		until_true 60 has_ended "$LAST"
		within_soon "telling a waiter" "$SINCE"
		wait "$LAST" || die "$backend: $(cat out.$backend)"
		grep -qE "^ready $PID" out.$backend || die "$backend: $(cat out.$backend)"
		kill_and_reap "$PID"
		rm "$(marker "$PID")"
		spawn_worker
		spawn "${AS_OTHER_USER[@]}" env READYD_BACKEND=$backend bash -c 'exec "$0" wait "$1"' "$READYCTL" "$PID" >out.$backend 2>&1
		until_true 60 each_holds '*pidfd*' "$LAST"
		kill -KILL "$PID"
		until_true 60 has_ended "$LAST"
		expect_exit 3 wait "$LAST"
	done
}

test_hidepid_changes_no_answer() {
	need_other_user
	in_namespaces -m waits_with_hidepid
}

# A worker of root, a daemon and clients of another user: they see less, and the answers are the same.
test_an_unprivileged_daemon_and_client_give_the_same_answers() {
	need_other_user
	mkdir m
	chmod 1777 m
	start_readyd_as_other_user
	both_backends marker_ends_a_new_wait
	spawn_worker
	mark "$PID"
	for backend in daemon file auto; do
		READYD_BACKEND=$backend as_other_user timeout 60 "$READYCTL" status "$PID" | grep -qxE "$READY" ||
			die "$backend: no answer for another user"
	done
	spawn "${AS_OTHER_USER[@]}" sleep 1000
	PID=$LAST
	as_other_user touch "$(marker "$PID")"
	both_backends expect_status 0 "$READY" "$PID"
}

# The kernel does not tell the daemon the exit status; the client, which runs as root, sees it.
test_an_unprivileged_daemon_does_not_know_the_exit_status() {
	need_other_user
	mkdir m
	chmod 1777 m
	start_readyd_as_other_user
	spawn_unreaped "exit 0"
	until_true 60 is_zombie "$PID"
	expect_status daemon 3 "died $PID start=[0-9]+ status=unknown" "$PID"
	expect_status auto 3 "died $PID start=[0-9]+ status=0" "$PID"
	READYD_BACKEND=auto expect_exit 3 ctl wait "$PID" >out
	grep -qxE "died $PID start=[0-9]+ status=0" out || die "no exit status: $(cat out)"
}

write_mover() {
	cat >mover.py <<'END'
import ctypes, os, signal, sys

how, directory, root = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)

def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

go = open("go")
started = open("started", "w")
name = "ktstr-worker-ready-%d" % os.getpid()
started.write("%d\n" % os.getpid())
started.close()
go.readline()
if how == "chroot":
    os.chroot(root)
else:
    check(libc.unshare(0x20000))
    check(libc.mount(b"none", b"/", None, 0x44000, None))
    check(libc.mount(b"none", directory.encode(), b"tmpfs", 0, None))
os.close(os.open(os.path.join(directory, name), os.O_CREAT | os.O_WRONLY))
signal.pause()
END
}

# The worker changes its mounts or its root after the wait has begun, and creates its marker in the directory that it
# sees then.
moves() {
	local backend=$1 how=$2
	rm -f go started
	mkfifo go started
	mkdir -p "jail$T/m"
	spawn python3 mover.py "$how" "$T/m" "$T/jail"
	exec 7<>go
	read -r PID <started
	start_waiter "$backend" "$PID"
	expect_status "$backend" 1 "$PENDING" "$PID"
	SINCE=$(now_ms)
	echo >go
	waiter_ends 0 "$READY"
	expect_status "$backend" 0 "$READY" "$PID"
	[ ! -e "$(marker "$PID")" ] || die "the marker is in the outer directory"
}

test_a_worker_that_unshares_its_mounts_during_the_wait() {
	need_root
	need python3
	write_mover
	start_readyd
	both_backends moves unshare
}

test_a_worker_that_changes_its_root_during_the_wait() {
	need_root
	need python3
	write_mover
	start_readyd
	both_backends moves chroot
}

run_tests "$@"
