#!/usr/bin/env bash
# The daemon of another kernel: by its answers alone, through a socket, a stream or vsock. A daemon in another pid
# namespace stands for one: what this system knows of its pids is about other processes.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backends.sh"

# start_other: a daemon at $T/s and a process, both in a pid namespace of their own; $PID is the process's pid there.
start_other() {
	local flags='--pid --fork --kill-child --mount-proc'
	# shellcheck disable=SC2086
	unshare $flags true 2>/dev/null || skip "unshare $flags is not permitted"
	rm -f inside other.pid
	mkdir -p m
	# shellcheck disable=SC2086
	spawn unshare $flags bash -c 'sleep 1000 & echo $! >inside
		"$0" --socket "$PWD/s" --dir "$PWD/m" 2>readyd.log & echo $! >daemon.inside; wait' "$READYD"
	until_true 60 ctl -q ping --remote 2>/dev/null
	PID=$(cat inside)
}

test_answers_are_those_of_the_other_kernel() {
	start_other
	run 125 wait --no-fallback -t 5 "$PID"
	run 1 status --remote --json "$PID"
	grep -qE "^\{\"pid\":$PID,\"verdict\":\"pending\",\"exit\":1,\"start\":[0-9]+,\"backend\":\"remote\"\}\$" out || die "$(cat out)"
	run 124 wait --remote -t 0 "$PID"
	grep -q "process $PID is remote; its marker $T/m/ktstr-worker-ready-$PID: absent; directory: remote" err || die "$(cat err)"
	run 3 wait --remote -t 30 $NO_SUCH_PID
	spawn_waiters 1 -t 30 --remote --json "$PID"
	until_true 60 said_by_remote waits 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	grep -q '"verdict":"ready".*"backend":"remote"' "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
	quiet_run 0 list --remote --print=pid
	expect "list" "$(cat out)" "$PID"
	quiet_run 0 status -s "unix:$T/s" --remote "$PID"
}
said_by_remote() { [ "$(ctl stats --remote | sed -n "s/^$1=//p")" = "$2" ]; }

# A process of this system that has the number, and a marker, is no answer.
test_nothing_is_looked_at_here() {
	spawn_worker
	mkdir other
	start_readyd --dir "$T/other"
	mark "$PID"
	run 0 status "$PID"
	run 1 status --remote "$PID"
	run 124 wait --remote -t 0 "$PID"
	run 125 status --remote --dir "$T/m" "$PID"
	grep -q 'serves another directory' err || die "$(cat err)"
}

test_processes_that_have_not_started() {
	in_pid_namespace not_started
}
not_started() {
	start_readyd
	spawn_waiters 1 -t 60 --remote --not-started=wait 250
	until_true 60 counter_is clients 2
	spawn_worker_with_pid 250
	mark 250
	all_end 0 "${WAITERS[@]}"
}

mark_as_another() {
	: >file
	chown "$OTHER_UID" file
	mv file "$(marker "$1")"
}
test_stale_markers() {
	need_root
	start_readyd
	spawn_worker
	mark_as_another "$PID"
	run 5 wait --remote -t 60 --stale=fail "$PID"
	run 124 wait --remote -t 0.3 "$PID"
	rm "$(marker "$PID")"
	spawn_waiters 1 -t 60 --remote --stale=fail "$PID"
	until_true 60 counter_is waits 1
	mark_as_another "$PID"
	all_end 5 "${WAITERS[@]}"
}

# restart_while COMMAND...: the daemon is killed, and started again after the command.
restart_while() {
	kill_readyd
	"$@"
	start_readyd
}

test_a_lost_connection_is_restored() {
	start_readyd
	spawn_worker
	spawn_waiters 20 -t 60 --remote "$PID"
	until_true 60 counter_is waits 20
	restart_while true
	until_true 60 counter_is waits 20
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_a_reused_pid_is_another_process() {
	in_pid_namespace reused
}
reused() {
	start_readyd
	spawn_worker_with_pid 250
	spawn_waiters 1 -t 60 --remote 250
	until_true 60 counter_is waits 1
	restart_while replace_worker
	all_end 3 "${WAITERS[@]}"
	grep -q '^died 250 start=[0-9]* reason=pid-reused' "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
}
replace_worker() {
	kill_and_reap 250
	spawn_worker_with_pid 250
	mark 250
}

# Within seconds, and each is told.
test_a_lost_connection_ends_all_waits() {
	start_readyd
	spawn_workers 10
	spawn_waiters 1 -t 60 --remote --count 11 "${WORKERS[@]}" "$DAEMON"
	until_true 60 counter_is waits 11
	kill_readyd
	all_end 6 "${WAITERS[@]}"
	expect "lost" "$(grep -cE '^unreachable [0-9]+ start=[0-9]+ reason=connection-lost$' "out.${WAITERS[0]}")" 11
	grep -q 'is unreachable: the connection to the daemon of its kernel was lost' "err.${WAITERS[0]}" || die "$(cat "err.${WAITERS[0]}")"
}

# Its kernel may still be starting.
test_a_daemon_that_is_not_there_yet() {
	run 124 wait --remote -t 0.2 1
	grep -qx "readyctl: waiting for the daemon: $T/s: No such file or directory (is readyd running at this socket?)" err || die "$(cat err)"
	grep -q 'process 1 is remote; .* waiting via asking (no daemon answers: No such file or directory)' err || die "$(cat err)"
	run 124 wait --remote --json -t 0 1
	grep -q '"daemon_error":"No such file or directory"' out || die "$(cat out)"
	run 124 -q wait --remote -t 0 1
	! grep 'waiting for the daemon' err || die "although it is to be quiet"
	spawn_worker
	spawn_waiters 20 --remote "$PID"
	until_true 60 all_wait_for_it
	start_readyd
	until_true 60 counter_is waits 20
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}
all_wait_for_it() { [ "$(grep -l 'waiting for the daemon' err.* 2>/dev/null | wc -l)" -eq 20 ]; }

# As of a local process, but by what the daemon says; it hides the status from what comes through a stream.
test_the_end_is_waited_for() {
	start_port
	start_readyd --stream "$T/port"
	spawn_unreaped "exec sleep 1000"
	run 124 wait -s "$T/host" --remote --for=end -t 0.2 "$PID"
	grep -q "process $PID is remote; its marker .*: absent" err || die "$(cat err)"
	spawn_waiters 1 -t 60 -s "$T/host" --remote --for=end "$PID"
	local through=${WAITERS[0]}
	spawn_waiters 10 -t 60 --remote --for=end --json "$PID"
	until_true 60 counter_is waits 11
	mark "$PID"
	until_true 60 all_follow_the_end 11
	run 124 wait --remote --for=end -t 0.2 "$PID"
	expect "answer" "$(sed 's/ start=[0-9]*//' out)" "ready $PID reason=deadline empty=1"
	grep -q "process $PID is ready and has not ended; it is remote" err || die "$(cat err)"
	rm "$(marker "$PID")"
	kill "$PID"
	all_end 0 "${WAITERS[@]}" "$through"
	grep -q "^exited $PID start=[0-9]* status=hidden" "out.$through" || die "$(cat "out.$through")"
	grep -q '"verdict":"exited","exit":0,.*"signal":15,.*"backend":"remote"' "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
	run 0 wait --remote --for=end "$PID"
	run 3 wait --remote --for=end $NO_SUCH_PID
}
# Each has been told that it is ready: what it waits for now is not the same.
all_follow_the_end() { [ "$(counter waits)" -eq "$1" ] && [ "$(counter settled)" -gt 0 ]; }

# It was ready, whatever the next daemon knows of that.
test_the_end_is_waited_for_while_the_daemon_is_killed() {
	start_readyd
	spawn_worker
	mark "$PID"
	spawn_waiters 1 -t 60 --remote --for=end "$PID"
	until_true 60 counter_is waits 1
	rm "$(marker "$PID")"
	restart_while true
	until_true 60 counter_is waits 1
	kill_and_reap "$PID"
	all_end 0 "${WAITERS[@]}"
	grep -q "^exited $PID " "out.${WAITERS[0]}" || die "$(cat "out.${WAITERS[0]}")"
}

# A daemon that does not know END.
test_an_older_daemon_is_no_endless_wait() {
	need socat
	cat >old.sh <<-'EOF'
		while read -r verb argument tag; do
			case $verb in
			HELLO) echo "READYD 1 epoch=1 pidns=0 timens=0 dir=0:0 prefix=a path=/ tag=$tag" ;;
			QUERY | WAIT) echo "ready ${argument%:*} start=5" ;;
			PING) echo PONG ;;
			*) echo "ERR bad-verb use HELLO, QUERY, WAIT, GATE, CANCEL, LIST, STATS or PING" ;;
			esac
		done
	EOF
	spawn socat "UNIX-LISTEN:$T/old,fork" "SYSTEM:sh $T/old.sh"
	until_true 60 exists "$T/old"
	run 0 wait -s "$T/old" --remote -t 60 1
	run 125 wait -s "$T/old" --remote -t 60 --for=end 1
	grep -q 'the daemon is older than this readyctl' err || die "$(cat err)"
}

test_what_a_remote_daemon_cannot_do() {
	refused 2 "remote daemon sees no process of this system" run -s vsock:2:9 true
	refused 2 "remote daemon sees no process of this system" mark -s vsock:2:9
	refused 2 "not with a remote daemon" wait --remote --pidfile x
	READYD_BACKEND='file' refused 2 "not with a remote daemon" status --remote 1
	refused 2 "use vsock:CID:PORT" ping -s vsock:2
	refused 2 "use vsock:CID:PORT" ping -s vsock:host:1
	refused 2 "use vsock:CID:PORT" ping -s vsock:4294967295:1
	refused 2 "the path is empty" ping -s unix:
	refused 125 "is readyd running at this socket?; tried for 0." ping --remote
	READYD_SOCKET=vsock:2:9 refused 2 "READYD_SOCKET 'vsock:2:9': a remote daemon sees no process of this system" mark
}

test_wrong_places_to_serve() {
	local option
	for option in --listen=9 --listen=vsock: --listen=vsock:2:9 --vsock-cid=x --stream=port; do
		expect_exit 2 "$READYD" --socket "$T/s" "$option" 2>err
		grep -q -- "^readyd: ${option%=*}: " err || die "$option: $(cat err)"
	done
	expect_exit 2 "$READYD" --socket "$T/s" --vsock-cid=2 2>err
	grep -q -- "^readyd: --vsock-cid has no effect without --listen: " err || die "$(cat err)"
}

test_what_prevents_a_place() {
	local file
	: >file
	mkfifo pipe
	for file in file pipe /dev/zero; do
		[ "${file#/}" != "$file" ] || file=$T/$file
		start_readyd --stream "$file"
		until_true 60 grep -q "the stream $file cannot be used: it is neither a character device that has events nor a socket" readyd.log
		kill_and_reap "$DAEMON"
	done
	need_root
	need setpriv
	expect_exit 1 setpriv --bounding-set=-net_bind_service "$READYD" --socket "$T/v" --listen vsock:1 2>err
	if grep -q "Address family not supported" err; then skip "the kernel has no vsock"; fi
	grep -q "vsock:1: Permission denied; a port below 1024 requires CAP_NET_BIND_SERVICE" err || die "$(cat err)"
}

# start_port [OPTION]: a device, and the socket that leads to it, as a virtual machine's port and its socket on the host.
start_port() {
	need socat
	spawn socat "PTY,link=$T/port,raw,echo=0" "UNIX-LISTEN:$T/host${1-,fork,max-children=1}"
	PORT=$LAST
	until_true 60 exists "$T/port"
	until_true 60 exists "$T/host"
}
through() { local want=$1 command=$2; shift 2; run "$want" "$command" -s "$T/host" --remote "$@"; }

test_a_stream() {
	start_port
	start_readyd --stream "$T/port"
	spawn_worker
	through 0 ping
	# What an earlier client has left: a part of a line, and replies that it does not read.
	printf '\nHELLO 1\nQUERY %d\nQUERY 12' "$PID" | timeout 1 socat -u - "UNIX-CONNECT:$T/host"
	through 1 status "$PID"
	spawn_waiters 1 -t 60 -s "$T/host" --remote "$PID"
	until_true 60 counter_is waits 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	through 0 status "$PID"
	# That of an ended process is for those that have a uid.
	kill "$PID"
	through 4 status "$PID"
	grep -qE "^exited $PID start=[0-9]+ status=hidden" out || die "$(cat out)"
}

# All that is left of it is one client less; the device is opened again when it is there.
test_a_stream_that_closes() {
	local before
	start_port ''
	start_readyd --stream "$T/port"
	spawn_worker
	spawn_waiters 1 -t 60 -s "$T/host" --remote "$PID"
	until_true 60 counter_is waits 1
	kill_and_reap "$PORT"
	rm -f host port
	until_true 60 counter_is waits 0
	until_true 60 grep -q "the stream $T/port cannot be used" readyd.log
	before=$(cpu_ticks "$DAEMON")
	sleep 1
	[ $(($(cpu_ticks "$DAEMON") - before)) -le 5 ] || die "it spins"
	start_port ''
	until_true 60 counter_is waits 1
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	expect "complaints" "$(grep -c "the stream .* cannot be used" readyd.log)" 1
}

# There is no descriptor to send, and nothing is said before the greeting.
test_what_a_stream_carries() {
	start_port
	start_readyd --stream "$T/port"
	spawn_worker
	coproc HOST { socat - "UNIX-CONNECT:$T/host"; }
	say 'PING\nhello\n\nHELLO 1 77\nGATE %d\n' "$PID"
	hear ''
	hear 'READYD 1 .* tag=77'
	hear "ERR no-resources pid=$PID .*"
	say 'HEL'
	say 'LO 1 78\nPING\n'
	hear ''
	hear 'READYD 1 .* tag=78'
	hear 'PONG'
	# A line that is too long ends the session, and what follows it is not a request.
	say '%0300d' 1
	hear 'ERR line-too-long.*'
	say 'HELLO 1\nPING\nHELLO 1 79\n'
	hear ''
	hear 'READYD 1 .* tag=79'
}
# shellcheck disable=SC2059
say() { printf "$@" >&"${HOST[1]}"; }
hear() {
	local line
	read -r -t 60 -u "${HOST[0]}" line || die "nothing comes, but should: $1"
	[[ $line =~ ^$1$ ]] || die "got '$line', want '$1'"
}

# vsock within this kernel.
need_vsock_loopback() {
	need python3
	timeout 20 python3 -c '
import socket
one, two = (socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) for _ in range(2))
one.bind((0xffffffff, 0xffffffff))
one.listen()
two.settimeout(1)
two.connect((1, one.getsockname()[1]))' 2>/dev/null || skip "vsock has no loopback here (module vsock_loopback)"
}

test_vsock() {
	need_vsock_loopback
	start_readyd --listen vsock:50999 --vsock-cid 1
	spawn_worker
	run 1 status -s vsock:1:50999 "$PID"
	spawn_waiters 10 -t 60 -s vsock:1:50999 "$PID"
	until_true 60 counter_is waits 10
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	run 125 ping -s vsock:1:50998
}

run_tests "$@"
