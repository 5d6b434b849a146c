#!/usr/bin/env bash
# The fleet on a real broker, mosquitto, which listens on a port of loopback that nothing else uses: bridges, waits across
# nodes, and mosquitto_sub as a reader that is not of this project. Nodes are bridges with daemons of their own.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

BRIDGE=$BUILD/fleet/readyd-mqtt

need_fleet() {
	[ -x "$BRIDGE" ] || skip "readyd-mqtt is not built: libmosquitto is missing"
	need mosquitto
	need mosquitto_sub
}

# start_broker [FILE]: with this configuration, else one that lets every client do everything; on the same port again if
# it has run before. $PORT is the port, broker.log the log.
PORT=
start_broker() {
	local try
	[ $# -gt 0 ] || echo 'allow_anonymous true' >broker.rules
	for try in 1 2 3 4 5 6 7 8; do
		[ -n "${PORT_IS_OURS-}" ] || PORT=$((20000 + (RANDOM << 15 | RANDOM) % 12000))
		{
			echo "listener $PORT 127.0.0.1"
			cat "${1-broker.rules}"
		} >"broker.$PORT"
		: >broker.try
		mosquitto -c "broker.$PORT" >>broker.try 2>&1 &
		BROKER=$!
		until_true 60 broker_has_decided
		cat broker.try >>broker.log
		if ! has_ended "$BROKER"; then
			PORT_IS_OURS=yes
			return
		fi
	done
	die "mosquitto does not start: $(cat broker.log)"
}
broker_has_decided() { has_ended "$BROKER" || grep -q running broker.try; }
kill_broker() { kill_and_reap "$BROKER"; }

# start_node NAME [OPTION...]: a daemon and its bridge, with files in $T/NAME.
start_node() {
	mkdir -p "$1/m"
	start_daemon "$1"
	start_bridge "$@"
}
start_daemon() {
	local T=$T/$1
	start_readyd
	eval "DAEMON_$1=\$DAEMON"
}
start_bridge() {
	local name=$1
	shift
	READYD_DIR= "$BRIDGE" --broker "127.0.0.1:$PORT" --node "$name" --socket "$T/$name/s" "$@" 2>>"$name.log" &
	eval "BRIDGE_$name=\$!"
	until_true 60 holds "$name/status" '"state":"online"'
}
mark_on() { : >"$T/$1/m/ktstr-worker-ready-$2"; }
local_wait() { READYD_SOCKET=$T/$1/s READYD_DIR=$T/$1/m spawn "$READYCTL" wait "$2" >/dev/null; }

# retained TOPIC: what the broker holds below readyd/1/; holds TOPIC TEXT, lacks TOPIC.
retained() {
	timeout 60 mosquitto_sub "${AS_READER[@]}" -p "$PORT" --retained-only -t "readyd/1/$1" -C 1 -W 1 2>/dev/null || [ $? -eq 27 ]
}
AS_READER=()
holds() { retained "$1" | grep -qF -- "$2"; }
lacks() { [ -z "$(retained "$1")" ]; }
start_of() { stat_fields "$1" | awk '{ print $20 }'; }

fleet() {
	local command=$1
	shift
	timeout 60 "$READYCTL" fleet "$command" --broker "127.0.0.1:$PORT" "${AS_CLIENT[@]}" "$@"
}
AS_CLIENT=()
# answers STATUS TEXT ARGUMENT...: `readyctl fleet wait` exits with the status and prints just this.
answers() {
	local want=$1 text=$2 got=0
	shift 2
	fleet wait "$@" >out 2>err || got=$?
	expect "exit status of fleet wait $* ($(cat out err))" "$got" "$want"
	expect "output of fleet wait $*" "$(cat out)" "$text"
}
# spawn_wait NAME ARGUMENT...: in the background, with its output in NAME.out and NAME.err.
spawn_wait() {
	local name=$1
	shift
	fleet wait "$@" >"$name.out" 2>"$name.err" &
	eval "WAIT_$name=\$!"
}
# told NAME STATUS TEXT
told() {
	local pid=WAIT_$1 got=0
	wait "${!pid}" || got=$?
	expect "exit status of the wait $1 ($(cat "$1.out" "$1.err"))" "$got" "$2"
	expect "output of the wait $1" "$(cat "$1.out")" "$3"
}
subscribed() { [ "$(grep -c "Sending SUBACK to readyctl" broker.try)" -ge "$1" ]; }

test_a_wait_is_told() {
	need_fleet
	start_broker
	start_node a
	spawn_worker
	spawn_wait one "a/$PID" --timeout 60
	mark_on a "$PID"
	told one 0 "ready a/$PID start=$(start_of "$PID")"
	answers 0 "ready a/$PID start=$(start_of "$PID")" "a/$PID:$(start_of "$PID")" --timeout 60
	until_true 60 holds "a/process/$PID:$(start_of "$PID")" '"verdict":"ready"'
}

run_tests "$@"
