#!/usr/bin/env bash
# The owner of a marker, where worker and observer see different numbers for one owner.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

IDMAP=$BUILD/tests/fs/idmap
FOREIGN='stale [0-9]+ start=[0-9]+ reason=foreign-owner.*'

# map_owners FIRST: m shows the owners 0 to 65535 as FIRST and the following, from now on in this mount namespace.
map_owners() { "$IDMAP" "$T/m" "$T/m" 0 "$1" 65536; }

need_idmap() {
	need_root
	need setpriv
	[ -x "$IDMAP" ] || skip "built without mount_setattr"
	chmod 755 "$T"
	tmpfs m -o mode=1777
	(unshare -m true && map_owners 100000 && umount m) 2>idmap.log ||
		skip "no id-mapped mount on tmpfs: $(tail -n 1 idmap.log)"
}

has_uid() { grep -qs "^Uid:.$1" "/proc/$PID/status"; }

# spawn_worker_as UID COMMAND: a worker in a mount namespace of its own, in which the command is run first. It writes its
# marker when `go` is written to.
spawn_worker_as() {
	rm -f go
	mkfifo go
	spawn unshare -m --propagation private bash -c '
		set -e
		export T=$2 IDMAP=$3
		eval "$1"
		exec setpriv --reuid="$0" --regid="$0" --clear-groups sh -c "
			read -r _ <go && : >$T/m/ktstr-worker-ready-\$\$ && exec sleep 1000"' "$1" "$2" "$T" "$IDMAP"
	PID=$LAST
	until_true 60 has_uid "$1"
}

ready_for_all() {
	start_waiter "$1" "$PID"
	SINCE=$(now_ms)
	echo >go
	waiter_ends 0 "$READY"
	expect_status "$1" 0 "$READY" "$PID"
}

# The worker's user is 100005 for the kernel and here; the file belongs to 5, but to 100005 where the worker is.
mapped_for_the_worker() {
	need_idmap
	start_readyd
	for backend in daemon file; do
		spawn_worker_as 100005 '"$IDMAP" "$T/m" "$T/m" 0 100000 65536'
		ready_for_all $backend
		expect "owner here" "$(stat -c %u "$(marker "$PID")")" 5
	done
}
test_a_marker_on_a_mount_that_is_id_mapped_for_the_worker() { in_namespaces -m mapped_for_the_worker; }

# The same the other way round: the worker's user and the file's owner are 5, which is 100005 here.
mapped_for_the_observer() {
	need_idmap
	spawn_worker_as 5 :
	map_owners 100000
	start_readyd
	echo >go
	until_true 60 exists "$(marker "$PID")"
	expect "owner here" "$(stat -c %u "$(marker "$PID")")" 100005
	both_backends expect_status 0 "$READY" "$PID"
}
test_a_marker_on_a_mount_that_is_id_mapped_for_the_observer() { in_namespaces -m mapped_for_the_observer; }

# Another user's file is that on any mount.
foreign_for_both() {
	need_idmap
	spawn_worker_as 100005 '"$IDMAP" "$T/m" "$T/m" 0 100000 65536'
	mark "$PID"
	chown 7 "$(marker "$PID")"
	start_readyd
	both_backends expect_status 5 "$FOREIGN" "$PID"
}
test_a_foreign_marker_on_an_id_mapped_mount() { in_namespaces -m foreign_for_both; }

# In a user namespace all users that it does not map have one number. That two of them look alike proves nothing.
not_ready_inside() {
	local got
	READYD_BACKEND="file" ctl status "$1" >inside || :
	got=$(cat inside)
	echo "$got"
	expect "uid of the process" "$(awk '$1 == "Uid:" { print $2 }' "/proc/$1/status")" 65534
	expect "owner of the marker" "$(stat -c %u "$T/m/ktstr-worker-ready-$1")" 65534
	[[ $got != ready* ]] || die "said of an unmapped user's marker"
	[ $# -lt 2 ] || READYD_BACKEND=auto expect_exit 0 ctl -q wait --timeout 10 "$1"
}

unmapped_owner() {
	need_root
	chmod 755 "$T"
	mkdir -m 1777 m
	spawn_worker_as 5 :
	mark "$PID"
	chown 7 "$(marker "$PID")"
	in_namespaces -Ur not_ready_inside "$PID"
	rm "$(marker "$PID")"
	start_readyd
	echo >go
	until_true 60 exists "$(marker "$PID")"
	expect_status daemon 0 "$READY" "$PID"
	in_namespaces -Ur not_ready_inside "$PID" asking
}
test_an_owner_without_a_number_in_a_user_namespace() { unmapped_owner; }

is_a_second_old() { [ $((EPOCHSECONDS - $(stat -c %Z "$1"))) -gt 1 ]; }

as_attacker() { setpriv --reuid="$OTHER_UID" --regid="$OTHER_UID" --clear-groups "$@"; }

# others_move_a_file BACKEND COMMAND...: the command gives the name of the marker to a file a/old, which is the worker's
# user's and older than the worker.
others_move_a_file() {
	local backend=$1
	shift
	rm -rf m a
	mkdir -m 1777 m
	mkdir -m 777 a
	: >a/old
	chown 1000 a/old
	[ "$(stat -c %W a/old)" -gt 0 ] || skip "the file system does not keep times of birth"
	until_true 60 is_a_second_old a/old
	spawn setpriv --reuid=1000 --clear-groups sleep 1000
	PID=$LAST
	until_true 60 has_uid 1000
	start_waiter "$backend" "$PID"
	"$@" a/old "$(marker "$PID")"
	expect_status "$backend" 1 "pending $PID start=[0-9]+ reason=age-unknown.*" "$PID"
	kill -0 "$WAITER" || die "the wait has ended: $(cat "out.$WAITER")"
	# What the process itself leaves there counts.
	SINCE=$(now_ms)
	rm "$(marker "$PID")"
	setpriv --reuid=1000 --clear-groups touch "$(marker "$PID")"
	waiter_ends 0 "$READY"
}

test_a_file_that_others_move_to_the_name_is_not_a_marker() {
	need_root
	need setpriv
	chmod 755 "$T"
	start_readyd
	both_backends others_move_a_file as_attacker mv
	# As where fs.protected_hardlinks is 0.
	both_backends others_move_a_file ln
}

# Of a process that is gone no user is known: another user's file there must not turn a crash into `exited`, with which
# --for=end succeeds.
test_a_file_of_another_user_is_no_marker_of_a_process_that_is_gone() {
	need_root
	need setpriv
	chmod 755 "$T"
	mkdir -m 1777 m
	start_readyd
	as_attacker touch "$(marker "$NO_SUCH_PID")"
	both_backends expect_status 3 "died $NO_SUCH_PID reason=identity-unknown empty=1" "$NO_SUCH_PID"
	run 3 wait --for=end "$NO_SUCH_PID"
	# For that user it may be one of its own.
	expect_exit 4 as_attacker "$READYCTL" status "$NO_SUCH_PID"
	rm "$(marker "$NO_SUCH_PID")"
	mark "$NO_SUCH_PID"
	both_backends expect_status 4 "exited $NO_SUCH_PID empty=1" "$NO_SUCH_PID"
}

# gone_and_moved BACKEND FILE WORDS: a file of root that others have given the name of a process that never was.
gone_and_moved() {
	as_attacker mv "$2" "$(marker "$NO_SUCH_PID")"
	expect_status "$1" 3 "died $NO_SUCH_PID $3" "$NO_SUCH_PID"
	rm "$(marker "$NO_SUCH_PID")"
}

# With a file of its own that root has left in a directory of others: --for=end would take a crash for a good end.
test_a_file_that_others_move_to_the_name_of_a_process_that_is_gone() {
	need_root
	need setpriv
	chmod 755 "$T"
	mkdir -m 1777 m
	mkdir -m 777 a
	start_readyd
	for backend in file daemon; do
		echo ready >a/old
		touch -d '1 hour ago' a/old
		gone_and_moved $backend a/old "reason=age-unknown"
		echo ready >a/linked
		ln -f a/linked a/other
		gone_and_moved $backend a/linked "reason=age-unknown"
	done
}

# wait_for_a_start BACKEND: files of others neither start nor end a wait for a process that has not started.
wait_for_a_start() {
	local file
	file=$(marker "$NO_SUCH_PID")
	: >a/old
	[ "$(stat -c %W a/old)" -gt 0 ] || skip "the file system does not keep times of birth"
	until_true 60 is_older_than_stamps_are_exact a/old
	READYD_BACKEND=$1 spawn_waiters 1 --not-started=wait --for=end --timeout 60 "$NO_SUCH_PID"
	WAITER=${WAITERS[0]}
	until_true 60 have_checked "$WAITER"
	as_attacker touch "$file"
	READYD_BACKEND=$1 expect_exit 124 ctl -q wait --not-started=wait --for=end --timeout 0.2 "$NO_SUCH_PID" 2>err
	grep -q "is not-started; its marker .*: identity-unknown;" err || die "$(cat err)"
	rm "$file"
	has_looked "$WAITER"
	as_attacker mv a/old "$file"
	has_looked "$WAITER"
	rm "$file"
	has_looked "$WAITER"
	SINCE=$(now_ms)
	mark "$NO_SUCH_PID"
	waiter_ends 0 "exited $NO_SUCH_PID.*"
	rm "$file"
}
is_older_than_stamps_are_exact() { [ $(($(date +%s%N) - $(date -r "$1" +%s%N))) -gt 100000000 ]; }
slept() { awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "/proc/$1/status"; }
has_slept_since() {
	[ -e "/proc/$1" ] || die "the wait has ended: $(cat "out.$1" "err.$1")"
	[ "$(slept "$1")" -ge $(($2 + 3)) ]
}
# It has looked at what is there now.
has_looked() {
	local since
	since=$(slept "$1")
	until_true 60 has_slept_since "$1" "$since"
}

test_a_file_of_another_user_is_no_start_of_a_process() {
	need_root
	need setpriv
	chmod 755 "$T"
	mkdir -m 1777 m
	mkdir -m 777 a
	wait_for_a_start file
	start_readyd
	wait_for_a_start auto
}

run_tests "$@"
