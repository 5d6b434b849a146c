#!/usr/bin/env bash
# The fleet on a cluster of three NATS servers, which speak MQTT and keep what is retained in JetStream. Run by
# script/fleet-test.
# shellcheck source=tests/fleet.sh disable=SC1091
. "$(dirname "$0")/fleet.sh"

declare -A SERVERS
# start_server N: on ports from $PORT on.
start_server() {
	cat >"nats$1.conf" <<-END
		server_name: n$1
		listen: 127.0.0.1:$((PORT + $1))
		jetstream { store_dir: "$T/store$1", max_mem: 64MB, max_file: 256MB }
		mqtt { listen: 127.0.0.1:$((PORT + 10 + $1)) }
		cluster {
			name: fleet
			listen: 127.0.0.1:$((PORT + 20 + $1))
			routes: ["nats://127.0.0.1:$((PORT + 21))", "nats://127.0.0.1:$((PORT + 22))", "nats://127.0.0.1:$((PORT + 23))"]
		}
	END
	spawn nats-server -c "nats$1.conf" >>"nats$1.log" 2>&1
	SERVERS[$1]=$LAST
}
at_server() { echo "127.0.0.1:$((PORT + 10 + $1))"; }
# Only when the cluster has a leader for the stores of MQTT is a client taken.
server_works() {
	timeout 10 mosquitto_pub -V 311 -h 127.0.0.1 -p $((PORT + 10 + $1)) -q 1 -i "probe$1" -t probe -m x 2>/dev/null
}
start_cluster() {
	local i
	need_fleet
	need mosquitto_pub
	need nats-server
	# Below those of brokers of tests that run at the same time.
	PORT=$((12000 + RANDOM % 7900))
	for i in 1 2 3; do start_server "$i"; done
	for i in 1 2 3; do until_true 60 server_works "$i"; done
}
# waits_at N NAME ARGUMENT...: a wait at this server first.
waits_at() {
	local BROKERS=("$(at_server "$1")" "$(at_server 1)" "$(at_server 2)")
	shift
	spawn_wait "$@"
}
logged() { grep -q -- "$2" "$1"; }

# Without a leader for some seconds, the servers may give up the connection of the bridge and publish its will. So a wait ends
# as it should, or with what is true of that moment.
is_told() { # NAME PROCESS
	local got=0
	wait "${WAITS[$1]}" || got=$?
	case $got in
	0) expect "output of the wait $1" "$(cat "$1.out")" "ready a/$2 start=$(start_of "$2")" ;;
	6) grep -q "unreachable a/$2 .*reason=node-offline" "$1.out" && grep -q "no connection to the broker" a.log ;;
	*) die "the wait $1 ended with $got: $(cat "$1.out" "$1.err" a.log)" ;;
	esac
}

# One that is connected to nothing but perhaps a wait, which goes on at another one.
test_a_server_is_killed_in_mid_wait() {
	local PIDS pid
	start_cluster
	mkdir -p a/m
	start_daemon a
	BROKERS=("$(at_server 1)")
	launch_bridge a
	until_true 60 logged a.log "connected to the broker"
	spawn_workers 2
	PIDS=("${WORKERS[@]}")
	local_wait a "${PIDS[0]}"
	local_wait a "${PIDS[1]}"
	waits_at 2 first "a/${PIDS[0]}" --timeout 60
	waits_at 3 second "a/${PIDS[1]}" --timeout 60
	kill_and_reap "${SERVERS[3]}"
	mark_on a "${PIDS[0]}"
	mark_on a "${PIDS[1]}"
	is_told first "${PIDS[0]}"
	is_told second "${PIDS[1]}"
	BROKERS=("$(at_server 2)")
	for pid in "${PIDS[@]}"; do until_true 120 is_ready "a/$pid"; done
	kill -TERM "${BRIDGES[a]}"
	wait "${BRIDGES[a]}"
}

run_tests "$@"
