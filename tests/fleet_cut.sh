#!/usr/bin/env bash
# A node that the broker hears nothing of any more, as if its network were cut. Run by script/fleet-test, since the broker
# gives it half a minute.
# shellcheck source=tests/fleet.sh disable=SC1091
. "$(dirname "$0")/fleet.sh"

test_a_node_that_is_cut_off_is_offline() {
	need_fleet
	# shellcheck disable=SC2119
	start_broker
	start_node a
	spawn_worker
	spawn_wait cut "a/$PID" --timeout 120
	until_true 60 subscribed 2
	kill -STOP "${BRIDGES[a]}"
	until_true 60 is_stopped "${BRIDGES[a]}"
	mark_on a "$PID"
	told cut 6 "unreachable a/$PID reason=node-offline"
	kill -CONT "${BRIDGES[a]}"
	# What happened meanwhile is told when it is back.
	until_true 60 is_ready "a/$PID"
}

run_tests "$@"
