#!/bin/sh
# Run in a guest booted with contrib/init/init: readyd, readyctl and the worker work together in a VM, with the real paths,
# and give the same answers as contrib/init/wait_ready.sh.
# shellcheck source=tests/vm/tap.sh disable=SC1091,SC2030,SC2031
. /guest/tap.sh
# shellcheck source=contrib/init/wait_ready.sh
. /guest/wait_ready.sh

WORKER=/usr/libexec/ktstr-jemalloc-alloc-worker
SIZE=16777216
MARKER=/tmp/ktstr-worker-ready

counter() { readyctl stats 2>/dev/null | sed -n "s/^$1=//p"; }
no_gates() { [ "$(counter gates)" -eq 0 ]; }
at_least() { [ "$(counter "$1")" -ge "$2" ]; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }
# Prints "VERDICT EXIT" of a short wait with these options.
answer() { # PID OPTION...
	pid=$1 code=0
	shift
	line=$(readyctl wait --timeout 0.3 "$@" "$pid" 2>/dev/null) || code=$?
	echo "${line%% *} $code"
}

# Starts a worker that begins its work after `release`, so that waits can begin before. $PID is its pid.
# $GO is what it reads a line from before it begins.
GO=go
spawn_worker() { # OPTION...
	mkfifo "$GO"
	# shellcheck disable=SC2016
	spawn sh -c 'read -r _ <"$0"; exec "$@"' "$GO" "$WORKER" "$@"
	PID=$LAST
}
release() { echo >go; }

# spawn_waits COUNT PID: starts so many waits; their pids are in WAITS.
spawn_waits() {
	WAITS=''
	for _ in $(seq "$1"); do
		spawn readyctl -q wait --timeout 60 "$2"
		WAITS="$WAITS $LAST"
	done
}

all_end() { # STATUS PID...
	want=$1
	shift
	for pid; do expect_exit "$want" wait "$pid"; done
}

end_worker() {
	kill -KILL "$1"
	wait "$1" 2>/dev/null || expect "end of the worker" $? 137
}

# The first case: the job starts only when init has read the newline from --ready-fd.
test_init_waited_for_the_daemon() {
	readyctl ping
	[ ! -e /run/readyd.up ] || die "init has left its fifo"
	expect "waits" "$(counter waits)" 0
}

# This kernel refuses no descriptors, and the last close of this one takes 1000 seconds.
test_a_descriptor_that_a_client_sends_does_not_block() {
	ip link set lo up
	# shellcheck disable=SC2016
	spawn sh -c 'exec /guest/send_socket /run/readyd.sock >sent'
	until_true 60 grep -qs sent sent
	expect_exit 0 timeout 5 readyctl ping
	kill "$LAST"
	ip link set lo down
}

# Built with musl for size; see script/small.sh.
test_the_smallest_client() {
	[ -x /guest/readyctl-small ] || skip "there is no musl-gcc"
	for backend in daemon file; do
		spawn_worker $SIZE
		spawn env READYD_BACKEND=$backend /guest/readyctl-small -q wait --timeout 60 "$PID"
		release
		expect_exit 0 wait "$LAST"
		end_worker "$PID"
		rm go
	done
	expect_exit 0 /guest/readyctl-small -q run --timeout 60 --line '^up [0-9]+$' -- sh -c 'echo up 1; sleep 0.1'
}

# The filter of system calls and the rights, in static programs.
test_the_daemon_is_confined() {
	expect "filter" "$(counter sandbox)" on
	expect "rights" "$(counter rights)" sys_ptrace
	expect "Seccomp" "$(sed -n 's/^Seccomp:[^0-9]*//p' "/proc/$(counter pid)/status")" 2
}

test_no_etc_no_syslog_no_network() {
	[ ! -e /etc ] || die "there is an /etc"
	[ ! -e /dev/log ] || die "there is a syslog"
	link=$(ip link show dev lo)
	! echo "$link" | grep -q '[<,]UP[,>]' || die "the loopback device is up: $link"
	expect "answer without any of these" "$(answer 1)" "pending 124"
}

test_200_probes_of_one_worker() {
	spawn_worker $SIZE
	before=$(counter handed_out)
	since=$(now_ms)
	spawn_waits 200 "$PID"
	until_true 60 at_least handed_out $((before + 200))
	waiting=$(now_ms)
	release
	# shellcheck disable=SC2086
	all_end 0 $WAITS
	note "200 probes: armed in $((waiting - since)) ms, all answered $(($(now_ms) - waiting)) ms after the worker's start"
	expect "marker" "$(cat "$MARKER-$PID")" ready
	until_true 60 no_gates
}

has_another_thread() {
	now=$(find "/proc/$1/task" -maxdepth 1 -name '[0-9]*' ! -name "$1" 2>/dev/null)
	[ -n "$now" ] && [ "$now" != "$2" ]
}

test_churn_worker() {
	spawn_worker --churn $SIZE
	spawn_waits 10 "$PID"
	release
	# shellcheck disable=SC2086
	all_end 0 $WAITS
	until_true 60 has_another_thread "$PID" none
	first=$now
	until_true 60 has_another_thread "$PID" "$first"
	expect "verdict" "$(answer "$PID")" "ready 0"
}

# The worker's heap does not change between the allocation and the marker, nor up to the breadcrumb.
test_heap_is_the_same_from_the_allocation_to_the_marker() {
	/guest/heap_watch $WORKER $SIZE >seen
	expect "what was seen" "$(paste -sd ' ' seen)" \
		"counted 1 openat same write same close same write same clock_nanosleep same"
	/guest/heap_watch $WORKER --churn $SIZE >seen
	expect "what was seen up to the breadcrumb" "$(head -n 5 seen | paste -sd ' ')" \
		"counted 1 openat same write same close same write same"
	expect "what the stack of the first thread did" "$(tail -n 1 seen)" "clone changed"
}

child_of() { # PID: the first
	for status in /proc/[0-9]*/status; do
		! grep -qx "PPid:	$1" "$status" 2>/dev/null || basename "${status%/status}"
	done | head -n 1
}
has_child() { [ -n "$(child_of "$1")" ]; }

# The worker has another pid in its namespace, and its own /tmp.
test_worker_in_its_own_pid_and_mount_namespace() {
	mkfifo go
	# shellcheck disable=SC2016
	spawn unshare -m -p -f --mount-proc sh -c 'mount -t tmpfs own /tmp; read -r _ <go; exec "$@"' worker \
		$WORKER $SIZE
	until_true 60 has_child "$LAST"
	PID=$(child_of "$LAST")
	SPAWNED="$PID $SPAWNED"
	spawn_waits 10 "$PID"
	until_true 60 at_least gates 1
	release
	# shellcheck disable=SC2086
	all_end 0 $WAITS
	[ ! -e "$MARKER-$PID" ] || die "the marker is in our own /tmp"
	[ -e "/proc/$PID/root/$MARKER-1" ] || die "no marker in its /tmp"
	expect "verdict of the file backend" "$(export READYD_BACKEND=file && answer "$PID")" "ready 0"
}

another_serves() { now=$(counter pid) && [ -n "$now" ] && [ "$now" != "$1" ]; }

# One worker becomes ready while no daemon runs, the other when init has started the next daemon.
test_daemon_is_killed_and_started_again() {
	old=$(counter pid)
	GO=early
	spawn_worker $SIZE
	early=$PID
	spawn_waits 10 "$early"
	waits=$WAITS
	GO=go
	spawn_worker $SIZE
	spawn_waits 10 "$PID"
	until_true 60 at_least gates 2
	kill -KILL "$old"
	echo >early
	# shellcheck disable=SC2086
	all_end 0 $waits
	expect_exit 125 readyctl ping
	until_true 60 another_serves "$old"
	until_true 60 at_least handed_out 10
	release
	# shellcheck disable=SC2086
	all_end 0 $WAITS
	expect "verdict" "$(answer "$early" --no-fallback)" "ready 0"
}

# same_by_all_ways PID VERDICT EXIT
same_by_all_ways() {
	expect "the daemon's answer" "$(answer "$1" --no-fallback)" "$2 $3"
	expect "without a daemon" "$(answer "$1" --socket /run/missing)" "$2 $3"
	expect "by the file backend" "$(export READYD_BACKEND=file && answer "$1")" "$2 $3"
	expect_exit "$3" wait_ready "$1" 1
}

test_shell_loop_file_and_daemon_give_the_same_answers() {
	spawn_worker $SIZE
	same_by_all_ways "$PID" pending 124
	release
	expect_exit 0 wait_ready "$PID" 60
	same_by_all_ways "$PID" ready 0
	end_worker "$PID"
	same_by_all_ways "$PID" exited 4
	rm go
	spawn_worker 4096
	end_worker "$PID"
	same_by_all_ways "$PID" died 3
}

# Waits of all kinds that begin before the marker is created.
test_shell_loop_file_and_daemon_see_the_same_marker() {
	spawn_worker $SIZE
	spawn wait_ready "$PID" 60
	loop=$LAST
	spawn_waits 1 "$PID"
	gate=$LAST
	spawn readyctl wait --socket /run/missing "$PID"
	without=$LAST
	spawn env READYD_BACKEND=file readyctl wait "$PID"
	until_true 60 at_least gates 1
	release
	all_end 0 "$loop" "$gate" "$without" "$LAST"
}

test_a_death_is_reported_at_once() {
	spawn_worker $SIZE
	spawn_waits 10 "$PID"
	until_true 60 at_least gates 1
	since=$(now_ms)
	kill -KILL "$PID"
	# shellcheck disable=SC2086
	all_end 3 $WAITS
	note "10 probes answered after a death in $(($(now_ms) - since)) ms"
}

# The clock of the guest is set for real; it has its old value again at the end.
test_a_clock_that_is_set_forward_changes_no_answer() {
	spawn sleep 1000
	PID=$LAST
	: >"$MARKER-$PID"
	note "/proc was mounted $(($(stat -c %Z /proc) - $(awk '$1 == "btime" { print $2 }' /proc/stat))) s after the boot"
	now=$(date +%s)
	for by in 60 86400; do
		date -s "@$((now + by))" >/dev/null
		got=$(READYD_BACKEND="file" readyctl status "$PID") || got="$got $?"
		date -s "@$now" >/dev/null
		[ "${got%% *}" = ready ] || die "set forward by $by s: $got"
	done
}

run_tests
