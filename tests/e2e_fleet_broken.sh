#!/usr/bin/env bash
# The fleet on a broker of the tests' own that does what a real one does seldom: it stops in mid-sentence, forgets what it has
# acknowledged, and refuses.
# shellcheck source=tests/fleet.sh disable=SC1091
. "$(dirname "$0")/fleet.sh"

start_broken_broker() { # FAULT [ARGUMENT]
	[ -x "$BRIDGE" ] || skip "readyd-mqtt is not built: libmosquitto is missing"
	spawn python3 -B "$SRC/tests/mqtt_broker.py" port "$@" >packets
	until_true 60 test -s port
	read -r PORT <port
}
packets() { grep -c "^$1" packets; }
has_packets() { [ "$(packets "$2")" -ge "$1" ]; }
launch_node() {
	mkdir -p "$1/m"
	start_daemon "$1"
	launch_bridge "$1"
}

# The connection stands, and nothing comes over it.
test_a_broker_that_does_not_answer_is_left() {
	local list
	start_broken_broker mute
	launch_node a
	spawn_worker
	spawn_wait one "a/$PID" --timeout 15
	fleet list >list.out 2>list.err &
	list=$!
	until_true 60 has_packets 2 "connect readyd-a"
	until_true 60 has_packets 3 "connect readyctl"
	told one 124 "pending a/$PID reason=deadline"
	grep -q "it does not acknowledge what it was sent; trying again" a.log || die "$(cat a.log)"
	grep -q "it does not acknowledge what it was sent; trying again" one.err || die "$(cat one.err)"
	expect_exit 6 wait "$list"
	grep -qE "the list may lack something|no connection to the broker" list.err || die "$(cat list.err)"
}

# As a cluster does that cannot store something for want of a majority.
test_what_was_acknowledged_late_is_looked_at_again() {
	start_broken_broker forgetful 3.2
	launch_node a
	spawn_worker
	local_wait a "$PID"
	until_true 60 has_packets 1 "publish readyd/1/a/process/$PID:"
	mark_on a "$PID"
	until_true 60 has_packets 2 "publish readyd/1/a/process/$PID:"
	answers 0 "ready a/$PID start=$(start_of "$PID")" "a/$PID" --timeout 30
	expect "publications of the process" "$(packets "publish readyd/1/a/process/$PID:")" 3
}

test_a_subscription_that_is_refused_is_tried_again() {
	start_broken_broker refusing
	spawn_worker
	answers 6 "unreachable a/$PID reason=connection-lost" "a/$PID" --timeout 5
	has_packets 4 "connect readyctl" || die "$(cat packets)"
	grep -q "the broker refuses a subscription: check its rules (ACL) for this user" err || die "$(cat err)"
}

run_tests "$@"
