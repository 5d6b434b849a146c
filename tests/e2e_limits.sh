#!/usr/bin/env bash
# A shortage (of inotify, space, inodes or descriptors) or a flood (of events, connections or daemons) makes answers
# later, not wrong, and is named where the user can do something about it.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

ended_daemons() {
	local pid
	ENDED=0
	for pid in "${DAEMONS[@]}"; do
		kill -0 "$pid" 2>/dev/null || ENDED=$((ENDED + 1))
	done
	[ "$ENDED" -ge $((${#DAEMONS[@]} - 1)) ]
}

test_only_one_of_many_daemons_serves() {
	local pid got count=100 left=()
	! is_sanitized || count=30
	mkdir m
	mkfifo go
	exec 8<>go
	DAEMONS=()
	while [ ${#DAEMONS[@]} -lt "$count" ]; do
		spawn bash -c 'read -r <go; exec "$@" 2>"log.$$"' - "$READYD" -s "$T/s" -d "$T/m"
		DAEMONS+=("$LAST")
	done
	printf '%*s' "$count" "" | tr ' ' '\n' >&8
	until_true 60 ended_daemons
	until_true 60 ctl -q ping 2>/dev/null
	for pid in "${DAEMONS[@]}"; do
		if kill -0 "$pid" 2>/dev/null; then
			left+=("$pid")
			continue
		fi
		got=0
		wait "$pid" || got=$?
		expect "exit status of the other daemons" "$got" 1
		grep -q "another readyd serves $T/s" "log.$pid" || die "no reason: $(cat "log.$pid")"
	done
	expect "daemons that serve" "${#left[@]}" 1
	expect "the one that answers" "$(counter pid)" "${left[0]}"
}

limit() { echo "$2" >"/proc/sys/user/max_inotify_$1"; }

inotify_is_used_up() {
	local kind=$1 setting=$2
	limit "$kind" 0
	start_readyd
	expect "watching" "$(counter watching)" 0
	grep -q "warning: cannot watch $T/m: .*$setting" readyd.log || die "not named: $(cat readyd.log)"
	spawn_worker
	start_waiter daemon "$PID"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
	spawn_worker
	READYD_BACKEND="file" spawn_waiters 1 "$PID"
	WAITER=${WAITERS[0]}
	until_true 60 each_holds '*pidfd*' "$WAITER"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
	spawn_worker
	READYD_BACKEND="file" expect_exit 124 ctl wait --json --timeout 0.1 "$PID" >out 2>err
	grep -q '"via":"polling"' out || die "not by polling: $(cat out)"
	start_waiter daemon "$PID"
	expect "warnings" "$(grep -c warning readyd.log)" 1
	limit "$kind" 1000
	SINCE=$(now_ms)
	until_true 60 counter_is watching 1
	within_soon "watching again" "$SINCE"
	grep -q "watching $T/m again" readyd.log || die "not logged: $(cat readyd.log)"
	mark "$PID"
	all_end 0 "$WAITER"
}

# The limit is reached while the daemon runs: it keeps its watches, and cannot add the one for the new directory.
inotify_runs_out_later() {
	start_readyd
	spawn_worker
	start_waiter daemon "$PID"
	limit watches 1
	exec 8<m
	rm -r m
	mkdir m
	until_true 60 counter_is watching 0
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
	limit watches 1000
	spawn_worker
	start_waiter daemon "$PID"
	until_true 60 counter_is watching 1
}

test_no_inotify_instances_are_left() { in_namespaces -Urm inotify_is_used_up instances fs.inotify.max_user_instances; }
test_no_inotify_watches_are_left() { in_namespaces -Urm inotify_is_used_up watches fs.inotify.max_user_watches; }
test_no_inotify_watches_are_left_later() { in_namespaces -Urm inotify_runs_out_later; }

file_system_is_full() {
	start_readyd
	spawn_worker
	dd if=/dev/zero of=m/ballast bs=4096 2>/dev/null && die "it is not full"
	both_backends timeout_names full
	start_waiter daemon "$PID"
	echo ready 2>/dev/null >"$(marker "$PID")" && die "it is not full"
	all_end 0 "$WAITER"
	# The daemon's word does not say it, a look does.
	grep -qxE "ready $PID$AGE start=[0-9]+" "out.$WAITER" || die "not the daemon's word: $(cat "out.$WAITER")"
	both_backends expect_status 0 "ready $PID$AGE start=[0-9]+ empty=1" "$PID"
	READYD_BACKEND=daemon ctl status --json "$PID" | grep -q '"empty":true' || die "not in JSON"
}

timeout_names() {
	READYD_BACKEND=$1 expect_exit 124 ctl wait --json --timeout 0.2 "$PID" >out 2>err
	grep -q "\"directory\":\"$2\"" out || die "'$2' is not in: $(cat out)"
	grep -q "directory: $2;" err || die "'$2' is not in: $(cat err)"
}

small_file_system() {
	tmpfs m -o size=64k
	file_system_is_full
}

inodes_are_used_up() {
	local n=0
	tmpfs m -o nr_inodes=8
	start_readyd
	spawn_worker
	while : 2>/dev/null >"m/ballast-$n"; do n=$((n + 1)); done
	both_backends timeout_names out-of-inodes
	start_waiter daemon "$PID"
	mark "$PID" 2>/dev/null && die "it is not out of inodes"
	rm m/ballast-0
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

file_system_is_read_only() {
	mkdir m
	mount --bind m m
	start_readyd
	spawn_worker
	start_waiter daemon "$PID"
	mount -o remount,bind,ro m
	both_backends timeout_names read-only
	mark "$PID" 2>/dev/null && die "it is not read-only"
	mount -o remount,bind,rw m
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

test_a_full_file_system_is_named() { in_both_mount_namespaces small_file_system; }
test_a_file_system_without_inodes_is_named() { in_both_mount_namespaces inodes_are_used_up; }
test_a_read_only_file_system_is_named() { in_namespaces "$MOUNTS" file_system_is_read_only; }

# A stale marker, and few descriptors to examine the process with: the answer is stale or unknown, never ready. With
# 3 the loader may not even find the libraries (exit status 127).
with_few_descriptors() {
	local limit got
	mkdir -p m
	echo ready >"$(marker 205)"
	until_true 60 is_surely_older "$(marker 205)"
	spawn_worker_with_pid 205
	for limit in 3 4 5 6 7 8 16; do
		got=0
		READYD_BACKEND="file" prlimit --nofile="$limit" "$READYCTL" status 205 >out 2>err || got=$?
		grep -Eqx '1|5|125|127' <<<"$got" || die "with $limit descriptors: exit status $got; $(cat out err)"
	done
	expect "with 16" "$got" 5
	got=0
	READYD_BACKEND="file" prlimit --nofile=4 "$READYCTL" wait --timeout 1 205 >out 2>err || got=$?
	expect "wait with 4" "$got" 124
	grep -q 'no-resources' err || die "no reason: $(cat err)"
}
test_few_descriptors_make_nothing_ready() {
	need prlimit
	in_pid_namespace with_few_descriptors
}

counted_events() { [ "$(counter events)" -ge "$1" ]; }

test_a_flood_of_events_delays_no_waiter() {
	need_other_user
	need python3
	start_readyd
	chmod 1777 m
	spawn python3 -c 'import os, sys
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
name = sys.argv[1] + "/ktstr-worker-ready-%d"
while True:
    for n in range(4000000, 4000100):
        os.close(os.open(name % n, os.O_CREAT | os.O_WRONLY))
        os.unlink(name % n)' "$T/m" "$OTHER_UID"
	until_true 60 counted_events 10000
	for _ in 1 2 3; do
		both_backends marker_ends_a_new_wait
	done
	ctl ping
}

write_flooder() {
	cat >flood.py <<'END'
import os, signal, socket, sys

path, count, uid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgid(uid)
os.setuid(uid)
held, refused = [], 0
while len(held) + refused < count:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(path)
    try:
        client.sendall(b"PING\n")
    except BrokenPipeError:
        pass  # refused already; the error line can still be read
    line = client.recv(200)
    if line == b"PONG\n":
        held.append(client)
    elif line.startswith(b"ERR too-many-clients"):
        refused += 1
    else:
        sys.exit("neither served nor refused: %r" % line)
print(len(held), refused, flush=True)
signal.pause()
END
}

test_a_flood_of_connections_leaves_room_for_other_users() {
	need_other_user
	need python3
	write_flooder
	start_readyd --max-clients 40
	spawn python3 flood.py "$T/s" 60 "$OTHER_UID" >flood.out
	until_true 60 test -s flood.out
	expect "served and refused" "$(cat flood.out)" "20 40"
	expect "warnings" "$(grep -c "too many clients" readyd.log)" 1
	both_backends marker_ends_a_new_wait
	READYD_BACKEND=daemon setpriv --reuid=12345 --clear-groups timeout 60 "$READYCTL" ping
	spawn_worker
	mark "$PID"
	as_other_user timeout 60 "$READYCTL" status "$PID" | grep -qxE "$READY" || die "the user with too many connections gets no answer"
	kill "$LAST"
}

# Root and the daemon's user have no limit of their own, only the one for all clients.
test_a_flood_of_connections_by_root_is_limited() {
	need_root
	need python3
	write_flooder
	start_readyd --max-clients 40
	spawn python3 flood.py "$T/s" 60 0 >flood.out
	until_true 60 test -s flood.out
	expect "served and refused" "$(cat flood.out)" "40 20"
	kill_and_reap "$LAST"
	until_true 60 counter_is clients 1
}

run_tests "$@"
