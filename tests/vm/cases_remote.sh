#!/bin/sh
# Run in a guest with a virtio-serial port, at whose other side tests/vm/host_remote.sh asks: it finds the worker of a case in
# the daemon's list, since a wait in the guest is for it, and waits for it, too.
# shellcheck source=tests/vm/tap.sh disable=SC1091
. /guest/tap.sh

mount -t sysfs sys /sys
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_console; do
	[ ! -e "/guest/modules/$module.ko" ] || insmod "/guest/modules/$module.ko"
done

SOCKET=/run/remote.sock

# find_port: $PORT is the device of the port; its name comes from the host.
has_port() {
	for name in /sys/class/virtio-ports/*/name; do
		[ "$(cat "$name" 2>/dev/null)" != readyd ] || PORT=/dev/$(basename "$(dirname "$name")")
	done
	[ -n "${PORT-}" ]
}
find_port() {
	[ -d /sys/module/virtio_console ] || skip "the kernel lacks virtio_console"
	until_true 60 has_port
}

is_served() { readyctl ping -s $SOCKET >/dev/null 2>&1; }
serve() { # OPTION...
	spawn readyd --socket $SOCKET "$@"
	DAEMON=$LAST
	until_true 60 is_served
}
spawn_waited() {
	spawn sleep 1000
	PID=$LAST
	spawn readyctl -q wait -s $SOCKET --timeout 120 "$PID"
}
waits_are() { [ "$(readyctl stats -s $SOCKET 2>/dev/null | sed -n 's/^waits=//p')" = "$1" ]; }

test_the_host_waits_through_a_port() {
	find_port
	serve --stream "$PORT"
	spawn_waited
	until_true 60 waits_are 1
	: >"/tmp/ktstr-worker-ready-$PID"
	until_true 60 waits_are 0
}

# The host's connection, which ends at qemu, stays open.
test_the_host_waits_while_the_daemon_is_killed() {
	find_port
	serve --stream "$PORT"
	spawn_waited
	until_true 60 waits_are 1
	kill -KILL "$DAEMON"
	wait "$DAEMON" || :
	serve --stream "$PORT"
	until_true 60 waits_are 1
	: >"/tmp/ktstr-worker-ready-$PID"
	until_true 60 waits_are 0
}

# Nothing happens at the port while the host's side is closed.
test_a_closed_port_costs_nothing() {
	find_port
	serve --stream "$PORT"
	usleep 500000
	before=$(sed 's/.*) //' "/proc/$DAEMON/stat" | cut -d' ' -f12,13)
	sleep 2
	expect "CPU time" "$(sed 's/.*) //' "/proc/$DAEMON/stat" | cut -d' ' -f12,13)" "$before"
}

run_tests
