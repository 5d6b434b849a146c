#!/bin/sh
# Run in a guest with a virtio-serial port, at whose other side tests/vm/host_remote.sh asks: it finds the worker of a case in
# the daemon's list, since a wait in the guest is for it, and waits for it, too.
# shellcheck source=tests/vm/tap.sh disable=SC1091
. /guest/tap.sh

mount -t sysfs sys /sys
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_console vsock \
	vmw_vsock_virtio_transport_common vsock_loopback; do
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

need_loopback() { [ -d /sys/module/vsock_loopback ] || skip "the kernel lacks vsock_loopback"; }

status_is_hidden() {
	readyctl status -s vsock:1:5000 "$PID" >out || :
	grep -q "^exited $PID start=[0-9]* status=hidden" out
}
test_vsock_within_the_guest() {
	need_loopback
	serve --listen vsock:5000 --vsock-cid 1
	spawn sleep 1000
	PID=$LAST
	expect_exit 1 readyctl status -s vsock:1:5000 "$PID"
	readyctl wait -s vsock:1:5000 --timeout 60 --json "$PID" >out &
	WAITER=$!
	until_true 60 waits_are 1
	: >"/tmp/ktstr-worker-ready-$PID"
	wait "$WAITER"
	grep -q '"verdict":"ready".*"backend":"remote"' out || die "$(cat out)"
	expect_exit 125 readyctl ping -s vsock:1:5001
	# Unreaped, so that the kernel tells the daemon its status.
	kill "$PID"
	until_true 60 status_is_hidden
}

test_a_peer_that_may_not_connect() {
	need_loopback
	serve --listen vsock:5000 --vsock-cid 2
	expect_exit 125 readyctl ping -s vsock:1:5000
}

# listens KIND: what is sent to the socket of this kind is in `heard`.
heard() { grep -qx "$1" heard; }
test_a_supervisor_is_notified_by_vsock() {
	need_loopback
	for kind in seqpacket stream; do
		spawn /guest/vsock_receive $kind 6000
		RECEIVER=$LAST
		until_true 60 test -e listening
		spawn env NOTIFY_SOCKET=vsock:1:6000 readyd --socket $SOCKET
		DAEMON=$LAST
		until_true 60 heard READY=1
		kill "$DAEMON"
		wait "$DAEMON" || :
		until_true 60 heard STOPPING=1
		kill "$RECEIVER"
		wait "$RECEIVER" || :
		rm listening heard
	done
}

run_tests
