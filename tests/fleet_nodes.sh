#!/usr/bin/env bash
# Hundreds of simulated nodes (bench/fleet_nodes.c), with a readyctl-fleet for each that waits for all of its processes.
# Run by script/fleet-test. Prints what it took; the times are not asserted.
# shellcheck source=tests/fleet.sh disable=SC1091
. "$(dirname "$0")/fleet.sh"

test_all_waits_of_a_fleet_are_told_once() {
	need_fleet
	[ -x "$BUILD/bench/fleet-nodes" ] || skip "bench/fleet-nodes is not built (make bench-programs)"
	# Subscriptions are counted each second; by default, mosquitto drops what a client does not read at once.
	printf '%s\n' "allow_anonymous true" "sys_interval 1" "max_queued_messages 0" "log_type error" >broker.rules
	start_broker broker.rules
	timeout 240 python3 -B "$SRC/tests/fleet_nodes.py" "$PORT" "${NODES:-200}" "${PROCESSES:-50}" "$BROKER" >figures ||
		die "broker: $(tail -n 5 broker.try)"
	sed 's/^/# /' figures
}

run_tests "$@"
