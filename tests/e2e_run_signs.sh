#!/usr/bin/env bash
# What readyctl run takes as a sign of readiness besides the marker, and what it does not.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh disable=SC1091
. "$(dirname "$0")/backends.sh"

# said TEXT...: each is in the standard error of the last run.
said() {
	local text
	for text; do
		grep -qF -- "$text" err || die "'$text' is not in: $(cat err)"
	done
}

# is_over PID: it has ended; an init that does not reap may leave a zombie.
is_over() { has_ended "$1" || is_zombie "$1"; }

# becomes_ready ARGUMENT...: the detached worker is ready, and its marker lies where it always does. $PID is its pid.
becomes_ready() {
	run 0 run --detach --timeout 30 "$@"
	PID=$(cat out)
	exists "$(marker "$PID")" || die "no marker of '$PID': $(ls m)"
	mv err err.run
	run 0 status "$PID"
}

# is_not_ready TEXT ARGUMENT...: it is not, and the message says why. $UNTIL is a command that is true once the worker has
# done what it is to do; a machine that is slow gets more time.
UNTIL=true
is_not_ready() {
	local text=$1 time
	shift
	for time in 0.3 3 30; do
		run 124 run --timeout "$time" "$@"
		$UNTIL || continue
		said "$text" "not ready in time"
		expect "markers" "$(ls m)" ""
		return
	done
	die "not done: $UNTIL"
}

# write_programs: notify.py MESSAGE sends it to NOTIFY_SOCKET; listen.py ADDRESS listens there, and then runs its other
# arguments with the socket, or waits.
write_programs() {
	need python3
	mkdir m
	cat >notify.py <<'EOF'
import os, socket, sys, time
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.sendto(sys.argv[1].encode().decode("unicode_escape").encode(), os.environ["NOTIFY_SOCKET"])
time.sleep(float(sys.argv[2]))
EOF
	cat >listen.py <<'EOF'
import os, socket, sys, time
where = sys.argv[1]
if where.isdigit():
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(where)))
else:
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(where):
        os.unlink(where)
    listener.bind("\0" + where[1:] if where[0] == "@" else where)
if "--bound" not in sys.argv:
    listener.listen()
open("listens", "w").close()
time.sleep(1000)
EOF
}

# free_port: $PORT is a port of the loopback that nothing listens on.
free_port() {
	PORT=$(python3 -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])')
}

test_notify() {
	write_programs
	becomes_ready --notify -- python3 notify.py 'READY=1' 1000
	kill "$PID"
	# Its directory is for its user alone, and is gone afterwards.
	run 3 run --notify -- sh -c 'stat -c "%a %F" "${NOTIFY_SOCKET%/*}"; ls "$NOTIFY_SOCKET"'
	expect "its directory" "$(head -n 1 out)" "700 directory"
	! exists "$(tail -n 1 out)" || die "the socket is left"
	! exists "$(dirname "$(tail -n 1 out)")" || die "the directory is left"
}

test_the_status_of_a_worker_is_shown() {
	write_programs
	UNTIL='grep -q says: err'
	is_not_ready "it has not sent READY=1; its status: half way\\x1b" --notify -- python3 notify.py 'X=1\nSTATUS=half way\x1b' 1000
	said "says: half way\\x1b"
}

# READY=1 of a descendant counts, that of any other process does not.
test_notify_by_whom() {
	write_programs
	becomes_ready --notify -- sh -c 'sh -c "python3 notify.py READY=1 1000; :"; :'
	kill "$PID"
	rm "$(marker "$PID")"
	spawn "$READYCTL" run --notify --timeout 2 -- sh -c 'echo "$NOTIFY_SOCKET" >socket; exec sleep 10' 2>err
	until_true 60 test -s socket
	NOTIFY_SOCKET=$(cat socket) python3 notify.py READY=1 0
	expect_exit 124 wait "$LAST"
	said "it has not sent READY=1 (process" "is not it or a descendant"
	expect "markers" "$(ls m)" ""
	is_not_ready "it has not sent READY=1;" --notify -- python3 notify.py 'READY=0\nREADY=12\nXREADY=1' 1000
}

test_systemd_notify() {
	need systemd-notify
	mkdir m
	becomes_ready --notify -- sh -c 'systemd-notify --ready --status=up; exec sleep 1000'
	kill "$PID"
}

test_notify_fd() {
	mkdir m
	becomes_ready --notify-fd 9 -- sh -c 'printf "x\n" >&9; exec sleep 1000'
	kill "$PID"
	rm "$(marker "$PID")"
	is_not_ready "no newline has come on descriptor 3" --notify-fd 3 -- sh -c 'printf x >&3; exec sleep 1000'
	# It can go on writing there.
	run 0 run --notify-fd 3 -- sh -c 'echo >&3; sleep 0.1; head -c 200000 /dev/zero >&3'
	rm m/*
	run 1 run --notify-fd 3 -- sh -c 'exec 3>&-; exec sleep 1000'
	said "it has closed descriptor 3 without a newline" "the verdict 'pending'"
	run 3 run --notify-fd 3 -- sh -c 'exit 1'
	expect "markers" "$(ls m)" ""
}

# A worker that ends right after its sign was ready, or was not; there is no marker in the latter case.
test_a_worker_that_ends_after_its_sign() {
	local got
	mkdir m
	for _ in {1..20}; do
		got=0
		ctl run --notify-fd 3 -- sh -c 'echo >&3; exit 7' >out 2>err || got=$?
		case $got in
		3) expect "markers ($(cat err))" "$(ls m)" "" ;;
		7) rm m/* ;;
		*) die "exit status $got: $(cat err)" ;;
		esac
	done
}

test_listen_on_a_port() {
	write_programs
	free_port
	becomes_ready --listen "$PORT" -- python3 listen.py "$PORT"
	kill "$PID"
	until_true 60 is_over "$PID"
	rm "$(marker "$PID")" listens
	# By a descendant.
	becomes_ready --listen "$PORT" -- sh -c "sh -c 'python3 listen.py $PORT; :'; :"
	kill -- "-$PID"
	until_true 60 is_over "$PID"
	rm "$(marker "$PID")" listens
	UNTIL='exists listens'
	is_not_ready "it does not listen on $PORT: no process does" --listen "$PORT" -- python3 listen.py "$PORT" --bound
}

test_a_port_of_another_process_does_not_count() {
	write_programs
	free_port
	spawn python3 listen.py "$PORT"
	until_true 60 exists listens
	is_not_ready "does not listen on $PORT: another process does" --listen "$PORT" -- sleep 1000
}

# In another network namespace, the same port is another one.
test_a_port_of_the_network_namespace_of_the_worker() {
	write_programs
	free_port
	unshare -rn true 2>/dev/null || skip "unshare -n is not permitted"
	becomes_ready --listen "$PORT" -- unshare -rn sh -c "ip link set lo up 2>/dev/null; exec python3 listen.py $PORT"
	rm listens
	! is_listening_here || die "it listens here"
	kill "$PID"
	rm "$(marker "$PID")"
}
is_listening_here() { grep -q ":$(printf %04X "$PORT") 0*:0000 0A" /proc/net/tcp; }

test_listen_on_a_path() {
	write_programs
	becomes_ready --listen "$T/socket" -- python3 listen.py "$T/socket"
	kill "$PID"
	rm socket
	becomes_ready --listen ./socket -- python3 listen.py socket
	kill "$PID"
	becomes_ready --listen "@readyctl-test-$$" -- python3 listen.py "@readyctl-test-$$"
	kill "$PID"
	rm socket m/* listens
	UNTIL='exists listens'
	is_not_ready "no process does" --listen "$T/socket" -- python3 listen.py "$T/socket" --bound
	rm socket listens
	spawn python3 listen.py "$T/socket"
	until_true 60 exists listens
	is_not_ready "another process does" --listen "$T/socket" -- sleep 1000
}

test_line() {
	mkdir m
	run 0 run --print pid --line '^port [0-9]+$' -- sh -c 'echo "port x"; echo port 80; sleep 0.1; echo end'
	expect "output" "$(sed 's/^[0-9]*$/PID/' out | paste -sd ' ')" "port x port 80 PID end"
	rm m/*
	run 0 run --line ready -- sh -c 'echo "is ready" >&2; sleep 0.1'
	said "is ready"
	rm m/*
	# The line must end.
	is_not_ready "no line of its output matches 'ready'" --line ready -- sh -c 'printf ready; exec sleep 1000'
	run 1 run --line ready -- sh -c 'exec >&- 2>&-; exec sleep 1000'
	said "it has closed its output, and no line of its output matches"
	run 3 run --line ready -- sh -c 'echo no'
	expect "markers" "$(ls m)" ""
}

# Its own marker counts as well.
test_a_marker_counts_with_any_sign() {
	mkdir m
	run 0 run --notify -- sh -c 'echo >"$READYD_DIR/ktstr-worker-ready-$$"; sleep 0.1'
}

# A worker that has changed its user, and one in another root.
test_the_marker_lies_where_it_always_does() {
	need_other_user
	mkdir -m 1777 m
	becomes_ready --notify-fd 3 -- setpriv --reuid="$OTHER_UID" --clear-groups sh -c 'sleep 0.1; echo >&3; exec sleep 1000'
	expect "its owner" "$(stat -c %u "$(marker "$PID")")" "$OTHER_UID"
	kill "$PID"
	in_namespaces "$MOUNTS" marker_in_another_root
}
marker_in_another_root() {
	local root=$T/root
	mkdir -p "$root/$T/m"
	mount --rbind / "$root" 2>/dev/null || skip "mount is not permitted"
	mount -t tmpfs none "$root$T"
	mkdir "$root$T/m"
	run 0 run --detach --timeout 30 --notify-fd 3 -- chroot "$root" sh -c 'echo >&3; exec sleep 1000'
	PID=$(cat out)
	exists "$root$T/m/ktstr-worker-ready-$PID" || die "no marker in the other root"
	! exists "$(marker "$PID")" || die "there is a marker in ours"
	run 0 status "$PID"
	kill "$PID"
}

test_servers() {
	need python3
	mkdir m
	local servers=0
	free_port
	if command -v redis-server >/dev/null; then
		becomes_ready --listen "$PORT" -- redis-server --bind 127.0.0.1 --port "$PORT" --save ''
		kill "$PID"
		until_true 60 is_over "$PID"
		servers=$((servers + 1))
	fi
	if command -v memcached >/dev/null; then
		becomes_ready --listen "$PORT" -- memcached -u nobody -l 127.0.0.1 -p "$PORT"
		kill "$PID"
		until_true 60 is_over "$PID"
		servers=$((servers + 1))
	fi
	if command -v mosquitto >/dev/null; then
		becomes_ready --listen "$PORT" -- mosquitto -p "$PORT"
		kill "$PID"
		servers=$((servers + 1))
	fi
	[ "$servers" -gt 0 ] || skip "redis-server, memcached and mosquitto are not installed"
}

run_tests "$@"
