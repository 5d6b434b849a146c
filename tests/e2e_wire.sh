#!/usr/bin/env bash
# The daemon replies to plain clients on its socket as readyd-protocol(7) says, and survives bad ones.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$DAEMON/status"; }

# by_nc, by_socat: send standard input to the socket, then shut down that direction, and print the replies to the end.
by_nc() { timeout 60 nc -N -U "$T/s"; }
by_socat() { timeout 60 socat -t 60 STDIO "UNIX-CONNECT:$T/s"; }

# replies REQUEST REGEX...: the request gets exactly these lines in this order, by both programs.
replies() {
	local request=$1 by regex
	shift
	printf '%s\n' "$@" >wanted
	for by in by_nc by_socat; do
		printf '%b' "$request" | "$by" >reply
		expect "lines to '$request' by $by ($(cat reply))" "$(wc -l <reply)" $#
		while read -r regex <&3 && read -r line <&4; do
			grep -qxE -- "$regex" <<<"$line" || die "'$request' by $by: '$line' is not '$regex'"
		done 3<wanted 4<reply
	done
}

# start_for_text: starts a daemon, for by_nc and by_socat.
start_for_text() {
	need nc
	nc -h 2>&1 | grep -q OpenBSD || skip "nc is not OpenBSD's"
	need socat
	start_readyd "$@"
}

test_hello() {
	start_for_text
	replies 'HELLO 1\n' "READYD 1 epoch=[0-9]+ pidns=[0-9]+ timens=[0-9]+ dir=$(stat -c %d:%i m) prefix=ktstr-worker-ready- path=$T/m"
	replies 'HELLO 2\n' "ERR bad-version .*"
	replies 'HELLO\n' "ERR bad-argument .*"
	replies 'HELLO 1 1 1\n' "ERR bad-argument .*"
}

test_hello_escapes_the_directory() {
	mkdir "a b%c"
	start_for_text --dir "$T/a b%c" --prefix "é-"
	replies 'HELLO 1\n' "READYD 1 .* prefix=%C3%A9- path=$T/a%20b%25c"
}

test_epoch_differs_between_two_runs() {
	local first
	start_for_text
	replies 'HELLO 1\n' "READYD 1 .*"
	first=$(cat reply)
	replies 'HELLO 1\n' "$first"
	kill_and_reap "$DAEMON"
	start_readyd
	replies 'HELLO 1\n' "READYD 1 .*"
	[ "$(cat reply)" != "$first" ] || die "two runs have the same epoch: $first"
}

test_query() {
	start_for_text
	spawn_worker
	replies "QUERY $PID\n" "pending $PID start=[0-9]+"
	mark "$PID"
	replies "QUERY $PID\n" "ready $PID$AGE start=[0-9]+ empty=1"
	rm "$(marker "$PID")"
	replies "QUERY $PID\n" "ready $PID$AGE start=[0-9]+ latched=1"
	kill_and_reap "$PID"
	replies "QUERY $PID\n" "exited $PID$AGE start=[0-9]+ .*"
	replies "QUERY $NO_SUCH_PID\n" "died $NO_SUCH_PID reason=no-process.*"
}

test_wait() {
	start_for_text
	spawn_worker
	replies "WAIT $PID 100\n" "pending $PID start=[0-9]+ reason=deadline"
	replies "WAIT $PID 0\n" "pending $PID start=[0-9]+ reason=deadline"
	replies "WAIT $PID 50\nWAIT $PID 100\nPING\n" PONG "pending $PID .* reason=deadline" "pending $PID .* reason=deadline"
	mark "$PID"
	replies "WAIT $PID\n" "ready $PID$AGE start=[0-9]+ empty=1"
	replies "WAIT $PID 1000\n" "ready $PID$AGE start=[0-9]+ empty=1"
	replies "WAIT $NO_SUCH_PID\n" "died $NO_SUCH_PID reason=no-process.*"
	replies "WAIT $NO_SUCH_PID 1000\n" "died $NO_SUCH_PID reason=no-process.*"
	expect "waits" "$(counter waits)" 0
}

# A client that has shut down its sending direction still gets its answer.
test_wait_of_a_half_closed_client() {
	local by
	start_for_text
	for by in by_nc by_socat; do
		spawn_worker
		echo "WAIT $PID" | "$by" >reply &
		LAST=$!
		until_true 60 counter_is waits 1
		mark "$PID"
		all_end 0 "$LAST"
		grep -qxE "ready $PID$AGE start=[0-9]+( empty=1)?" reply || die "$by got: $(cat reply)"
		until_true 60 counter_is clients 1
	done
}

test_cancel() {
	start_for_text
	spawn_worker
	replies "WAIT $PID\nWAIT $PID 60000\nCANCEL $PID\nCANCEL $PID\n" "CANCELLED $PID 2" "CANCELLED $PID 0"
	replies "CANCEL $NO_SUCH_PID\n" "CANCELLED $NO_SUCH_PID 0"
	expect "waits" "$(counter waits)" 0
	expect "processes" "$(counter processes)" 0
}

test_list() {
	local first
	start_for_text
	replies 'LIST\n' 'END LIST 0'
	spawn_worker
	first=$PID
	mark "$PID"
	until_true 60 counter_is processes 1
	replies 'LIST\n' "LIST ready $first$AGE start=[0-9]+ empty=1" 'END LIST 1'
	spawn_worker
	replies "WAIT $PID\nLIST\nCANCEL $PID\n" "LIST ready $first .*" "LIST pending $PID start=[0-9]+" 'END LIST 2' 'CANCELLED .*'
}

test_stats_and_ping() {
	start_for_text
	replies 'PING\n' 'PONG'
	replies 'STATS\n' "STATS version=[^ ]+ pid=$DAEMON [a-z_]+=.* clients=1 .*waits=0 gates=0 .*watching=1 procfs=ok scouts=0 scouts_stuck=0 sandbox=(on|off) rights=[a-z_0-9]+"
}

# A program that does not receive descriptors gets the line, and keeps nothing open.
test_gate_as_text() {
	start_for_text
	spawn_worker
	replies "GATE $PID\n" "GATE $PID start=[0-9]+"
	until_true 60 counter_is gates 0
	expect "processes" "$(counter processes)" 0
	mark "$PID"
	replies "GATE $PID\n" "ready $PID$AGE start=[0-9]+ empty=1"
	replies "GATE $NO_SUCH_PID\n" "died $NO_SUCH_PID reason=no-process.*"
}

test_one_particular_process() {
	local start
	start_for_text
	spawn_worker
	replies "QUERY $PID\n" "pending $PID start=[0-9]+"
	start=$(sed -n '1s/.*start=\([0-9]*\).*/\1/p' reply)
	replies "QUERY $PID:$start\n" "pending $PID start=$start"
	replies "QUERY $PID:$((start - 1))\n" "died $PID start=$((start - 1)) reason=pid-reused.*"
	replies "WAIT $PID:$((start - 1))\n" "died $PID start=$((start - 1)) reason=pid-reused.*"
	replies "GATE $PID:$((start - 1))\n" "died $PID start=$((start - 1)) reason=pid-reused.*"
}

test_letters_and_blanks() {
	start_for_text
	replies 'ping\nPing\npInG\n' PONG PONG PONG
	replies '  PING  \n' PONG
	replies "  QUERY   $NO_SUCH_PID  \n" "died $NO_SUCH_PID .*"
	replies 'PING\r\nPING\r\n' PONG PONG
	replies "QUERY $NO_SUCH_PID\r\n" "died $NO_SUCH_PID .*"
}

test_bad_requests_do_not_end_the_connection() {
	start_for_text
	replies 'NONSENSE\nPING\n' 'ERR bad-verb .*' PONG
	replies '\nPING\n' 'ERR bad-verb .*' PONG
	replies 'PINGPING\nPING\n' 'ERR bad-verb .*' PONG
	replies '\xff\xfe\x01\nPING\n' 'ERR bad-verb .*' PONG
	replies 'PI\0NG\nPING\n' 'ERR bad-verb .*' PONG
	replies 'QUERY\nQUERY x\nQUERY 0\nQUERY -1\nQUERY 1 2\nPING\n' 'ERR bad-argument .*' 'ERR bad-argument .*' \
		'ERR bad-argument .*' 'ERR bad-argument .*' 'ERR bad-argument .*' PONG
	replies 'WAIT 1 x\nWAIT 1 -1\nWAIT 1 1 1\nWAIT 99999999999\nPING 1\nLIST 1\nSTATS x\nPING\n' \
		'ERR bad-argument .*' 'ERR bad-argument .*' 'ERR bad-argument .*' 'ERR bad-argument .*' \
		'ERR bad-argument .*' 'ERR bad-argument .*' 'ERR bad-argument .*' PONG
}

test_long_line_ends_the_connection() {
	local line
	start_for_python
	spawn_worker
	python "$PID" <<'EOF'
worker = sys.argv[1]
other = Client()
other.send(f"WAIT {worker}\n")
same(other.ask("PING"), "PONG")

# The longest line that is allowed: an unknown verb.
client = Client()
assert client.ask("x" * 255).startswith("ERR bad-verb "), "255 bytes"
same(client.ask("PING"), "PONG")

for text in ["x" * 300 + "\n", "x" * 256 + "\n", "x" * 300, "x" * 100000 + "\nPING\n"]:
    client = Client()
    try:
        client.send(text)
    except (BrokenPipeError, ConnectionResetError):
        pass
    line = client.line()
    assert line.startswith("ERR line-too-long "), (len(text), line)
    same(client.line(), None)

# The requests before it are answered.
client = Client()
client.send("PING\n" + "x" * 300 + "\nPING\n")
same(client.line(), "PONG")
assert client.line().startswith("ERR line-too-long ")
same(client.line(), None)

same(other.ask("PING"), "PONG")
open(os.environ["READYD_DIR"] + f"/ktstr-worker-ready-{worker}", "w").close()
assert other.line().startswith(f"ready {worker} ")
EOF
	alive
}

test_1000_requests_in_one_write() {
	start_for_python
	python <<'EOF'
client = Client()
for request, answer in [("PING", "PONG"), ("QUERY 4194304", "died 4194304 reason=no-process"), ("x", "ERR bad-verb ")]:
    client.send((request + "\n") * 1000)
    for i in range(1000):
        line = client.line()
        assert line.startswith(answer), (i, line)
same(client.ask("PING"), "PONG")
EOF
}

# How many requests of the flood are handled before that of another client. The daemon is frozen until all of them have
# been sent, and its own counter of requests tells the order.
test_flood_of_requests_does_not_starve_others() {
	start_for_python
	spawn_worker
	python "$PID" "$DAEMON" <<'EOF'
import re, signal

worker, daemon = sys.argv[1], int(sys.argv[2])
EACH = 1000
flooders = [Client() for i in range(16)]
other = Client()
for client in [*flooders, other]:
    same(client.ask("PING"), "PONG")
before = int(re.search(" requests=([0-9]+) ", other.ask("STATS"))[1])
os.kill(daemon, signal.SIGSTOP)
while not re.search(r"\nState:\tT", open(f"/proc/{daemon}/status").read()):
    time.sleep(0.01)
for client in flooders:
    client.send(f"QUERY {worker}\n" * EACH)
other.send(f"QUERY {worker}\nSTATS\n")
os.kill(daemon, signal.SIGCONT)
assert other.line().startswith(f"pending {worker} ")
handled = int(re.search(" requests=([0-9]+) ", other.line())[1]) - before
# Each of the flooders has one turn before the next of any of them.
assert handled <= 16 * 64 + 64 + 2, f"{handled} requests came first"
for client in flooders:
    for i in range(EACH):
        line = client.line()
        assert line.startswith(f"pending {worker} "), (i, line)
    same(client.ask("PING"), "PONG")
EOF
	alive
}

test_1000_waits_in_one_write() {
	start_for_python
	spawn_worker
	python "$PID" <<'EOF'
worker = sys.argv[1]
client = Client()
client.send(f"WAIT {worker}\n" * 1000 + "PING\n")
same(client.line(), "PONG")
open(os.environ["READYD_DIR"] + f"/ktstr-worker-ready-{worker}", "w").close()
for i in range(1000):
    line = client.line()
    assert line.startswith(f"ready {worker} "), (i, line)
same(client.ask("PING"), "PONG")
EOF
	expect "waits" "$(counter waits)" 0
}

test_byte_by_byte() {
	start_for_python
	python <<'EOF'
client = Client()
client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
for byte in "PING\r\nQUERY 4194304\nnonsense\nPING\n":
    client.send(byte)
same(client.line(), "PONG")
assert client.line().startswith("died 4194304 ")
assert client.line().startswith("ERR bad-verb ")
same(client.line(), "PONG")
EOF
}

# A line without a newline is not a request; at end of file the connection ends.
test_end_in_the_middle_of_a_line() {
	start_for_python
	python <<'EOF'
client = Client()
client.send("PING\nPIN")
client.socket.shutdown(socket.SHUT_WR)
same(client.line(), "PONG")
same(client.line(), None)
EOF
	until_true 60 counter_is clients 1
}

test_clients_that_disconnect_during_a_wait() {
	start_for_python
	spawn_worker
	python "$PID" <<'EOF'
for i in range(100):
    client = Client()
    client.send(f"WAIT {sys.argv[1]}\n" * 10)
    if i % 2:
        client.socket.shutdown(socket.SHUT_WR)
    client.close()
EOF
	until_true 60 counter_is clients 1
	until_true 60 counter_is waits 0
	expect "processes" "$(counter processes)" 0
}

test_limit_of_waits() {
	start_for_python --max-waits 3
	spawn_worker
	python "$PID" <<'EOF'
worker = sys.argv[1]
client, other = Client(), Client()
client.send(f"WAIT {worker}\n" * 4)
line = client.line()
assert line.startswith(f"ERR too-many-waits pid={worker} "), line
other.send(f"WAIT {worker}\n")
same(other.ask("PING"), "PONG")
same(client.ask(f"CANCEL {worker}"), f"CANCELLED {worker} 3")
client.send(f"WAIT {worker}\n" * 3)
same(client.ask("PING"), "PONG")
EOF
}

# A wait of readyctl for more processes than it is allowed falls back to the file for the rest, or for all.
test_limit_of_waits_for_readyctl() {
	local worker workers=()
	start_readyd --max-waits 3
	while [ ${#workers[@]} -lt 12 ]; do
		spawn_worker
		workers+=("$PID")
	done
	spawn_waiters 1 "${workers[@]}"
	until_true 60 counter_is waits 3
	until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}"
	for worker in "${workers[@]}"; do
		mark "$worker"
	done
	all_end 0 "${WAITERS[@]}"
	expect "lines" "$(grep -c '^ready ' "out.${WAITERS[0]}")" 12
}

test_limit_of_clients() {
	start_for_python --max-clients 2
	spawn_worker
	spawn_python <<'EOF'
clients = [Client(), Client()]
for client in clients:
    same(client.ask("PING"), "PONG")
for i in range(3):
    third = Client()
    assert third.line().startswith("ERR too-many-clients ")
    same(third.line(), None)
stage("full")
for client in clients:
    same(client.ask("PING"), "PONG")
clients.pop().close()
stage("free")
EOF
	until_true 60 exists full
	expect_exit 125 ctl ping 2>err
	expect_exit 125 ctl wait --no-fallback "$PID" 2>>err
	expect_exit 125 ctl status --no-fallback "$PID" 2>>err
	expect "errors with a remedy ($(cat err))" "$(grep -c 'max-clients' err)" 3
	spawn_waiters 3 "$PID"
	until_true 60 each_holds "$INOTIFY" "${WAITERS[@]}"
	expect "warnings" "$(grep -c 'warning: too many clients' readyd.log)" 1
	: >full.done
	until_true 60 exists free
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	alive
}

# The client is throttled or disconnected: it uses little memory, and does not delay others.
test_client_that_never_reads() {
	local before worker bound=8192
	# A sanitizer keeps freed memory.
	! is_sanitized || bound=65536
	UNDER=(env "ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1")
	start_for_python
	spawn_worker
	worker=$PID
	alive
	before=$(resident)
	spawn_python "$worker" <<'EOF'
client, many = Client(timeout=1), Client(timeout=1)
asked = 0
try:
    for i in range(100):
        client.send("STATS\n" * 1000)
        asked += 1000
except OSError as error:
    print("after", asked, error)
# Waits that are all answered at once, without a request that could be held back.
try:
    many.send(f"WAIT {sys.argv[1]}\n" * 4096)
except OSError as error:
    print(error)
stage("asked")
EOF
	until_true 120 exists asked
	spawn_waiters 3 --no-fallback "$worker"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "$worker"
	all_end 0 "${WAITERS[@]}"
	alive
	[ $(($(resident) - before)) -le "$bound" ] || die "resident: $before KiB before, $(resident) KiB after"
}

# When the client reads at last, the answers are complete and in order, up to an end of the connection.
test_client_that_reads_late() {
	start_for_python
	python <<'EOF'
client = Client(timeout=1)
asked = 0
try:
    while asked < 100000:
        client.send("PING\nQUERY 4194304\n")
        asked += 1
except TimeoutError:
    pass
client.socket.settimeout(60)
for i in range(asked):
    line = client.line()
    if line is None:
        break
    same(line, "PONG")
    line = client.line()
    assert line.startswith("died 4194304 "), line
EOF
	alive
	until_true 60 counter_is clients 1
}

test_1000_silent_clients() {
	local before ticks client
	start_for_python
	[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 1100 ] || skip "fewer than 1,100 descriptors"
	ulimit -Sn "$(ulimit -Hn)"
	spawn_worker
	alive
	before=$(resident)
	spawn_python <<'EOF'
clients = [Client() for i in range(1000)]
for client in clients[:500]:
    client.send("PIN")
stage("silent")
same({client.ask("G" if client in clients[:500] else "PING") for client in clients}, {"PONG"})
EOF
	client=$LAST
	until_true 120 exists silent
	until_true 60 counter_is clients 1001
	[ $(($(resident) - before)) -le 16384 ] || die "resident: $before KiB before, $(resident) KiB after"
	ticks=$(cpu_ticks "$DAEMON")
	spawn_waiters 10 --no-fallback "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	[ $(($(cpu_ticks "$DAEMON") - ticks)) -le 50 ] || die "it took $(($(cpu_ticks "$DAEMON") - ticks)) ticks to serve ten"
	: >silent.done
	all_end 0 "$client"
	until_true 60 counter_is clients 1
}

test_gate() {
	start_for_python
	spawn_worker
	python "$PID" <<'EOF'
import fcntl

worker = sys.argv[1]
clients = [Client() for i in range(20)]
gates = [client.gate(worker) for client in clients]
for client in clients[:10]:
    client.close()
same(clients[10].ask("PING"), "PONG")
same(" gates=1 " in clients[10].ask("STATS"), True)
same({os.fstat(gate).st_ino for gate in gates}, {os.fstat(gates[0]).st_ino})
for gate in gates:
    same(fcntl.fcntl(gate, fcntl.F_GETFL) & os.O_ACCMODE, os.O_RDONLY)
    same(hung_up(gate, 0), False)
try:
    os.write(gates[0], b"x")
    raise AssertionError("a gate can be written to")
except OSError:
    pass
open(os.environ["READYD_DIR"] + f"/ktstr-worker-ready-{worker}", "w").close()
for gate in gates:
    same(hung_up(gate, 60), True)
same([os.read(gate, 8) for gate in gates], [b"r"] + 19 * [b""])
assert clients[10].ask(f"GATE {worker}").startswith(f"ready {worker} ")
EOF
	expect "gates" "$(counter gates)" 0
}

test_gate_opens_when_the_process_dies() {
	start_for_python
	spawn_worker
	spawn_python "$PID" <<'EOF'
gate = Client().gate(sys.argv[1])
stage("gated")
same(hung_up(gate, 60), True)
assert Client().ask(f"QUERY {sys.argv[1]}").startswith(f"died {sys.argv[1]} ")
EOF
	until_true 60 exists gated
	kill_and_reap "$PID"
	: >gated.done
	all_end 0 "$LAST"
}

test_gate_opens_when_the_daemon_ends() {
	local signal got
	local -A want=([KILL]=137 [TERM]=0)
	for signal in KILL TERM; do
		rm -f gated gated.done
		start_for_python
		spawn_worker
		spawn_python "$PID" <<'EOF'
client, plain = Client(), Client()
gate = client.gate(sys.argv[1])
plain.send(f"WAIT {sys.argv[1]}\n")
same(plain.ask("PING"), "PONG")
stage("gated")
same(hung_up(gate, 60), True)
same(plain.line(), None)
EOF
		until_true 60 exists gated
		kill "-$signal" "$DAEMON"
		: >gated.done
		all_end 0 "$LAST"
		got=0
		wait "$DAEMON" || got=$?
		expect "exit status of the daemon after SIG$signal" "$got" "${want[$signal]}"
	done
}

# No other user can keep the gate shut: the mode of the pipe's inode allows only the daemon to open it.
test_gate_cannot_be_opened_for_writing_by_others() {
	need_root
	need setpriv
	chmod 711 .
	start_for_python
	spawn_worker
	spawn_python "$PID" <<'EOF'
client = Client()
gate = client.gate(sys.argv[1])
same(os.fstat(gate).st_mode & 0o777, 0o600)
same(os.fstat(gate).st_uid, 0)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for how in os.O_WRONLY, os.O_RDWR:
    try:
        os.open(f"/proc/self/fd/{gate}", how)
        raise AssertionError("another user has opened the writing end")
    except PermissionError:
        pass
EOF
	all_end 0 "$LAST"
}

test_abandoned_gate_is_freed() {
	start_for_python
	spawn_worker
	spawn_python "$PID" <<'EOF'
client = Client()
gates = [client.gate(sys.argv[1]) for i in range(5)]
stage("gated")
for gate in gates[1:]:
    os.close(gate)
stage("one")
os.close(gates[0])
stage("none")
EOF
	until_true 60 exists gated
	expect "gates" "$(counter gates)" 1
	: >gated.done
	until_true 60 exists one
	expect "gates" "$(counter gates)" 1
	: >one.done
	until_true 60 exists none
	until_true 60 counter_is gates 0
	expect "processes" "$(counter processes)" 0
	: >none.done
	all_end 0 "$LAST"
}

# Gates of waiters that have left, then one of a waiter that stays.
test_gate_after_an_abandoned_one() {
	start_for_python
	spawn_worker
	python "$PID" <<'EOF'
worker = sys.argv[1]
client = Client()
for i in range(200):
    os.close(client.gate(worker))
gate = client.gate(worker)
same(hung_up(gate, 0.1), False)
open(os.environ["READYD_DIR"] + f"/ktstr-worker-ready-{worker}", "w").close()
same(hung_up(gate, 60), True)
EOF
	until_true 60 counter_is gates 0
}

run_tests "$@"
