#!/usr/bin/env bash
# A system clock that is set while processes run must not make an answer wrong.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

write_shim() {
	! is_sanitized || skip "no LD_PRELOAD with sanitizers"
	need gcc
	cat >shim.c <<'END'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *t)
{
	const char *by = getenv("SHIFT");
	int result = (int)syscall(SYS_clock_gettime, id, t);

	if (result == 0 && id == CLOCK_REALTIME && by != NULL)
		t->tv_sec += atol(by);
	return result;
}
END
	gcc -shared -fPIC -o shim.so shim.c || skip "no shared object can be compiled"
}

# Whether the clock is as it was when the first process started and mounted /proc. A second step could not be told from
# the first one.
step_is_detectable() {
	local late
	late=$(stat -c %Z /proc)
	late=$((late - $(awk '$1 == "btime" { print $2 }' /proc/stat) - $(start_of 1) / $(getconf CLK_TCK)))
	[ "${late#-}" -le 8 ]
}

# stepped SECONDS COMMAND...: runs it as if the clock had been set forward by so many seconds, for this command alone.
stepped() {
	local by=$1
	shift
	SHIFT=$by LD_PRELOAD=$T/shim.so "$@"
}

stepped_status() {
	local by=$1 backend=$2 regex=$3 got
	got=$(READYD_BACKEND=$backend stepped "$by" timeout 60 "$READYCTL" status "$PID") || got="$got (exit status $?)"
	echo "$got" | grep -qxE -- "$regex" || die "$backend, the clock set by $by s: '$got' is not '$regex'"
}

test_a_clock_set_forward_changes_no_answer() {
	write_shim
	spawn_worker
	mkdir m
	mark "$PID"
	if step_is_detectable; then
		stepped_status 3600 file "$READY"
		stepped_status 86400 file "$READY"
	fi
	start_readyd
	stepped_status 3600 daemon "$READY"
	stepped_status 3600 auto "$READY"
}

# By more than what the time of the reference is uncertain by.
is_older_by() { [ $((EPOCHSECONDS - $(stat -c %Z "$2"))) -gt "$1" ]; }

# A container has a /proc of its own, and its devices are as old as itself.
set_in_a_container() {
	local by
	[ "$1" = host-devices ] || mount -t tmpfs none /dev
	[ -e /dev/null ] || mknod -m 666 /dev/null c 1 3
	step_is_detectable || die "the /proc of the container is not as old as its first process"
	spawn_worker_with_pid 203
	mkdir m
	mark "$PID"
	for by in 5 60 3600 86400; do
		stepped_status $by file "$READY"
	done
	# The marker of an earlier process is none of this one, by either clock.
	kill_and_reap "$PID"
	until_true 60 is_older_by 3 "$(marker 203)"
	spawn_worker_with_pid 203
	for by in 0 60 3600 86400; do
		stepped_status $by file "stale $PID start=[0-9]+ reason=older-than-process.*"
	done
	start_readyd
	stepped_status 3600 daemon "stale $PID start=[0-9]+ reason=older-than-process.*"
}

test_a_clock_set_forward_in_a_container_changes_no_answer() {
	need_root
	write_shim
	in_namespaces "$PIDS --mount-proc" set_in_a_container host-devices
	rm -rf m
	in_namespaces "$PIDS --mount-proc" set_in_a_container own-devices
}

# For a program that was not there before, the marker's stamp is in the future, and proves nothing.
test_a_clock_set_back_leaves_only_the_daemon_to_know() {
	write_shim
	spawn_worker
	mkdir m
	mark "$PID"
	stepped_status -3600 file "pending $PID start=[0-9]+ reason=age-unknown.*"
	start_readyd
	stepped_status -3600 daemon "$READY"
	stepped_status -3600 auto "$READY"
}

# The daemon's clock is set, and it saw the process without a marker.
test_a_clock_set_for_the_daemon_changes_no_answer() {
	local by
	write_shim
	for by in 3600 -3600; do
		UNDER=(env "SHIFT=$by" "LD_PRELOAD=$T/shim.so")
		start_readyd
		UNDER=()
		spawn_worker
		start_waiter daemon "$PID"
		SINCE=$(now_ms)
		mark "$PID"
		waiter_ends 0 "$READY"
		expect_status daemon 0 "$READY" "$PID"
		kill -TERM "$DAEMON"
		wait "$DAEMON"
	done
}

has_events() { [ "$(counter events)" -gt 0 ]; }

# A marker is stale for a daemon that saw its former process, whatever the clock says.
stale_and_stepped() {
	local by
	for by in 3600 -3600; do
		UNDER=(env "SHIFT=$by" "LD_PRELOAD=$T/shim.so")
		start_readyd
		UNDER=()
		spawn_worker_with_pid 203
		mark 203
		until_true 60 has_events
		kill_and_reap 203
		# An end that is noticed only when the pid has been reused proves nothing.
		until_true 60 counter_is processes 0
		spawn_worker_with_pid 203
		expect_status daemon 5 "stale 203 start=[0-9]+ reason=older-than-process.*" 203
		kill_and_reap 203
		rm "$(marker 203)"
		kill -TERM "$DAEMON"
		wait "$DAEMON"
	done
}

test_a_stale_marker_stays_stale_after_a_clock_step() {
	write_shim
	in_pid_namespace stale_and_stepped
}

run_tests "$@"
