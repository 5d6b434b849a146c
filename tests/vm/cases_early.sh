#!/bin/sh
# Run in a guest; its /init (early_init.c) starts readyd before /run, /tmp or /proc are mounted, and ignores SIGCHLD:
# readyd finds its directories once they are there.
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

# The first socket is hidden by the mount; the daemon serves in the new directory.
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

# The new directory is watched, not only polled: without any wait, the daemon lists a process that becomes ready.
lists() { readyctl list --no-fallback | grep -q "^ready $1 "; }
test_the_new_tmp_is_watched() {
	spawn $WORKER 4096
	until_true 60 lists "$LAST"
}

test_pid_1_ignores_its_children() {
	ignores_child 1 || die "pid 1 does not ignore SIGCHLD"
	! ignores_child "$(readyd_pid)" || die "readyd ignores SIGCHLD as well"
}

test_a_death_is_reported() {
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
