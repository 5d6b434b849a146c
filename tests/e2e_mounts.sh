#!/usr/bin/env bash
# The marker directory, or that of the socket, may be mounted over, unmounted, missing, replaced or inaccessible: both
# backends notice it and go on with what is there.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

serves() { READYD_SOCKET=$1 ctl stats 2>/dev/null | grep -qx "pid=$DAEMON"; }

mounted_over() {
	local early old
	start_readyd
	exec 8<m
	spawn_worker
	early=$PID
	spawn_worker
	old=$PID
	start_waiter daemon "$early"
	tmpfs m
	: >"/proc/self/fd/8/ktstr-worker-ready-$old"
	both_backends expect_status 1 "$PENDING" "$old"
	SINCE=$(now_ms)
	mark "$early"
	waiter_ends 0 "$READY"
	both_backends marker_ends_a_new_wait
	both_backends expect_status 1 "$PENDING" "$old"
}

# Markers below the mount no longer count, except for a process that the daemon has seen ready.
markers_below_a_mount() {
	local seen
	start_readyd
	spawn_worker
	seen=$PID
	mark "$seen"
	until_true 60 counter_is processes 1
	tmpfs m
	expect_status daemon 0 "ready $seen .*latched=1" "$seen"
	expect_status file 1 "$PENDING" "$seen"
	kill_readyd
	start_readyd
	expect_status daemon 1 "$PENDING" "$seen"
}

# The file backend, and a wait that began before the mount.
mounted_over_without_daemon() {
	mkdir m
	spawn_worker
	start_waiter file "$PID"
	tmpfs m
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

test_a_mount_over_the_directory_is_noticed() { in_both_mount_namespaces mounted_over; }
test_markers_below_a_mount_count_only_if_seen_before() { in_namespaces "$MOUNTS" markers_below_a_mount; }
test_a_mount_over_the_directory_is_noticed_without_daemon() { in_namespaces "$MOUNTS" mounted_over_without_daemon; }

unmounted() {
	local backend=$1
	shift
	[ "$backend" = file ] || start_readyd
	spawn_worker
	start_waiter "$backend" "$PID"
	"$@"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

unmount() { umount m; }
is_in() { [ "$(readlink "/proc/$1/cwd")" = "$2" ]; }
unmount_lazily() {
	(cd m && exec sleep 1000) &
	LAST=$!
	until_true 60 is_in "$LAST" "$T/m"
	if umount m 2>/dev/null; then die "umount succeeded although m is the cwd of a process"; fi
	umount -l m
}
unmount_and_mount() { umount m && tmpfs m; }

unmounted_in_each_way() {
	local way backend
	for backend in daemon file; do
		for way in unmount unmount_lazily unmount_and_mount; do
			echo "$backend, $way"
			tmpfs m
			unmounted $backend $way
			reap_spawned
			set -e
			! mountpoint -q m || umount m
			rm -rf m s s.lock
		done
	done
}

test_an_unmount_of_the_directory_is_noticed() { in_both_mount_namespaces unmounted_in_each_way; }

is_reachable() {
	SINCE=$(now_ms)
	until_true 60 serves "$READYD_SOCKET"
	within_soon "$1" "$SINCE"
}

locked() { [ -e "$READYD_SOCKET.lock" ]; }

socket_below_a_mount() {
	export READYD_SOCKET=$T/run/s
	mkdir run
	start_readyd --socket "$READYD_SOCKET"
	if [ "$1" = waited ]; then
		spawn_worker
		start_waiter daemon "$PID"
	fi
	tmpfs run
	is_reachable "a directory mounted over"
	umount -l run
	is_reachable "a directory unmounted"
	rm run/s
	is_reachable "a removed socket"
	rm run/s.lock run/s
	is_reachable "a removed socket and lock"
	rm run/s.lock
	is_reachable "a removed lock"
	mv run/s run/other
	is_reachable "a renamed socket"
	locked || die "no lock is held: a second daemon could start"
	expect_exit 1 timeout 60 "$READYD" -s "$READYD_SOCKET" -d "$T/m" 2>second.log
	serves "$READYD_SOCKET"
	[ "$1" = waited ] || return 0
	mark "$PID"
	all_end 0 "$WAITER"
}

test_a_socket_below_a_mount_is_created_again() { in_both_mount_namespaces socket_below_a_mount unwaited; }
test_a_socket_below_a_mount_is_created_again_with_a_waiter() { in_namespaces "$MOUNTS" socket_below_a_mount waited; }

# An init that mounts /proc too late: until then there is no notification of mounts.
socket_below_a_mount_without_proc() {
	export READYD_SOCKET=$T/run/s
	mkdir run
	tmpfs /proc
	start_readyd --socket "$READYD_SOCKET"
	tmpfs run
	is_reachable "a directory mounted over without /proc"
	mount -t proc proc /proc
	until_true 60 mounts_are_watched
	tmpfs run
	is_reachable "a directory mounted over with /proc"
}
mounts_are_watched() { find "/proc/$DAEMON/fd" -lname '*/mountinfo' | grep -q .; }
test_a_socket_below_a_mount_is_created_again_without_proc() { in_namespaces "$PIDS" socket_below_a_mount_without_proc; }

# Also before the daemon watches the new socket.
test_a_socket_removed_again_and_again_comes_back() {
	local round end=$((SECONDS + 20))
	start_readyd
	for round in {1..100}; do
		until rm s 2>/dev/null; do
			[ "$SECONDS" -lt "$end" ] || die "the socket did not come back in round $round: $(cat readyd.log)"
		done
	done
	is_reachable "a socket that was removed $round times"
}

test_a_socket_comes_back_with_its_directory() {
	export READYD_SOCKET=$T/run/s
	mkdir run
	start_readyd --socket "$READYD_SOCKET"
	mv run gone
	rm -r gone
	until_true 60 grep -q "cannot bind the socket again" readyd.log
	mkdir run
	is_reachable "a directory created again"
	expect "log lines" "$(grep -c "cannot bind the socket again" readyd.log)" 1
}

# What is no socket is not replaced. No client waits.
test_a_socket_comes_back_after_a_directory_had_its_name() {
	start_readyd
	freeze_readyd
	rm s
	mkdir s
	kill -CONT "$DAEMON"
	until_true 60 grep -q "cannot bind the socket again: $T/s exists and is not a socket" readyd.log
	kill -HUP "$DAEMON"
	until_true 60 grep -q SIGHUP readyd.log
	rmdir s
	is_reachable "a directory removed"
	expect "warnings" "$(grep -c "cannot bind the socket again" readyd.log)" 1
}

# Moving a directory raises no event for the files in it, and while no client waits there is no tick.
test_a_socket_comes_back_when_its_path_leads_elsewhere() {
	export READYD_SOCKET=$T/one/link/run/s
	mkdir -p one/real/run other/run
	ln -s real one/link
	start_readyd --socket "$READYD_SOCKET"
	mv one/real/run one/real/old
	mkdir one/real/run
	is_reachable "a directory replaced"
	mv one/real one/gone
	mkdir -p one/real/run
	is_reachable "a parent directory replaced"
	ln -s "$T/other" one/new
	mv -T one/new one/link
	is_reachable "a link that leads elsewhere"
	mv one two
	mkdir -p one/link/run
	is_reachable "all of the path replaced"
	locked || die "no lock is held"
}

is_held() { ! flock -n "$1" true; }

test_a_lock_is_kept_while_its_directory_is_away() {
	export READYD_SOCKET=$T/run/s
	mkdir run
	start_readyd --socket "$READYD_SOCKET"
	spawn_worker
	start_waiter daemon "$PID"
	for _ in 1 2 3; do
		mv run away
		until_true 60 grep -q "cannot bind the socket again" readyd.log
		is_held away/s.lock || die "the lock was given up"
		mv away run
		is_reachable "a directory that was away"
		is_held run/s.lock || die "no lock is held"
		expect_exit 1 timeout 60 "$READYD" -s "$READYD_SOCKET" -d "$T/m" 2>second.log
		grep -q "another readyd serves" second.log || die "unclear: $(cat second.log)"
		until_true 60 grep -q "has come back; serving $READYD_SOCKET again" readyd.log
		: >readyd.log
	done
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

directory_is_watched_again() {
	SINCE=$(now_ms)
	until_true 60 status_is daemon "$PENDING" "$PID"
	start_waiter daemon "$PID"
	until_true 60 counter_is watching 1
	within_soon "watching again" "$SINCE"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

# start_readyd creates $T/m, so these cases use another directory.
start_readyd_on() {
	export READYD_DIR=$1
	start_readyd --dir "$1"
}

test_a_directory_that_is_missing_at_first() {
	start_readyd_on "$T/d"
	spawn_worker
	both_backends expect_status 6 "unreachable $PID start=[0-9]+ reason=no-directory" "$PID"
	expect "watching" "$(counter watching)" 0
	mkdir d
	directory_is_watched_again
}

test_a_directory_that_is_a_file_at_first() {
	echo >d
	start_readyd_on "$T/d"
	spawn_worker
	both_backends expect_status 6 "unreachable $PID start=[0-9]+ reason=no-directory" "$PID"
	rm d
	mkdir d
	directory_is_watched_again
}

test_a_directory_that_is_a_symbolic_link_may_be_replaced() {
	mkdir real
	ln -s real d
	start_readyd_on "$T/d"
	spawn_worker
	directory_is_watched_again
	spawn_worker
	start_waiter daemon "$PID"
	mkdir other
	ln -s other link
	mv -T link d
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
	[ -e "other/ktstr-worker-ready-$PID" ] || die "the marker is not in the other directory"
	both_backends marker_ends_a_new_wait
	rm d
	spawn_worker
	both_backends expect_status 6 "unreachable $PID start=[0-9]+ reason=no-directory" "$PID"
}

test_a_directory_that_becomes_inaccessible_is_named_at_the_timeout() {
	need_other_user
	mkdir m
	spawn_worker
	READYD_BACKEND="file" spawn "${AS_OTHER_USER[@]}" "$READYCTL" wait --json --timeout 3 "$PID" >out 2>err
	until_true 60 each_holds "$INOTIFY" "$LAST"
	chmod 0 m
	until_true 60 has_ended "$LAST"
	expect_exit 124 wait "$LAST"
	grep -q '"marker":"directory-denied","directory":"denied"' out || die "not logged: $(cat out)"
	grep -q "; directory: denied;" err || die "not in words: $(cat err)"
}

test_an_unreadable_directory_is_polled() {
	need_other_user
	mkdir m
	chmod 711 m
	start_readyd_as_other_user
	grep -q "cannot watch $T/m: Permission denied" readyd.log || die "not logged: $(cat readyd.log)"
	spawn_worker
	start_waiter daemon "$PID"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
	chmod 700 m
	spawn_worker
	expect_status daemon 6 "unreachable $PID start=[0-9]+ reason=directory-denied" "$PID"
	expect_status auto 1 "$PENDING" "$PID"
	READYD_BACKEND="file" as_other_user timeout 60 "$READYCTL" status "$PID" >out 2>err && die "not refused: $(cat out)"
	expect "reason" "$(grep -c directory-denied out)" 1
	chmod 755 m
	directory_is_watched_again
}

overlay_is_remounted() {
	mkdir lower upper work m
	mount -t overlay -o "lowerdir=lower,upperdir=upper,workdir=work" none m 2>/dev/null ||
		{ tmpfs "$T/o" && mkdir o/lower o/upper o/work &&
			mount -t overlay -o "lowerdir=$T/o/lower,upperdir=$T/o/upper,workdir=$T/o/work" none m 2>/dev/null; } ||
		skip "overlayfs cannot be mounted"
	LOWER=lower
	[ ! -d o ] || LOWER=o/lower
	start_readyd
	both_backends overlaid
}

# The kernel may cache that the name does not exist; a remount drops that without an event.
overlaid() {
	spawn_worker
	: >"$LOWER/ktstr-worker-ready-$PID"
	expect_status "$1" 0 "$READY" "$PID"
	spawn_worker
	start_waiter "$1" "$PID"
	: >"$LOWER/ktstr-worker-ready-$PID"
	SINCE=$(now_ms)
	mount -o remount m
	waiter_ends 0 "$READY"
	spawn_worker
	start_waiter "$1" "$PID"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

test_a_remounted_overlay_is_noticed() { in_namespaces "$MOUNTS" overlay_is_remounted; }

run_tests "$@"
