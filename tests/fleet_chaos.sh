#!/usr/bin/env bash
# 1,000 waits while brokers, bridges and daemons are killed at random. Run by script/fleet-test. SEED gives the schedule.
# shellcheck source=tests/fleet.sh disable=SC1091
. "$(dirname "$0")/fleet.sh"

# Each second schedule has a broker that stores what it retains.
test_1000_waits_are_told_once_whatever_is_killed() {
	local seed=${SEED:-$RANDOM}
	need_fleet
	echo "# seed $seed" >&2
	mkdir store
	printf '%s\n' "allow_anonymous true" "max_queued_messages 0" >broker.rules
	[ $((seed % 2)) -eq 0 ] || printf '%s\n' 'persistence true' "persistence_location $T/store/" \
		'autosave_interval 1' >>broker.rules
	start_broker broker.rules
	kill_broker
	timeout 120 python3 -B "$SRC/tests/fleet_chaos.py" "$seed" "$PORT" "broker.$PORT" "${SECONDS_OF_CHAOS:-15}" >story ||
		die "seed $seed: $(cat story) $(tail -n 5 bridge-*.log daemon-*.log)"
	sed "s/^/# seed $seed: /" story
}

run_tests "$@"
