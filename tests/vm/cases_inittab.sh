#!/bin/sh
# Run in a guest with contrib/init/inittab: busybox's init starts readyd, and again after its death.
# shellcheck source=tests/vm/tap.sh disable=SC1091
. /guest/tap.sh

readyd_pid() { readyctl stats 2>/dev/null | sed -n 's/^pid=//p'; }
serves() { readyctl --quiet ping 2>/dev/null; }
another_serves() { now=$(readyd_pid) && [ -n "$now" ] && [ "$now" != "$1" ]; }

test_init_starts_the_daemon() {
	until_true 60 serves
	expect "its parent" "$(sed -n 's/^PPid:	//p' "/proc/$(readyd_pid)/status")" 1
}

test_init_starts_it_again() {
	old=$(readyd_pid)
	kill -KILL "$old"
	until_true 60 another_serves "$old"
}

test_worker() {
	spawn /usr/libexec/ktstr-jemalloc-alloc-worker 16777216
	expect_exit 0 readyctl wait --no-fallback --timeout 60 "$LAST"
}

run_tests
sync
poweroff -f
