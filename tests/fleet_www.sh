#!/usr/bin/env bash
# The page that shows a fleet, in headless Chromium, served by mosquitto. Run by script/fleet-test; $WWW is the directory
# that the page was installed in, and $SCREENSHOT where a picture of it goes.
# shellcheck source=tests/fleet.sh disable=SC1091
. "$(dirname "$0")/fleet.sh"

test_the_page_shows_nodes_and_processes() {
	local web
	need_fleet
	need mosquitto_pub
	need chromium
	need chromedriver
	[ -n "${WWW-}" ] || skip "the page was not built (configure --enable-fleet-www)"
	# The listener of the page knows addresses of IPv4 alone.
	web=$((32000 + RANDOM % 700))
	printf '%s\n' "allow_anonymous true" "listener $web 127.0.0.1" "socket_domain ipv4" "protocol websockets" \
		"http_dir $WWW" >broker.rules
	start_broker broker.rules
	PYTHONPATH=$SRC/tests timeout 180 python3 -B "$SRC/tests/fleet_www.py" "http://127.0.0.1:$web/" "$PORT" page.png ||
		die "broker: $(cat broker.log)"
	[ -s page.png ] || die "no screenshot"
	[ -z "${SCREENSHOT-}" ] || cp page.png "$SCREENSHOT"
}

run_tests "$@"
