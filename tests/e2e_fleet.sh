#!/usr/bin/env bash
# The fleet on a real broker, mosquitto: bridges, waits across nodes, and mosquitto_sub as a third reader.
# shellcheck source=tests/fleet.sh disable=SC1091,SC2016
. "$(dirname "$0")/fleet.sh"

test_a_wait_is_told() {
	need_fleet
	start_broker
	start_node a
	spawn_worker
	spawn_wait one "a/$PID" --timeout 60
	mark_on a "$PID"
	told one 0 "ready a/$PID start=$(start_of "$PID")"
	answers 0 "ready a/$PID start=$(start_of "$PID")" "a/$PID:$(start_of "$PID")" --timeout 60
	expect_exit 125 fleet wait "a/$PID" --timeout 60 >/dev/full 2>err
	grep -q "cannot write to standard output: No space left on device" err || die "$(cat err)"
	until_true 60 holds "a/process/$PID:$(start_of "$PID")" '"verdict":"ready"'
}

test_the_servers_of_a_cluster_are_tried_in_turn() {
	need_fleet
	start_broker
	spawn_worker
	# Nothing listens at the first one.
	BROKERS=(127.0.0.1:1 "127.0.0.1:$PORT")
	start_node a
	mark_on a "$PID"
	answers 0 "ready a/$PID start=$(start_of "$PID")" "a/$PID" --timeout 60
	grep -q "connected to the broker 127.0.0.1:$PORT" a.log || die "$(cat a.log)"
	AS_CLIENT=(--broker=127.0.0.1:{2,3,4,5,6,7,8})
	answers 2 "" "a/$PID"
	grep -q "there are 8 brokers already" err || die "$(cat err)"
}

# Nothing but what is waited for is subscribed to.
test_a_wait_may_come_before_its_node() {
	local start
	need_fleet
	start_broker
	spawn_worker
	start=$(start_of "$PID")
	spawn_wait any "b/$PID" "a/$PID:$start" --any --timeout 60
	until_true 60 subscribed 4
	expect "subscriptions" "$(sed -n 's/^[0-9]*: \t\(readyd.*\) (QoS.*/\1/p' broker.try | sort | paste -sd ' ')" \
		"readyd/1/a/process/$PID:$start readyd/1/a/status readyd/1/b/process/+ readyd/1/b/status"
	start_node a
	mark_on a "$PID"
	told any 0 "ready a/$PID start=$start"
}

# A third program reads what the manual says.
test_the_topics_are_those_of_the_manual() {
	local start epoch
	need_fleet
	start_broker
	mkfifo go
	spawn sh -c 'read -r _ <go; exit 3'
	PID=$LAST
	start=$(start_of "$PID")
	start_daemon a
	mark_on a "$PID"
	start_bridge a --keep 1s
	epoch=$(retained a/status | sed 's/.*"epoch":\([0-9]*\),.*/\1/')
	retained a/status >status
	grep -qxE '\{"state":"online","epoch":[0-9]+,"version":"[0-9.]+","time_ms":[0-9]{13}\}' status || die "$(cat status)"
	until_true 60 holds "a/process/$PID:$start" ready
	retained "a/process/$PID:$start" >ready
	grep -qxE "\{\"verdict\":\"ready\",\"reason\":null,\"status\":null,\"epoch\":$epoch,\"seq\":[0-9]+,\"time_ms\":[0-9]{13},\"name\":\"sh\"\}" ready ||
		die "$(cat ready)"
	echo >go
	until_true 60 holds "a/process/$PID:$start" '"verdict":"exited"'
	answers 4 "exited a/$PID start=$start status=3" "a/$PID" --timeout 60
	until_true 60 lacks "a/process/$PID:$start"
	answers 124 "pending a/$PID reason=deadline" "a/$PID" --timeout 0.2
	grep -q "node a is online and knows no such process" err || die "$(cat err)"
}

# The broker publishes the will. What has ended is still known; what was ready, only as that.
test_a_killed_bridge_is_a_node_offline() {
	local start epoch
	need_fleet
	start_broker
	start_node a
	spawn_workers 2
	start=$(start_of "${WORKERS[0]}")
	mark_on a "${WORKERS[0]}"
	until_true 60 holds "a/process/${WORKERS[0]}:$start" ready
	spawn_wait other "a/${WORKERS[1]}" --timeout 60
	until_true 60 subscribed 2
	epoch=$(retained a/status | sed 's/.*"epoch":\([0-9]*\),.*/\1/')
	kill_and_reap "${BRIDGES[a]}"
	told other 6 "unreachable a/${WORKERS[1]} reason=node-offline"
	holds a/status "{\"state\":\"offline\",\"epoch\":$epoch," || die "the will: $(retained a/status)"
	grep -q "node a is offline" other.err || die "$(cat other.err)"
	answers 6 "unreachable a/${WORKERS[0]} start=$start reason=node-offline last=ready" "a/${WORKERS[0]}"
	grep -q "node a is offline; last known: ready" err || die "$(cat err)"
	expect "list" "$(fleet list a | cut -d' ' -f1,2)" "$(printf '%s\n' "offline a" "unreachable a/${WORKERS[0]}")"
	start_bridge a
	answers 0 "ready a/${WORKERS[0]} start=$start" "a/${WORKERS[0]}" --timeout 60
	kill -TERM "${BRIDGES[a]}"
	wait "${BRIDGES[a]}"
	until_true 60 holds a/status '"state":"offline"'
}

# A daemon that is started again has another epoch. Waits go on; what the old one has said does not count, and is cleared.
test_a_daemon_that_is_started_again_does_not_end_a_wait() {
	local old new
	need_fleet
	start_broker
	start_node a
	spawn_workers 2
	mark_on a "${WORKERS[0]}"
	until_true 60 holds "a/process/${WORKERS[0]}:$(start_of "${WORKERS[0]}")" ready
	old=$(retained a/status)
	spawn_wait on "a/${WORKERS[1]}" --timeout 60
	until_true 60 subscribed 2
	kill_and_reap "${DAEMONS[a]}"
	until_true 60 holds a/status '"state":"unknown"'
	times_out "pending a/${WORKERS[0]} start=$(start_of "${WORKERS[0]}") reason=deadline last=ready" "a/${WORKERS[0]}"
	rm -f "a/m/ktstr-worker-ready-${WORKERS[0]}"
	start_daemon a
	until_true 60 holds a/status '"state":"online"'
	new=$(retained a/status)
	[ "${old#*epoch}" != "${new#*epoch}" ] || die "the epoch is the same: $new"
	until_true 60 lacks "a/process/${WORKERS[0]}:$(start_of "${WORKERS[0]}")"
	mark_on a "${WORKERS[1]}"
	told on 0 "ready a/${WORKERS[1]} start=$(start_of "${WORKERS[1]}")"
}

# The bridge begins another connection, with a will that names the new epoch. If it closed the last one with something unread, the
# broker would see a lost connection and publish its will, which ends waits.
test_a_bridge_takes_leave_of_a_slow_broker() {
	need_fleet
	start_broker
	start_node a
	spawn_worker
	spawn_wait on "a/$PID:$(start_of "$PID")" --timeout 60
	until_true 60 subscribed 2
	kill -STOP "$BROKER"
	until_true 60 is_stopped "$BROKER"
	kill_and_reap "${DAEMONS[a]}"
	until_true 60 grep -q "does not answer" a.log
	start_daemon a
	until_true 60 has_left "$(printf '%04X' "$PORT")"
	kill -CONT "$BROKER"
	until_true 60 has_connected_twice
	mark_on a "$PID"
	told on 0 "ready a/$PID start=$(start_of "$PID")"
	grep -q "Received DISCONNECT from readyd-a" broker.try || die "$(cat broker.try)"
}
has_connected_twice() { [ "$(grep -c "connected to the broker" a.log)" -eq 2 ]; }
has_answer() { grep -qs "^$2 " "$1"; }
# Whether a connection to the port is closed on the side of the client alone.
has_left() { awk -v port=":$1\$" '$3 ~ port && ($4 == "04" || $4 == "05") { found = 1 } END { exit !found }' /proc/net/tcp; }

# ready_traced NODE OPTION...: a node with a ready process and a traced bridge.
ready_traced() {
	export ASAN_OPTIONS=detect_leaks=0
	mkdir -p "$1/m"
	start_daemon "$1"
	UNDER_BRIDGE=(strace -D -f -qq -s 200 -o calls -e trace=write "${@:2}")
	start_bridge "$1"
	UNDER_BRIDGE=()
	spawn_worker
	mark_on "$1" "$PID"
}
tells_ready() { grep -q 'verdict.*ready' calls; }
number_of_ready() { grep -n -m 1 'verdict.*ready' calls | cut -d: -f1; }

# A connection at which a call fails is ended in order and replaced, and before that, the bridge is asked to end. The call
# is found by its number, which acknowledgements in between may change.
test_a_bridge_that_ends_between_two_connections() {
	local node number
	need_fleet
	need_strace
	start_broker
	ready_traced a
	until_true 60 tells_ready
	number=$(number_of_ready)
	for node in b c d e f; do
		ready_traced "$node" -e "inject=write:error=ENOSYS:signal=TERM:when=$number"
		until_true 60 grep -qE 'INJECTED|verdict.*ready' calls
		! grep -q 'verdict.*ready.*INJECTED' calls || break
		if tells_ready; then number=$(number_of_ready); else number=$((number + 1)); fi
	done
	all_end 0 "${BRIDGES[$node]}"
	expect "refused calls" "$(grep -c 'verdict.*ready.*INJECTED' calls)" 1
	until_true 60 holds "$node/status" '"state":"offline"'
}

# What ends while no daemon runs is asked for when there is one again; what has ended before stays known.
test_what_ends_while_the_daemon_is_away_is_told() {
	local start got=0
	need_fleet
	start_broker
	start_node a
	spawn_workers 2
	local_wait a "${WORKERS[0]}"
	local_wait a "${WORKERS[1]}"
	start=$(start_of "${WORKERS[0]}")
	until_true 60 holds "a/process/${WORKERS[1]}:$(start_of "${WORKERS[1]}")" pending
	until_true 60 holds "a/process/${WORKERS[0]}:$start" pending
	spawn_wait both "a/${WORKERS[0]}" "a/${WORKERS[1]}" --any --timeout 60
	kill_and_reap "${WORKERS[1]}"
	until_true 60 has_answer both.out "died a/${WORKERS[1]}"
	kill_and_reap "${DAEMONS[a]}"
	kill_and_reap "${WORKERS[0]}"
	start_daemon a
	wait "${WAITS[both]}" || got=$?
	expect "exit status of the wait ($(cat both.out both.err))" "$got" 3
	expect "verdicts" "$(cut -d' ' -f1,2 both.out | sort | paste -sd ' ')" \
		"$(printf 'died a/%s\n' "${WORKERS[@]}" | sort | paste -sd ' ')"
	answers 3 "died a/${WORKERS[0]} start=$start reason=no-process status=unknown" "a/${WORKERS[0]}" --timeout 60
}

# What no bridge could clear, since none ran when it became wrong.
test_a_bridge_clears_what_is_left_of_another() {
	local epoch
	need_fleet
	need mosquitto_pub
	start_broker
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -r -q 1 -t readyd/1/a/process/7:8 -m '{"verdict":"ready","epoch":1,"seq":1}'
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -r -q 1 -t readyd/1/a/status -m '{"state":"online","epoch":1}'
	times_out "pending a/7 start=8 reason=deadline last=ready" a/7
	start_node a
	until_true 60 lacks a/process/7:8
	epoch=$(retained a/status | sed 's/.*"epoch":\([0-9]*\),.*/\1/')
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -r -q 1 -t readyd/1/a/status -m "{\"state\":\"offline\",\"epoch\":$epoch}"
	until_true 60 holds a/status '"state":"online"'
}

# hold_over_a_restart: the broker dies in the middle of waits, and comes back.
hold_over_a_restart() {
	local rules=$1 start
	start_node a
	spawn_workers 2
	start=$(start_of "${WORKERS[0]}")
	mark_on a "${WORKERS[0]}"
	until_true 60 holds "a/process/${WORKERS[0]}:$start" ready
	fleet monitor --json >monitor.out 2>monitor.err &
	MONITOR=$!
	until_true 60 grep -q '"state":"online"' monitor.out
	spawn_wait both "a/${WORKERS[0]}" "a/${WORKERS[1]}" --timeout 60
	until_true 60 grep -q ready both.out
	kill_broker
	mark_on a "${WORKERS[1]}"
	start_broker "$rules"
	told both 0 "$(printf 'ready a/%s start=%s\n' "${WORKERS[0]}" "$start" "${WORKERS[1]}" "$(start_of "${WORKERS[1]}")")"
	until_true 60 holds "a/process/${WORKERS[0]}:$start" ready
	until_true 60 grep -q "\"pid\":${WORKERS[1]}" monitor.out
	expect "told by the monitor of the first" "$(grep -c "\"pid\":${WORKERS[0]}" monitor.out)" 1
	expect "told by the monitor of the node" "$(grep -c '"state"' monitor.out)" 1
	kill -TERM "$MONITOR"
	grep -q "no connection to the broker" both.err || die "$(cat both.err)"
}

test_a_broker_that_forgets() {
	need_fleet
	start_broker
	hold_over_a_restart broker.rules
}

test_a_broker_that_remembers() {
	need_fleet
	mkdir store
	printf '%s\n' 'allow_anonymous true' 'persistence true' "persistence_location $T/store/" 'autosave_on_changes true' \
		'autosave_interval 1' >rules
	start_broker rules
	hold_over_a_restart rules
	[ -s store/mosquitto.db ] || die "the broker has stored nothing"
}

# A broker that dies comes back with what it has stored, which may be a will that was put right since.
test_a_broker_that_remembers_too_little() {
	local start epoch
	need_fleet
	need mosquitto_pub
	start_broker
	start_node a
	spawn_worker
	start=$(start_of "$PID")
	epoch=$(retained a/status | sed 's/.*"epoch":\([0-9]*\),.*/\1/')
	spawn "$BUILD/client/readyctl-fleet" wait --broker "127.0.0.1:$PORT" "a/$PID:$start" --timeout 60 >old.out 2>old.err
	WAITS[old]=$LAST
	until_true 60 subscribed 2
	kill -STOP "${BRIDGES[a]}" "$LAST"
	kill_broker
	start_broker broker.rules
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -r -q 1 -t readyd/1/a/status -m "{\"state\":\"offline\",\"epoch\":$epoch}"
	kill -CONT "${WAITS[old]}"
	until_true 60 subscribed 2
	kill -CONT "${BRIDGES[a]}"
	mark_on a "$PID"
	told old 0 "ready a/$PID start=$start"
}

test_a_broker_that_is_not_there() {
	need_fleet
	PORT=1
	answers 6 "unreachable a/1 reason=connection-lost" a/1 --timeout 0.3
	expect "lines" "$(wc -l <err)" 2
	grep -q "no connection to the broker 127.0.0.1:1: Connection refused; trying again" err || die "$(cat err)"
	grep -q "timed out after 300 ms: a/1: no connection to the broker 127.0.0.1:1: Connection refused" err || die "$(cat err)"
}

# What another user of the broker has published is not believed, and does not fill the screen.
test_messages_of_others_are_refused() {
	need_fleet
	need mosquitto_pub
	start_broker
	spawn_wait odd a/7:8 --timeout 1
	until_true 60 subscribed 2
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -q 1 -t readyd/1/a/status -m '{"state":"online","epoch":1}'
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -q 1 -t readyd/1/a/process/7:8 -m "$(printf '{"verdict":"ready","epoch":1,"seq":1,"name":"\033[31m"}')"
	told odd 124 "pending a/7 start=8 reason=deadline"
	grep -qx "readyctl fleet: a message is ignored: readyd/1/a/process/7:8: not a flat JSON object" odd.err || die "$(cat odd.err)"
	spawn_wait even a/7:8 --timeout 60
	until_true 60 subscribed 4
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -q 1 -t readyd/1/a/status -m '{"state":"online","epoch":1}'
	mosquitto_pub -h 127.0.0.1 -p "$PORT" -q 1 -t readyd/1/a/process/7:8 -m '{"verdict":"ready","epoch":1,"seq":1}'
	told even 0 "ready a/7 start=8"
}

# --- the trust model: TLS, passwords and the example of rules

# make_ca: a CA in ca.pem, and a certificate of it for each of these names in NAME.pem and NAME.key.
make_ca() {
	local name
	need openssl
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem 2>>openssl.log
	for name; do
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2>>openssl.log
		openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out "$name.pem" \
			-extfile <(echo subjectAltName=IP:127.0.0.1) 2>>openssl.log
	done
	chmod 644 ./*.key ./*.pem
}

# The example, with its paths replaced by those of the case.
write_example() {
	sed "s|/etc/mosquitto/|$T/|; /^listener/d" "$SRC/contrib/fleet/mosquitto.conf" >rules
	cp "$SRC/contrib/fleet/acl" acl
	chmod 644 rules acl
	chmod 755 .
}

test_tls_with_passwords_and_the_example_of_rules() {
	need_fleet
	need mosquitto_passwd
	need mosquitto_pub
	make_ca server
	write_example
	: >passwd
	chmod 644 passwd
	for name in a b reader; do
		mosquitto_passwd -b passwd "$name" "secret of $name" 2>/dev/null
		echo "secret of $name" >"$name.password"
	done
	chmod 644 passwd
	start_broker rules
	AS_READER=(--cafile ca.pem -u reader -P "secret of reader")
	AS_CLIENT=(--cafile "$T/ca.pem" --user reader --password-file reader.password)
	start_node a --cafile "$T/ca.pem" --user a --password-file a.password
	spawn_worker
	mark_on a "$PID"
	answers 0 "ready a/$PID start=$(start_of "$PID")" "a/$PID" --timeout 60
	# Another node cannot speak for this one, and a reader cannot speak.
	mosquitto_pub --cafile ca.pem -h 127.0.0.1 -p "$PORT" -u b -P "secret of b" -r -q 1 -t readyd/1/a/process/1:1 -m '{"verdict":"ready","epoch":1,"seq":1}'
	mosquitto_pub --cafile ca.pem -h 127.0.0.1 -p "$PORT" -u reader -P "secret of reader" -r -q 1 -t readyd/1/a/process/1:1 -m x
	mosquitto_pub --cafile ca.pem -h 127.0.0.1 -p "$PORT" -u b -P "secret of b" -r -q 1 -t readyd/1/b/process/1:1 -m '{"verdict":"ready","epoch":1,"seq":1}'
	until_true 60 holds b/process/1:1 ready
	expect "below the other node" "$(retained a/process/1:1)" ""
	AS_CLIENT=(--cafile "$T/ca.pem" --user reader --password-file a.password)
	answers 125 "" "a/$PID" --timeout 60
	grep -q "cannot be used: Connection Refused: " err || die "$(cat err)"
	AS_CLIENT=(--cafile "$T/server.pem" --user reader --password-file reader.password)
	answers 125 "" "a/$PID" --timeout 60
	grep -q "cannot be used: .*certificate verify failed" err || die "$(cat err)"
}

test_client_certificates() {
	local got=0
	need_fleet
	make_ca server a
	printf '%s\n' "cafile $T/ca.pem" "certfile $T/server.pem" "keyfile $T/server.key" 'require_certificate true' \
		'use_identity_as_username true' 'allow_anonymous false' >rules
	chmod 755 .
	start_broker rules
	AS_READER=(--cafile ca.pem --cert a.pem --key a.key)
	start_node a --cafile "$T/ca.pem" --cert "$T/a.pem" --key "$T/a.key"
	grep -q "as readyd-a (p2, c1, k15, u'a')" broker.try || die "$(cat broker.try)"
	spawn_worker
	mark_on a "$PID"
	AS_CLIENT=(--cafile "$T/ca.pem" --cert "$T/a.pem" --key "$T/a.key")
	answers 0 "ready a/$PID start=$(start_of "$PID")" "a/$PID" --timeout 60
	# Since TLS 1.3, the refusal comes after the handshake, and may be lost.
	AS_CLIENT=(--cafile "$T/ca.pem")
	fleet wait "a/$PID" --timeout 2 >out 2>err || got=$?
	case $got in
	125) grep -q "cannot be used: .*certificate required" err || die "$(cat err)" ;;
	6) grep -q "timed out .* TLS has failed; the broker may require a certificate (--cert)" err || die "$(cat err)" ;;
	*) die "exit status $got: $(cat out err)" ;;
	esac
}

test_the_example_of_the_readme() {
	local host
	need_fleet
	make_ca server
	printf '%s\n' "certfile $T/server.pem" "keyfile $T/server.key" 'allow_anonymous true' >rules
	start_broker rules
	AS_READER=(--cafile ca.pem)
	start_daemon a
	start_node b --cafile "$T/ca.pem"
	spawn_workers 2
	mark_on a "${WORKERS[0]}"
	mark_on b "${WORKERS[1]}"
	host=127.0.0.1:$PORT
	mkdir bin
	printf '#!/bin/sh\nexec %s --socket %s/a/s "$@"\n' "$BRIDGE" "$T" >bin/readyd-mqtt
	ln -s "$READYCTL" bin/readyctl
	chmod +x bin/readyd-mqtt
	sed -n '/^## Beyond one machine/,/^## Verdicts/p' "$SRC/README.md" | sed -n '/^```sh/,/^```$/p' | grep -v '^```' |
		sed "s/mq\.example\.org/$host/; s/--node web-1/--node a/; s|web-1/1234|a/${WORKERS[0]}|; s|web-2/4321|b/${WORKERS[1]}|" >script
	expect "commands" "$(grep -c "$host" script)" 3
	echo 'kill $!; wait' >>script
	READYD_DIR='' PATH=$T/bin:$PATH timeout 60 bash script >out 2>err || die "$(cat out err)"
	expect "answers" "$(cut -d' ' -f1,2 out | sort -u | paste -sd ' ')" \
		"online a online b ready a/${WORKERS[0]} ready b/${WORKERS[1]}"
}

# --- the command line

# misused TEXT PROGRAM ARGUMENT...: one line with the text, and status 2.
misused() {
	local text=$1 got=0
	shift
	"$@" >out 2>err || got=$?
	expect "exit status of $* ($(cat err))" "$got" 2
	expect "lines of $* ($(cat err))" "$(cat out err | wc -l)" 1
	grep -qF -- "$text" err || die "$*: '$text' is not in: $(cat err)"
}

test_the_command_lines_are_checked() {
	need_fleet
	misused "no command: use wait, list or monitor" "$READYCTL" fleet
	misused "unknown command 'wiat': did you mean wait?" "$READYCTL" fleet wiat
	misused "no process: name at least one as NODE/PID" "$READYCTL" fleet wait
	misused "process '12': use NODE/PID or NODE/PID:START" "$READYCTL" fleet wait 12
	misused "process 'a/01': after the node, use PID or PID:START, positive" "$READYCTL" fleet wait a/01
	misused "process 'a/1:0': after the node, use PID or PID:START, positive" "$READYCTL" fleet wait a/1:0
	misused "process 'a/2147483648': out of range; a pid is from 1 to" "$READYCTL" fleet wait a/2147483648
	misused "--count '2': there are fewer processes" "$READYCTL" fleet wait a/1 a/1 --count 2
	misused "--timeout 'soon': not a duration" "$READYCTL" fleet wait a/1 --timeout soon
	misused "--timeout '1001h': out of range; use at most 1000h" "$READYCTL" fleet wait a/1 --timeout 1001h
	misused "--keep '1001h': out of range; use at most 1000h" "$BRIDGE" --keep 1001h
	misused "option '--json': this command does not take it" "$READYCTL" fleet wait a/1 --json
	misused "option '-q': the options of this command follow its name" "$READYCTL" -q fleet list
	misused "node 'a/b': it is not 1 to 64 of" "$READYCTL" fleet list a/b
	misused "--broker 'h:0': the port is not a number from 1 to 65535" "$READYCTL" fleet list --broker h:0
	misused "--password-file: give --user, too" "$READYCTL" fleet list --password-file "$SELF"
	misused "--cafile 'none': No such file or directory" "$READYCTL" fleet list --cafile none
	misused "--cert: give both --cert and --key" "$READYCTL" fleet list --cert "$SELF"
	misused "--node 'a/b': use 1 to 64 of" "$BRIDGE" --node a/b
	misused "argument 'word': takes options only" "$BRIDGE" word
	misused "option '--nod': not a whole name; did you mean --node?" "$BRIDGE" --nod x
}

test_help_to_a_full_standard_output() {
	need_fleet
	expect_exit 125 "$READYCTL" fleet --help >/dev/full 2>err
	expect_exit 1 "$BRIDGE" --version >/dev/full 2>>err
	expect "lines on standard error" "$(grep -c 'cannot write to standard output: No space' err)" 2
}

# The command is a program of its own, so readyctl runs without it.
test_readyctl_finds_its_command() {
	local got=0
	need_fleet
	mkdir -p beside path
	cp "$READYCTL" beside/readyctl
	PATH=$T/path:$PATH beside/readyctl fleet list 2>err || got=$?
	expect "exit status without it" "$got" 127
	grep -q "readyctl-fleet is neither beside readyctl nor in .* or PATH; install it" err || die "$(cat err)"
	printf '#!/bin/sh\necho path "$@"\n' >path/readyctl-fleet
	chmod +x path/readyctl-fleet
	expect "in PATH" "$(PATH=$T/path:$PATH beside/readyctl fleet list 'a b' --json)" "path list a b --json"
	printf '#!/bin/sh\necho beside "$@"\n' >beside/readyctl-fleet
	chmod +x beside/readyctl-fleet
	expect "beside it" "$(PATH=$T/path:$PATH beside/readyctl help fleet)" "beside --help"
}

run_tests "$@"
