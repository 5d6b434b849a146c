#!/usr/bin/env bash
# /proc that is long, hidden, missing, or that of another pid namespace. What cannot be read of a process is unknown:
# never ready for a marker that an earlier process may have left.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

UNKNOWN='pending [0-9]+.* reason=identity-unknown.*'

# --- a long status

# spawn_first_of_namespace GROUPS: the first process of a pid namespace, in so many groups. $PID is its pid here.
spawn_first_of_namespace() {
	spawn setpriv --groups "$(seq -s, 1000000001 $((1000000000 + $1)))" unshare --pid --fork --kill-child sleep 1000
	until_true 60 first_child_of "$LAST"
	until_true 60 grep -qsx sleep "/proc/$PID/comm"
}
first_child_of() {
	PID=$(tr -d ' ' <"/proc/$1/task/$1/children")
	[ -n "$PID" ]
}

# In a directory of its own namespace: other programs on this machine may have a first process of a namespace.
in_many_groups() {
	local count backend
	tmpfs m
	start_readyd
	for count in 10 400 1000; do
		for backend in file daemon; do
			spawn_first_of_namespace "$count"
			expect_status $backend 1 "$PENDING" "$PID"
			start_waiter $backend "$PID"
			SINCE=$(now_ms)
			: >"$(marker 1)"
			waiter_ends 0 "$READY"
			rm "$(marker 1)"
			kill -KILL "$PID"
		done
	done
}

test_a_worker_in_many_groups_and_a_child_pid_namespace() {
	need_root
	need setpriv
	in_namespaces "$MOUNTS" in_many_groups
}

# Both have the name: the one in many groups is not overlooked.
collides_in_many_groups() {
	local first
	tmpfs m
	start_readyd
	spawn_first_of_namespace 1
	first=$PID
	spawn_first_of_namespace 1000
	: >"$(marker 1)"
	both_backends expect_status 6 "unreachable $first start=[0-9]+ reason=name-collision.*" "$first"
	both_backends expect_status 6 "unreachable $PID start=[0-9]+ reason=name-collision.*" "$PID"
}

test_a_collision_with_a_worker_in_many_groups() {
	need_root
	need setpriv
	in_namespaces "$MOUNTS" collides_in_many_groups
}

# --- hidepid

# hidden HIDEPID: a process of another user than the waiter's, and a marker that an earlier process of the same user and
# pid has left.
hidden() {
	local hidepid=$1 user target backend
	user=("${AS_OTHER_USER[@]}" env "READYD_SOCKET=$READYD_SOCKET")
	mount -t proc -o "hidepid=$hidepid" proc /proc || skip "hidepid is not available"
	mkdir m
	chmod 1777 m
	setpriv --reuid=1001 --clear-groups touch "$(marker 290)"
	until_true 60 is_surely_older "$(marker 290)"
	spawn_as_1001 290
	as_other_user test -r "/proc/$PID/stat" && skip "hidepid has no effect"
	expect_status file 5 "stale $PID .*reason=older-than-process.*" "$PID"
	for target in "$PID" "$PID:1" "$PID:$(start_of "$PID")"; do
		READYD_BACKEND="file" expect_exit 1 "${user[@]}" "$READYCTL" status -d "$T/m" "$target" >out
		grep -qxE "$UNKNOWN" out || die "$target: $(cat out)"
		READYD_BACKEND="file" expect_exit 124 "${user[@]}" timeout -s KILL 60 "$READYCTL" wait -d "$T/m" --timeout 0.3 \
			"$target" >out 2>err
		grep -q "identity-unknown" err || die "$target: not explained: $(cat err)"
	done
	# A daemon that can read /proc knows.
	start_readyd --socket-mode 0666
	chmod 755 .
	for backend in daemon auto; do
		READYD_BACKEND=$backend expect_exit 5 "${user[@]}" "$READYCTL" status "$PID" >out
		READYD_BACKEND=$backend expect_exit 5 "${user[@]}" "$READYCTL" status "$PID:$(start_of "$PID")" >out
		READYD_BACKEND=$backend expect_exit 3 "${user[@]}" "$READYCTL" status "$PID:1" >out
		READYD_BACKEND=$backend expect_exit 5 timeout 60 "${user[@]}" "$READYCTL" wait --stale=fail "$PID" >out
		READYD_BACKEND=$backend expect_exit 3 timeout 60 "${user[@]}" "$READYCTL" wait "$PID:1" >out
	done
	# One that cannot does not.
	kill_readyd
	start_readyd_as_other_user
	for target in "$PID" "$PID:$(start_of "$PID")"; do
		expect_exit 1 "${user[@]}" env "READYD_SOCKET=$READYD_SOCKET" READYD_BACKEND=daemon "$READYCTL" status \
			"$target" >out
		grep -qxE "$UNKNOWN" out || die "daemon without rights, $target: $(cat out)"
		expect_exit 124 timeout -s KILL 60 "${user[@]}" env "READYD_SOCKET=$READYD_SOCKET" "$READYCTL" wait --timeout 0.3 \
			"$target" >out 2>err
	done
}

spawn_as_1001() {
	for _ in {1..100}; do
		echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
		spawn setpriv --reuid=1001 --clear-groups sleep 1000
		[ "$LAST" != "$1" ] || break
		kill_and_reap "$LAST"
	done
	PID=$LAST
	expect "pid" "$PID" "$1"
	until_true 60 grep -qsx sleep "/proc/$PID/comm"
}

test_a_leftover_is_not_ready_for_a_user_from_whom_proc_is_hidden() {
	need_other_user
	in_pid_namespace hidden 2
}

test_a_leftover_is_not_ready_for_a_user_who_may_not_read_proc() {
	need_other_user
	in_pid_namespace hidden 1
}

# What the daemon tells another user of the process of user 1001.
start_is_told() { as_other_user env READYD_BACKEND=daemon "$READYCTL" status "$PID" | grep -q start=; }
start_is_hidden() { ! start_is_told; }

# told_to STATUS ANSWER COMMAND...: by the daemon alone, to a user.
told_to() {
	local status=$1 answer=$2
	shift 2
	READYD_BACKEND=daemon expect_exit "$status" "$@" >out 2>err
	grep -qxE "$answer" out || die "$*: $(cat out err)"
}

as_owner() { setpriv --reuid=1001 --regid=1001 --clear-groups "$@"; }
as_group_member() { setpriv "--reuid=$OTHER_UID" "--regid=$OTHER_UID" --groups "2001,2002" "$@"; }
as_peer_of_group() { setpriv "--reuid=$OTHER_UID" --regid=2002 --clear-groups "$@"; }

secret_process() {
	local start as
	mkdir m
	chmod 1777 m
	chmod 755 .
	spawn_as_1001 290
	start=$(start_of "$PID")
	start_readyd --socket-mode 0666 --trusted-group 2002
	told_to 1 "pending $PID start=$start" "${AS_OTHER_USER[@]}" "$READYCTL" status "$PID"
	mount -o remount,hidepid=2 /proc || skip "hidepid is not available"
	as_other_user test -r "/proc/$PID/stat" && skip "hidepid has no effect"
	kill -HUP "$DAEMON"
	until_true 60 start_is_hidden
	told_to 1 "pending $PID status=hidden" "${AS_OTHER_USER[@]}" "$READYCTL" status "$PID"
	told_to 3 "died $PID start=1 reason=pid-reused status=hidden" "${AS_OTHER_USER[@]}" "$READYCTL" status "$PID:1"
	told_to 1 "pending $PID start=$start status=hidden" "${AS_OTHER_USER[@]}" "$READYCTL" status "$PID:$start"
	# Through a gate with a line that has no start.
	spawn "${AS_OTHER_USER[@]}" "$READYCTL" wait --timeout 60 "$PID" >waited 2>err
	until_true 60 counter_is gates 1
	as_owner touch "$(marker "$PID")"
	expect_exit 0 wait "$LAST"
	grep -qxE "ready $PID( status=hidden)?( latched=1)?( empty=1)?" waited || die "$(cat waited)"
	told_to 0 "ready $PID status=hidden empty=1" "${AS_OTHER_USER[@]}" "$READYCTL" status "$PID"
	told_to 0 "ready $PID status=hidden.*" "${AS_OTHER_USER[@]}" "$READYCTL" list
	for as in env as_owner as_group_member as_peer_of_group; do
		told_to 0 "ready $PID start=$start empty=1" "$as" "$READYCTL" status "$PID"
		told_to 0 "ready $PID start=$start.*" "$as" "$READYCTL" list
	done
	kill -KILL "$PID"
	until_true 60 counter_is remembered 1
	told_to 4 "exited $PID status=hidden empty=1" "${AS_OTHER_USER[@]}" "$READYCTL" status "$PID"
	told_to 4 "exited $PID start=$start signal=9 empty=1" "$READYCTL" status "$PID"
	told_to 4 "exited $PID start=$start signal=9 empty=1" as_owner "$READYCTL" status "$PID"
	told_to 4 "exited $PID start=$start signal=9 empty=1" as_group_member "$READYCTL" status "$PID"
	mount -o remount,hidepid=0 /proc
	kill -HUP "$DAEMON"
	until_true 60 start_is_told
}

test_the_daemon_does_not_tell_what_hidepid_hides() {
	need_other_user
	in_pid_namespace secret_process
}

# The mount itself is seen, without a signal.
proc_is_mounted_over() {
	mkdir m
	chmod 755 .
	spawn_as_1001 290
	printf '%s\n' readers1:x:5: readers:x:2002:a,b >group
	mount --bind group /etc/group
	start_readyd --socket-mode 0666 --trusted-group readers
	start_is_told || die "no start is told before"
	mount -t proc -o hidepid=1 proc /proc || skip "hidepid is not available"
	until_true 60 start_is_hidden
	told_to 1 "pending $PID start=[0-9]+" setpriv "--reuid=$OTHER_UID" --regid=2002 --clear-groups "$READYCTL" \
		status "$PID"
}

test_the_daemon_sees_that_proc_is_mounted_with_hidepid() {
	need_other_user
	in_pid_namespace proc_is_mounted_over
}

test_a_trusted_group_must_exist() {
	local group
	for group in "" nosuchgroup 65534 4294967295 -1 "root:"; do
		expect_exit 2 "$READYD" --trusted-group "$group" 2>err
		grep -q "readyd: --trusted-group: '$group' is not a group in /etc/group, or a GID other than 65534" err ||
			die "$(cat err)"
	done
}

# --- no /proc, and one that is foreign

# leftover_is_unknown WORD: the marker of the process that runs was there before; and one that comes counts.
leftover_is_unknown() {
	local backend
	# LeakSanitizer does not work under strace.
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	spawn_worker
	mark "$PID"
	start_readyd
	for backend in file daemon auto; do
		expect_status $backend 1 "$UNKNOWN" "$PID"
		expect_status $backend 1 "$UNKNOWN" "$PID:1"
		READYD_BACKEND=$backend expect_exit 124 ctl wait --timeout 0.3 "$PID" >out 2>err
		grep -q "/proc: $1" err || die "$backend: not explained: $(cat err)"
	done
	expect "procfs" "$(counter procfs)" "$1"
	for backend in file daemon auto; do
		spawn_worker
		comes_during_a_wait $backend
		kill_and_reap "$PID"
	done
}

# Without /proc, only what it traces and the daemon show that the waiter has looked before the marker comes.
comes_during_a_wait() {
	rm -f trace
	READYD_BACKEND=$1 spawn strace -qq -o trace -e trace=%file "$READYCTL" -q wait "$PID"
	WAITER=$LAST
	until_true 60 grep -qs "ktstr-worker-ready-$PID\".* ENOENT" trace
	[ "$1" = file ] || until_true 60 counter_is gates 1
	mark "$PID"
	until_true 60 has_ended "$WAITER"
	expect_exit 0 wait "$WAITER"
}

without_proc() {
	mkdir m
	mount -t tmpfs none /proc
	leftover_is_unknown missing
}

test_a_leftover_is_not_ready_without_proc() {
	need_root
	need_strace
	! is_sanitized || skip "sanitizers need /proc"
	in_namespaces "$MOUNTS" without_proc
}

# Every number of this namespace is that of another process in the /proc of the outside.
with_foreign_proc() {
	mkdir m
	leftover_is_unknown foreign
}

test_a_leftover_is_not_ready_with_the_proc_of_another_pid_namespace() {
	need_root
	need_strace
	in_namespaces "--pid --fork --kill-child" with_foreign_proc
}

run_tests "$@"
