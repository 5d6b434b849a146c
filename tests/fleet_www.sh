#!/usr/bin/env bash
# The page that shows a fleet, in headless Chromium, served by mosquitto. Run by script/fleet-test; WWW names the
# directory that the page was installed in.
. "$(dirname "$0")/lib.sh"

# free_port: one of loopback that is free now, in $PORT.
free_port() {
	PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
}
broker_answers() { mosquitto_pub -h 127.0.0.1 -p "$1" -t up -n 2>/dev/null; }

test_the_page_shows_nodes_and_processes() {
	local mqtt web
	need mosquitto
	need mosquitto_pub
	need chromium
	need chromedriver
	[ -n "${WWW-}" ] || skip "the page was not built (configure --enable-fleet-www)"
	free_port
	mqtt=$PORT
	free_port
	web=$PORT
	# This broker names the address of a web socket only in IPv4.
	cat >broker.conf <<-END
		user $(id -un)
		allow_anonymous true
		listener $mqtt 127.0.0.1
		listener $web 127.0.0.1
		socket_domain ipv4
		protocol websockets
		http_dir $WWW
	END
	spawn mosquitto -c broker.conf 2>broker.log
	until_true 60 broker_answers "$mqtt"
	PYTHONPATH=$SRC/tests timeout 180 python3 -B "$SRC/tests/fleet_www.py" "http://127.0.0.1:$web/" "$mqtt" "$T/page.png" ||
		die "broker: $(cat broker.log)"
	[ -s page.png ] || die "no screenshot"
	[ -z "${SCREENSHOT-}" ] || cp page.png "$SCREENSHOT"
}

run_tests "$@"
