#!/usr/bin/env bash
# What the daemon says to plain clients on its socket, and what it bears from bad ones.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# Beyond every pid_max: nobody has it, nobody will.
NOBODY=4194304

resident() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$DAEMON/status"; }

# by_nc, by_socat: standard input to the socket, then its end, and back what the daemon says to the end.
by_nc() { timeout 60 nc -N -U "$T/s"; }
by_socat() { timeout 60 socat -t 60 STDIO "UNIX-CONNECT:$T/s"; }

# answers REQUEST REGEX...: to these lines, by both programs, exactly such lines in this order.
answers() {
	local request=$1 by regex
	shift
	printf '%s\n' "$@" >wanted
	for by in by_nc by_socat; do
		printf '%b' "$request" | "$by" >said
		expect "lines to '$request' by $by ($(cat said))" "$(wc -l <said)" $#
		while read -r regex <&3 && read -r line <&4; do
			grep -qxE -- "$regex" <<<"$line" || die "'$request' by $by: '$line' is not '$regex'"
		done 3<wanted 4<said
	done
}

# start_for_text: a daemon, and the programs that talk to it.
start_for_text() {
	need nc
	nc -h 2>&1 | grep -q OpenBSD || skip "nc is not the one of OpenBSD"
	need socat
	start_readyd "$@"
}

test_hello() {
	start_for_text
	answers 'HELLO 1\n' "READYD 1 epoch=[0-9]+ pidns=[0-9]+ timens=[0-9]+ dir=$(stat -c %d:%i m) prefix=ktstr-worker-ready- path=$T/m"
	answers 'HELLO 2\n' "ERR bad-version .*"
	answers 'HELLO\n' "ERR bad-argument .*"
	answers 'HELLO 1 1\n' "ERR bad-argument .*"
}

test_hello_escapes_the_directory() {
	mkdir "a b%c"
	start_for_text --dir "$T/a b%c" --prefix "é-"
	answers 'HELLO 1\n' "READYD 1 .* prefix=%C3%A9- path=$T/a%20b%25c"
}

test_epoch_differs_between_two_runs() {
	local first
	start_for_text
	answers 'HELLO 1\n' "READYD 1 .*"
	first=$(cat said)
	answers 'HELLO 1\n' "$first"
	end_worker "$DAEMON"
	start_readyd
	answers 'HELLO 1\n' "READYD 1 .*"
	[ "$(cat said)" != "$first" ] || die "two runs are not told apart: $first"
}

test_query() {
	start_for_text
	spawn_worker
	answers "QUERY $PID\n" "pending $PID start=[0-9]+"
	mark "$PID"
	answers "QUERY $PID\n" "ready $PID start=[0-9]+ empty=1"
	rm "$(marker "$PID")"
	answers "QUERY $PID\n" "ready $PID start=[0-9]+ latched=1"
	end_worker "$PID"
	answers "QUERY $PID\n" "exited $PID start=[0-9]+ .*"
	answers "QUERY $NOBODY\n" "died $NOBODY reason=no-process.*"
}

test_wait() {
	start_for_text
	spawn_worker
	answers "WAIT $PID 100\n" "pending $PID start=[0-9]+ reason=deadline"
	answers "WAIT $PID 0\n" "pending $PID start=[0-9]+ reason=deadline"
	answers "WAIT $PID 50\nWAIT $PID 100\nPING\n" PONG "pending $PID .* reason=deadline" "pending $PID .* reason=deadline"
	mark "$PID"
	answers "WAIT $PID\n" "ready $PID start=[0-9]+ empty=1"
	answers "WAIT $PID 1000\n" "ready $PID start=[0-9]+ empty=1"
	answers "WAIT $NOBODY\n" "died $NOBODY reason=no-process.*"
	answers "WAIT $NOBODY 1000\n" "died $NOBODY reason=no-process.*"
	expect "waits" "$(counter waits)" 0
}

# The client has said all it will say, and gets its answer nevertheless.
test_wait_of_a_half_closed_client() {
	local by
	start_for_text
	for by in by_nc by_socat; do
		spawn_worker
		echo "WAIT $PID" | "$by" >said &
		LAST=$!
		until_true 60 counter_is waits 1
		mark "$PID"
		all_end 0 "$LAST"
		grep -qxE "ready $PID start=[0-9]+( empty=1)?" said || die "$by was told: $(cat said)"
		until_true 60 counter_is clients 1
	done
}

test_cancel() {
	start_for_text
	spawn_worker
	answers "WAIT $PID\nWAIT $PID 60000\nCANCEL $PID\nCANCEL $PID\n" "CANCELLED $PID 2" "CANCELLED $PID 0"
	answers "CANCEL $NOBODY\n" "CANCELLED $NOBODY 0"
	expect "waits" "$(counter waits)" 0
	expect "processes" "$(counter processes)" 0
}

test_list() {
	local first
	start_for_text
	answers 'LIST\n' 'END LIST 0'
	spawn_worker
	first=$PID
	mark "$PID"
	until_true 60 counter_is processes 1
	answers 'LIST\n' "LIST ready $first start=[0-9]+ empty=1" 'END LIST 1'
	spawn_worker
	answers "WAIT $PID\nLIST\nCANCEL $PID\n" "LIST ready $first .*" "LIST pending $PID start=[0-9]+" 'END LIST 2' 'CANCELLED .*'
}

test_stats_and_ping() {
	start_for_text
	answers 'PING\n' 'PONG'
	answers 'STATS\n' "STATS version=[^ ]+ pid=$DAEMON [a-z_]+=.* clients=1 .*waits=0 gates=0 .*watching=1"
}

# A program that knows nothing of descriptors just sees the line, and keeps nothing open.
test_gate_as_text() {
	start_for_text
	spawn_worker
	answers "GATE $PID\n" "GATE $PID start=[0-9]+"
	until_true 60 counter_is gates 0
	expect "processes" "$(counter processes)" 0
	mark "$PID"
	answers "GATE $PID\n" "ready $PID start=[0-9]+ empty=1"
	answers "GATE $NOBODY\n" "died $NOBODY reason=no-process.*"
}

test_one_particular_process() {
	local start
	start_for_text
	spawn_worker
	answers "QUERY $PID\n" "pending $PID start=[0-9]+"
	start=$(sed -n '1s/.*start=\([0-9]*\).*/\1/p' said)
	answers "QUERY $PID:$start\n" "pending $PID start=$start"
	answers "QUERY $PID:$((start - 1))\n" "died $PID start=$((start - 1)) reason=pid-reused.*"
	answers "WAIT $PID:$((start - 1))\n" "died $PID start=$((start - 1)) reason=pid-reused.*"
	answers "GATE $PID:$((start - 1))\n" "died $PID start=$((start - 1)) reason=pid-reused.*"
}

test_letters_and_blanks() {
	start_for_text
	answers 'ping\nPing\npInG\n' PONG PONG PONG
	answers '  PING  \n' PONG
	answers "  QUERY   $NOBODY  \n" "died $NOBODY .*"
	answers 'PING\r\nPING\r\n' PONG PONG
	answers "QUERY $NOBODY\r\n" "died $NOBODY .*"
}

test_bad_requests_cost_no_connection() {
	start_for_text
	answers 'NONSENSE\nPING\n' 'ERR bad-verb .*' PONG
	answers '\nPING\n' 'ERR bad-verb .*' PONG
	answers 'PINGPING\nPING\n' 'ERR bad-verb .*' PONG
	answers '\xff\xfe\x01\nPING\n' 'ERR bad-verb .*' PONG
	answers 'PI\0NG\nPING\n' 'ERR bad-verb .*' PONG
	answers 'QUERY\nQUERY x\nQUERY 0\nQUERY -1\nQUERY 1 2\nPING\n' 'ERR bad-argument .*' 'ERR bad-argument .*' \
		'ERR bad-argument .*' 'ERR bad-argument .*' 'ERR bad-argument .*' PONG
	answers 'WAIT 1 x\nWAIT 1 -1\nWAIT 1 1 1\nWAIT 99999999999\nPING 1\nLIST 1\nSTATS x\nPING\n' \
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

# As long as a line may be: a verb that nobody knows.
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

# What came before is answered.
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

# What has been said when another client is answered: the daemon finds all of it at once, since it is frozen
# until then, and its own count of requests tells what came first.
test_flood_of_requests_leaves_others_their_turn() {
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
assert handled <= 2 * 16 * 16 + 2, f"{handled} requests came first"
for client in flooders:
    for i in range(EACH):
        line = client.line()
        assert line.startswith(f"pending {worker} "), (i, line)
    same(client.ask("PING"), "PONG")
EOF
	alive
}

# Waits and questions of many processes at once, each answered by name.
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

# What has no newline is no request, and its end is the end.
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

test_gone_without_a_word() {
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

# A wait of readyctl on more than it is allowed falls back for the rest, or for all.
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
	expect "told what to do ($(cat err))" "$(grep -c 'max-clients' err)" 3
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

# Whether it is held back or dropped: it costs little, and the others nothing.
test_client_that_never_reads() {
	local before worker bound=8192
	# What a sanitizer keeps of freed memory is not the daemon's.
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
# Waits that are answered all at once, without a question to hold back.
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

# Its answers come when it reads at last: whatever was held back is complete and in order, or the end.
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
	ticks=$(processor "$DAEMON")
	spawn_waiters 10 --no-fallback "$PID"
	until_true 60 each_holds "$GATE" "${WAITERS[@]}"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	[ $(($(processor "$DAEMON") - ticks)) -le 50 ] || die "it took $(($(processor "$DAEMON") - ticks)) ticks to serve ten"
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
	end_worker "$PID"
	: >gated.done
	all_end 0 "$LAST"
}

test_gate_opens_when_the_daemon_ends() {
	local signal
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
		wait "$DAEMON" || true
	done
}

# Nobody else can hold it shut: what the pipe's inode allows is the daemon's own business.
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

test_abandoned_gate_frees_itself() {
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

# The gate of one who left and the gate of one who comes then.
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
