#!/bin/sh
# Run in a guest: which process left a marker, where the clock is set for real, on file systems that round their stamps,
# and where /proc or the clock is another one.
# shellcheck source=tests/vm/tap.sh disable=SC1091,SC2030,SC2031
. /guest/tap.sh

DIR=/run/markers
STALE='stale [0-9]+( start=[0-9]+)? reason=older-than-process.*'
READY='ready [0-9]+ .*'
AGE_UNKNOWN='pending [0-9]+ start=[0-9]+ reason=age-unknown.*'

marker() { echo "$DIR/ktstr-worker-ready-$1"; }
# The shell reaps its children late, so that `kill -0` is true of one that has ended.
ends() { kill -KILL "$1" && { wait "$1" || [ $? -eq 137 ]; }; }

# start_readyd: for the markers in $DIR; $DAEMON is its pid.
start_readyd() {
	export READYD_SOCKET="$PWD/s"
	spawn readyd -s "$READYD_SOCKET" -d "$DIR"
	DAEMON=$LAST
	until_true 60 readyctl -q ping
}

# spawn_worker [PID]: $PID is a process, with this pid. A thread of the kernel may take it first, and end soon.
spawn_worker() {
	if [ $# -eq 0 ]; then
		spawn sleep 1000
	else
		until_true 60 has_got "$1"
	fi
	PID=$LAST
}
has_got() {
	echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
	spawn sleep 1000
	[ "$LAST" = "$1" ] || { ends "$LAST" && false; }
}

# says BACKEND REGEX PID
says() {
	line=$(READYD_DIR=$DIR READYD_BACKEND=$1 readyctl status "$3" 2>&1) || :
	echo "$line" | grep -qxE "$2" || die "$1: not '$2': $line; changed $(stat -c %z "$(marker "$3")"), now $(uptime_s) s is $(date)"
}

# put_marker PID: like a worker that has something to do first. The tick that advances stamps is late on a busy host; by
# more than 40 ms, a marker that comes at once looks older than its process.
put_marker() {
	until_true 60 is_past $(($(now_ms) + 200))
	: >"$(marker "$1")"
}
# is_past MS: since the boot.
is_past() { [ "$(now_ms)" -ge "$1" ]; }

# prepare: the directory is empty, and the clock is right, whatever the case before has left.
prepare() {
	mkdir -p $DIR
	rm -f $DIR/*
	restore_clock
}

# --- a clock that is set

# set_clock SECONDS: by so much. date(1) sets whole seconds, so at the start of one.
set_clock() {
	second=$(date +%s)
	until_true 60 is_next_second
	date -s "@$((second + 1 + $1))" >/dev/null
}
is_next_second() { [ "$(date +%s)" -gt "$second" ]; }

uptime_s() { cut -d . -f 1 /proc/uptime; }
[ -e /run/booted ] || echo $(($(date +%s) - $(uptime_s))) >/run/booted
restore_clock() { date -s "@$(($(cat /run/booted) + $(uptime_s)))" >/dev/null; }

is_surely_older() { # FILE: than what starts now, by any stamp
	until_true 60 is_past $(($(now_ms) + 1000))
	[ -e "$1" ]
}

# with_steps SECONDS...: the daemon has seen a good marker, a worker without one, and a leftover. Then the clock is set by
# each of these, and a process gets the number of the leftover.
with_steps() {
	prepare
	: >"$(marker 3001)"
	start_readyd
	spawn_worker 3002
	spawn_worker 3003
	put_marker 3002
	says daemon "$READY" 3002
	is_surely_older "$(marker 3001)"
	READYD_BACKEND="file" READYD_DIR=$DIR readyctl -q wait --timeout 60 3003 &
	waits=$!
	READYD_BACKEND="daemon" readyctl -q wait --timeout 60 3003 &
	waits="$waits $!"
	until_true 60 is_waited_for
	for by; do set_clock "$by"; done
	spawn_worker 3001
	spawn_worker 3004
	put_marker 3003
	put_marker 3004
	for pid in $waits; do wait "$pid"; done
	says daemon "$STALE" 3001
	for pid in 3002 3003 3004; do says daemon "$READY" "$pid"; done
	for pid in 3003 3004; do says file "$READY" "$pid"; done
}
is_waited_for() { [ "$(readyctl stats | sed -n 's/^gates=//p')" = 1 ]; }

# The leftover looks older only by as much as the clock was set, so a program that was not there before can only assume.
test_a_clock_that_is_set_forward() {
	with_steps 3600
	says file "$STALE|ready [0-9]+ age=assumed.*" 3001
	says file "$READY" 3002
}
test_a_clock_that_is_set_back() {
	with_steps -3600
	says file "$AGE_UNKNOWN" 3001
	says file "$AGE_UNKNOWN" 3002
}
test_a_clock_that_is_set_forward_twice() {
	with_steps 1800 3600
	says file "$STALE|ready [0-9]+ age=assumed.*" 3001
	says file "$READY" 3002
}
test_a_clock_that_is_set_forward_and_back() {
	with_steps 3600 -3600
	says file "$STALE" 3001
	says file "$READY" 3002
}

# before_the_start SECONDS: the daemon starts after the step and has seen nothing. No leftover is ready without a doubt, no
# good marker is stale.
before_the_start() {
	prepare
	: >"$(marker 3001)"
	spawn_worker 3002
	put_marker 3002
	is_surely_older "$(marker 3001)"
	for by; do set_clock "$by"; done
	spawn_worker 3001
	start_readyd
	for backend in daemon file; do
		says $backend "$STALE|$AGE_UNKNOWN|ready [0-9]+ age=assumed.*" 3001
		says $backend "$READY|$AGE_UNKNOWN" 3002
	done
	spawn_worker 3004
	put_marker 3004
	both says "$READY" 3004
}
both() { "$1" daemon "$2" "$3" && "$1" file "$2" "$3"; }

test_a_clock_that_was_set_forward_before_the_start() { before_the_start 3600; }
test_a_clock_that_was_set_back_before_the_start() { before_the_start -3600; }
test_a_clock_that_was_set_twice_before_the_start() { before_the_start 3600 -1800; }


# The marker comes between two steps that cancel out. Only the daemon can know.
test_a_clock_that_is_set_back_and_forward_again() {
	prepare
	start_readyd
	spawn_worker
	set_clock -3600
	put_marker "$PID"
	says daemon "$READY" "$PID"
	set_clock 3600
	says daemon "$READY" "$PID"
	says auto "$READY" "$PID"
}

# --- file systems

# need_module NAME...: of the kernel, unless they are built in.
need_module() {
	for module; do
		grep -q "^$module " /proc/modules && continue
		[ -e "/guest/modules/$module.ko" ] || skip "the kernel has no module $module here"
		insmod "/guest/modules/$module.ko"
	done
}

# rounds IMAGE TYPE MS: a good marker on a file system whose stamps are rounded down, by at most so much; a leftover that the
# daemon saw, whatever its age; and without a daemon, one that is older than that.
rounds() {
	[ -e "/guest/$1" ] || skip "no image $1"
	prepare
	DIR=/mnt
	mkdir -p $DIR
	mount -t "$2" -o loop "/guest/$1" $DIR
	: >"$(marker 3001)"
	since=$(now_ms)
	start_readyd
	spawn_worker
	put_marker "$PID"
	both says "$READY" "$PID"
	spawn_worker 3001
	says daemon "$STALE" 3001
	ends 3001
	until_true 60 is_past $((since + $3))
	spawn_worker 3001
	both says "$STALE" 3001
	note "stamp of $(stat -c %z "$(marker "$PID")")"
	ends "$DAEMON"
	umount $DIR
}

test_ext4_with_stamps_of_whole_seconds() {
	need_module loop
	rounds ext4 ext4 1200
}
test_fat_with_stamps_of_two_seconds() {
	need_module loop fat vfat nls_cp437 nls_ascii
	rounds vfat vfat 2200
}

# --- mounts

# The markers below the new mount count, those below the old one do not.
test_an_overlay_and_a_tmpfs_over_the_directory() {
	need_module overlay
	prepare
	start_readyd
	spawn_worker
	put_marker "$PID"
	both says "$READY" "$PID"
	mkdir /run/layers
	mount -t tmpfs layers /run/layers
	mkdir /run/layers/upper /run/layers/work
	mount -t overlay -o lowerdir=$DIR,upperdir=/run/layers/upper,workdir=/run/layers/work markers $DIR
	is_ready_below_a_mount
	mount -t tmpfs markers $DIR
	is_ready_below_a_mount
	says daemon "$READY" "$PID"
	until_true 60 umount $DIR
	until_true 60 umount $DIR
	umount /run/layers
}
# The one that waits is told at once, and others get the same answer.
is_ready_below_a_mount() {
	spawn_worker
	READYD_BACKEND="daemon" readyctl -q wait --timeout 60 "$PID" &
	waits=$!
	until_true 60 is_waited_for
	put_marker "$PID"
	wait $waits
	both says "$READY" "$PID"
}

# --- /proc and time

# by_user REGEX PID: what another user is told without a daemon.
by_user() {
	line=$(READYD_DIR=$DIR READYD_BACKEND="file" /guest/under uid 1000 readyctl status "$2" 2>&1) || :
	echo "$line" | grep -qE "$1" || die "not '$1': $line"
}

test_a_leftover_where_proc_is_hidden() {
	prepare
	: >"$(marker 3001)"
	start_readyd --socket-mode 666
	is_surely_older "$(marker 3001)"
	spawn_worker 3001
	for hidepid in 1 2; do
		mount -o remount,hidepid=$hidepid /proc
		! /guest/under uid 1000 test -r /proc/3001/stat || die "hidepid=$hidepid has no effect"
		by_user '^pending 3001 reason=identity-unknown' 3001
		by_user '^pending 3001 (start=1 )?reason=identity-unknown' 3001:1
		both says "$STALE" 3001
	done
	mount -o remount,hidepid=0 /proc
	by_user '^stale 3001 ' 3001
}

# In the time namespace, the process has started with tick 0.
test_a_leftover_in_a_time_namespace() {
	prepare
	: >"$(marker 3001)"
	is_surely_older "$(marker 3001)"
	spawn_worker 3001
	start=$(sed 's/.*) //' /proc/3001/stat | cut -d ' ' -f 20)
	line=$(/guest/under time "$start" sed 's/.*) //' /proc/3001/stat | cut -d ' ' -f 20)
	expect "its start there" "$line" 0
	line=$(READYD_DIR=$DIR READYD_BACKEND="file" /guest/under time "$start" readyctl status 3001) || :
	echo "$line" | grep -qxE "$STALE" || die "not stale: $line"
	: >"$(marker 3001).new"
	mv "$(marker 3001).new" "$(marker 3001)"
	line=$(READYD_DIR=$DIR READYD_BACKEND="file" /guest/under time "$start" readyctl status 3001) || :
	echo "$line" | grep -qxE "$READY" || die "not ready: $line"
}

run_tests
