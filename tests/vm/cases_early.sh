#!/bin/sh
# The job of a guest whose early_init.sh has started readyd too early.
# shellcheck source=tests/vm/tap.sh disable=SC1091
. /guest/tap.sh

WORKER=/usr/libexec/ktstr-jemalloc-alloc-worker
CHLD=65536 # its bit in a mask of signals

readyd_pid() { readyctl stats 2>/dev/null | sed -n 's/^pid=//p'; }
serves() { readyctl --quiet ping 2>/dev/null; }
ignores_child() { # PID
	mask=$(sed -n 's/^SigIgn:	//p' "/proc/$1/status")
	[ $((0x$mask & CHLD)) -ne 0 ]
}

# Its socket is in the directory below; it serves in the new one.
test_run_is_mounted_after_the_start() {
	since=$(now_ms)
	until_true 60 serves
	note "served in the new /run after $(($(now_ms) - since)) ms"
	[ -S /run/readyd.sock ] || die "no socket in /run"
}

test_tmp_is_mounted_after_the_start() {
	mount | grep -q ' on /tmp ' || die "nothing is mounted on /tmp"
	spawn $WORKER 16777216
	expect_exit 0 readyctl wait --no-fallback --timeout 60 "$LAST"
	expect_exit 0 readyctl status --no-fallback "$LAST"
}

# Its directory is watched, and not only polled: with nobody waiting, the daemon lists what gets ready.
lists() { readyctl list --no-fallback | grep -q "^ready $1 "; }
test_the_new_tmp_is_watched() {
	spawn $WORKER 4096
	until_true 60 lists "$LAST"
}

test_pid_1_ignores_its_children() {
	ignores_child 1 || die "it does not"
	! ignores_child "$(readyd_pid)" || die "readyd does so as well"
}

test_death_is_told() {
	mkfifo go
	spawn sh -c 'read -r _ <go'
	pid=$LAST
	spawn readyctl wait --no-fallback "$pid"
	until_true 60 is_waited_for
	kill -KILL "$pid"
	expect_exit 3 wait "$LAST"
}
is_waited_for() { readyctl stats 2>/dev/null | grep -qx 'gates=1'; }

run_tests
sync
poweroff -f
