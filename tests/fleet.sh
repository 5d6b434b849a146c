# Sourced by the tests of the fleet: a broker (mosquitto) that listens on a port of loopback that nothing else uses, nodes,
# which are bridges with daemons of their own, waits, and a reader that is not of this project.
# shellcheck shell=bash source=tests/lib.sh disable=SC1091,SC2016,SC2034
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BRIDGE=$BUILD/fleet/readyd-mqtt
declare -A DAEMONS BRIDGES WAITS
# Where bridges and commands find a broker, if it is not mosquitto at $PORT.
BROKERS=()
brokers() { if [ ${#BROKERS[@]} -gt 0 ]; then printf -- '--broker=%s\n' "${BROKERS[@]}"; else echo "--broker=127.0.0.1:$PORT"; fi; }

need_fleet() {
	[ -x "$BRIDGE" ] || skip "readyd-mqtt is not built: libmosquitto is missing"
	need mosquitto
	need mosquitto_sub
}

# start_broker [FILE]: with this configuration, else one that lets every client do everything; on the same port again if
# it has run before. $PORT is the port, broker.log the log.
PORT=
start_broker() {
	local tries=8
	[ $# -gt 0 ] || echo 'allow_anonymous true' >broker.rules
	while [ $((tries--)) -gt 0 ]; do
		[ -n "${PORT_IS_OURS-}" ] || PORT=$((20000 + (RANDOM << 15 | RANDOM) % 12000))
		{
			echo "listener $PORT 127.0.0.1"
			echo 'log_type all'
			[ "$(id -u)" -ne 0 ] || echo 'user root'
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
	DAEMONS[$1]=$DAEMON
}
# Does not wait until the broker knows it. Runs below UNDER_BRIDGE.
UNDER_BRIDGE=()
launch_bridge() {
	local name=$1 at
	shift
	mapfile -t at < <(brokers)
	READYD_DIR='' "${UNDER_BRIDGE[@]}" "$BRIDGE" "${at[@]}" --node "$name" --socket "$T/$name/s" "$@" 2>>"$name.log" &
	BRIDGES[$name]=$!
}
start_bridge() {
	launch_bridge "$@"
	until_true 60 holds "$1/status" '"state":"online"'
}
mark_on() { : >"$T/$1/m/ktstr-worker-ready-$2"; }
local_wait() { READYD_SOCKET=$T/$1/s READYD_DIR=$T/$1/m spawn "$READYCTL" wait "$2" >/dev/null; }

# retained NODE/TOPIC: what the broker holds below readyd/1/; holds TOPIC TEXT, lacks TOPIC. The status of the node comes
# behind what else it has, so there is no need to wait for what is not there.
retained() {
	timeout 60 mosquitto_sub "${AS_READER[@]}" -h 127.0.0.1 -p "$PORT" -t "readyd/1/$1" -t "readyd/1/${1%%/*}/status" \
		-F '%t %p' -C 1 -W 1 >retained 2>&1 || [ $? -eq 27 ]
	sed -n "s|^readyd/1/$1 ||p" retained
}
AS_READER=()
holds() { retained "$1" | grep -qF -- "$2"; }
lacks() { [ -z "$(retained "$1")" ]; }
start_of() { stat_fields "$1" | awk '{ print $20 }'; }

fleet() {
	local command=$1 at
	shift
	mapfile -t at < <(brokers)
	timeout -s KILL 60 "$READYCTL" fleet "$command" "${at[@]}" "${AS_CLIENT[@]}" "$@"
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
# times_out TEXT PROCESS: like answers, for a wait that times out while the process lives. If there was no connection by
# then, it is made again with a longer time-out.
times_out() {
	local seconds got
	for seconds in 0.1 1 10; do
		got=0
		fleet wait "$2" --timeout "$seconds" >out 2>err || got=$?
		grep -q 'reason=connection-lost' out || break
	done
	expect "exit status of fleet wait $2 ($(cat out err))" "$got" 124
	expect "output of fleet wait $2" "$(cat out)" "$1"
}
# is_ready NODE/PID: of a process of this test.
is_ready() { [ "$(fleet wait "$1" --timeout 30 2>err)" = "ready $1 start=$(start_of "${1#*/}")" ]; }
# spawn_wait NAME ARGUMENT...: in the background, with its output in NAME.out and NAME.err.
spawn_wait() {
	local name=$1
	shift
	fleet wait "$@" >"$name.out" 2>"$name.err" &
	WAITS[$name]=$!
}
# told NAME STATUS TEXT
told() {
	local got=0
	wait "${WAITS[$1]}" || got=$?
	expect "exit status of the wait $1 ($(cat "$1.out" "$1.err"))" "$got" "$2"
	expect "output of the wait $1" "$(cat "$1.out")" "$3"
}
subscribed() { [ "$(grep -c "Sending SUBACK to readyctl" broker.try)" -ge "$1" ]; }
