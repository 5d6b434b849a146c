#!/bin/sh
# Run in a guest: a daemon and its clients by the loopback of vsock, which stands in for another kernel.
# shellcheck source=tests/vm/tap.sh disable=SC1091
. /guest/tap.sh

mount -t sysfs sys /sys
for module in vsock vmw_vsock_virtio_transport_common vsock_loopback; do
	[ ! -e "/guest/modules/$module.ko" ] || insmod "/guest/modules/$module.ko"
done

SOCKET=/run/remote.sock

is_served() { readyctl ping -s $SOCKET >/dev/null 2>&1; }
serve() { # OPTION...
	spawn readyd --socket $SOCKET "$@"
	DAEMON=$LAST
	until_true 60 is_served
}
waits_are() { [ "$(readyctl stats -s $SOCKET 2>/dev/null | sed -n 's/^waits=//p')" = "$1" ]; }

need_loopback() { [ -d /sys/module/vsock_loopback ] || skip "the kernel lacks vsock_loopback"; }

has_exited() {
	readyctl status -s vsock:1:5000 "$PID" >out || :
	grep -q "^exited $PID start=[0-9]* " out
}
test_vsock_within_the_guest() {
	need_loopback
	serve --listen vsock:5000 --vsock-cid 1
	spawn_unreaped sleep 1000
	expect_exit 1 readyctl status -s vsock:1:5000 "$PID"
	readyctl wait -s vsock:1:5000 --timeout 60 --json "$PID" >out &
	WAITER=$!
	until_true 60 waits_are 1
	: >"/tmp/ktstr-worker-ready-$PID"
	wait "$WAITER"
	grep -q '"verdict":"ready".*"backend":"remote"' out || die "$(cat out)"
	expect_exit 125 readyctl ping -s vsock:1:5001
	kill "$PID"
	until_true 60 has_exited
	grep -q ' status=hidden' out || die "$(cat out)"
}

test_a_peer_that_may_not_connect() {
	need_loopback
	serve --listen vsock:5000 --vsock-cid 2
	expect_exit 125 readyctl ping -s vsock:1:5000
}

heard() { grep -qx "$1" heard; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }
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
		until_true 60 heard STOPPING=1
		until_true 60 has_ended "$DAEMON"
		kill "$RECEIVER"
		wait "$RECEIVER" || :
		rm listening heard
	done
}

run_tests
