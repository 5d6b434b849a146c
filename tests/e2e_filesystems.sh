#!/usr/bin/env bash
# Markers on file systems that round their stamps, or have a clock that is not the kernel's.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

# shellcheck source=tests/fs/clockfs.sh
. "$(dirname "$0")/fs/clockfs.sh"

STALE='stale [0-9]+ start=[0-9]+ reason=older-than-process.*'

# --- file systems: mount_NAME mounts one on m. All of this happens in mount and pid namespaces, so that whatever ends
# the test also unmounts, detaches loop devices, and ends the file system's process.

# The longest time by which a leftover can be older than its process without its stamp being evidence.
MARGIN_MS=100

mount_image() { # TYPE SIZE MKFS...
	local type=$1 size=$2
	shift 2
	need_root
	need "$1"
	truncate -s "$size" image
	"$@" image >mkfs.log 2>&1 || die "$* fails: $(cat mkfs.log)"
	mount -t "$type" -o loop image m 2>mount.log || skip "$type cannot be mounted here: $(head -n 1 mount.log)"
}

mount_ext2() { MARGIN_MS=1100 && mount_image ext2 8M mkfs.ext2 -q -I 128; }
mount_ext3() { MARGIN_MS=1100 && mount_image ext3 8M mkfs.ext3 -q -I 128; }
mount_ext4_128() { MARGIN_MS=1100 && mount_image ext4 8M mkfs.ext4 -q -I 128; }
mount_ext4_256() { mount_image ext4 8M mkfs.ext4 -q -I 256; }
mount_vfat() { MARGIN_MS=2100 && mount_image vfat 8M mkfs.vfat; }
mount_tmpfs() { tmpfs m; }

# overlay: on what is mounted on m.
overlay() {
	mkdir m/lower m/upper m/work
	mount -t overlay -o lowerdir=m/lower,upperdir=m/upper,workdir=m/work none m 2>mount.log ||
		skip "no overlay can be mounted here: $(head -n 1 mount.log)"
}
mount_overlay() { mount_tmpfs && overlay; }
mount_overlay_ext4_128() { mount_ext4_128 && overlay; }

clockfs() {
	MARGIN_MS=5100
	start_clockfs m "$@"
}
mount_fuse_behind_60_ms() { clockfs --skew=-0.06; }
mount_fuse_behind_2_s() { clockfs --skew=-2; }
mount_fuse_ahead_2_s() { clockfs --skew=2 && MARGIN_MS=7100; }
mount_fuse_whole_seconds() { clockfs --grain=1000000000 && MARGIN_MS=6100; }

# on FILE_SYSTEM FUNCTION: runs the function where m is such a file system.
on() { in_namespaces "$PIDS --mount-proc" run_on "$@"; }
run_on() {
	DAEMON=
	mkdir m
	"mount_$1"
	"$2"
}

# --- clocks

is_past() { [ "$(now_ms)" -ge "$1" ]; }
# A moment at which a stamp of whole seconds is much older than now, but not for all of the next half second.
is_in_mid_second() { local ms=$(($(now_ms) % 1000)); [ "$ms" -ge 300 ] && [ "$ms" -le 500 ]; }

# --- rows

# A worker that writes its marker right after its start.
spawn_quick_worker() {
	until_true 60 is_in_mid_second
	spawn sh -c ': >"$0$$"; exec sleep 1000' "$T/m/ktstr-worker-ready-"
	PID=$LAST
	until_true 60 exists "$(marker "$PID")"
}

is_ready_for() {
	expect_status "$1" 0 "$READY" "$PID"
	READYD_BACKEND=$1 expect_exit 0 ctl -q wait --timeout 10 "$PID"
}

# Only stamps are known of it.
good_marker_without_daemon() {
	spawn_quick_worker
	is_ready_for file
}

good_marker_before_the_daemon() {
	spawn_quick_worker
	start_readyd
	both_backends is_ready_for
}

good_marker_while_the_daemon_watches() {
	start_readyd
	spawn_quick_worker
	both_backends is_ready_for
}

good_marker_for_a_waiter() {
	[ "$1" = file ] || start_readyd
	spawn_worker
	start_waiter "$1" "$PID"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
	is_ready_for "$1"
}

# Also for one that asks later.
good_marker_while_somebody_waits() {
	good_marker_for_a_waiter file
	good_marker_for_a_waiter daemon
}

# It is older than its process by more than can be a matter of clocks, and nothing was seen of it before.
old_leftover() {
	local old
	mark 203
	old=$(($(now_ms) + MARGIN_MS))
	until_true 60 is_past "$old"
	spawn_worker_with_pid 203
	expect_status file 5 "$STALE" 203
	start_readyd
	both_backends expect_status 5 "$STALE" 203
}

# leave_for_the_daemon PID: it has read the event when it answers.
leave_for_the_daemon() {
	start_readyd
	mark "$1"
	alive
}

seen_leftover() {
	leave_for_the_daemon 203
	spawn_worker_with_pid 203
	both_askers expect_status 5 "$STALE" 203
}
# The daemon, and a waiter that looks for itself first.
both_askers() {
	local function=$1
	shift
	"$function" daemon "$@"
	"$function" auto "$@"
}

# The same file with the same stamp; only the event differs.
seen_leftover_rewritten_in_the_same_second() {
	until_true 60 is_in_mid_second
	leave_for_the_daemon 203
	spawn_worker_with_pid 203
	mark 203
	both_askers expect_status 0 "$READY" 203
}

# The stated exception: the stamp does not tell whether it is a leftover. Again where the second is over before the
# worker starts.
young_leftover_without_daemon() {
	local second=
	until [ "$second" = "$EPOCHSECONDS" ]; do
		[ -z "$second" ] || kill_and_reap 203
		rm -f "$(marker 203)"
		until_true 60 is_in_mid_second
		second=$EPOCHSECONDS
		mark 203
		spawn_worker_with_pid 203
	done
	expect_status file 0 "ready 203 .*age=assumed.*" 203
}

end_daemon() {
	[ -z "$DAEMON" ] || kill_readyd
	DAEMON=
}

good_markers() {
	local row
	for row in without_daemon before_the_daemon while_the_daemon_watches while_somebody_waits; do
		echo "$row"
		"good_marker_$row"
		end_daemon
	done
}

test_good_markers_on_tmpfs() { on tmpfs good_markers; }
test_good_markers_on_ext4_256() { on ext4_256 good_markers; }
test_good_markers_on_overlay() { on overlay good_markers; }
test_good_markers_on_ext2() { on ext2 good_markers; }
test_good_markers_on_ext3() { on ext3 good_markers; }
test_good_markers_on_ext4_128() { on ext4_128 good_markers; }
test_good_markers_on_vfat() { on vfat good_markers; }
test_good_markers_on_overlay_ext4_128() { on overlay_ext4_128 good_markers; }
test_good_markers_on_fuse_behind_60_ms() { on fuse_behind_60_ms good_markers; }
test_good_markers_on_fuse_behind_2_s() { on fuse_behind_2_s good_markers; }
test_good_markers_on_fuse_ahead_2_s() { on fuse_ahead_2_s good_markers; }
test_good_markers_on_fuse_whole_seconds() { on fuse_whole_seconds good_markers; }

test_an_old_leftover_on_tmpfs() { on tmpfs old_leftover; }
test_an_old_leftover_on_ext4_256() { on ext4_256 old_leftover; }
test_an_old_leftover_on_overlay() { on overlay old_leftover; }
test_an_old_leftover_on_ext2() { on ext2 old_leftover; }
test_an_old_leftover_on_ext3() { on ext3 old_leftover; }
test_an_old_leftover_on_ext4_128() { on ext4_128 old_leftover; }
test_an_old_leftover_on_vfat() { on vfat old_leftover; }
test_an_old_leftover_on_overlay_ext4_128() { on overlay_ext4_128 old_leftover; }
test_an_old_leftover_on_fuse_behind_60_ms() { on fuse_behind_60_ms old_leftover; }
test_an_old_leftover_on_fuse_behind_2_s() { on fuse_behind_2_s old_leftover; }
test_an_old_leftover_on_fuse_ahead_2_s() { on fuse_ahead_2_s old_leftover; }
test_an_old_leftover_on_fuse_whole_seconds() { on fuse_whole_seconds old_leftover; }

test_a_leftover_on_tmpfs_that_the_daemon_saw() { on tmpfs seen_leftover; }
test_a_leftover_on_ext4_256_that_the_daemon_saw() { on ext4_256 seen_leftover; }
test_a_leftover_on_overlay_that_the_daemon_saw() { on overlay seen_leftover; }
test_a_leftover_on_ext2_that_the_daemon_saw() { on ext2 seen_leftover; }
test_a_leftover_on_ext3_that_the_daemon_saw() { on ext3 seen_leftover; }
test_a_leftover_on_ext4_128_that_the_daemon_saw() { on ext4_128 seen_leftover; }
test_a_leftover_on_vfat_that_the_daemon_saw() { on vfat seen_leftover; }
test_a_leftover_on_overlay_ext4_128_that_the_daemon_saw() { on overlay_ext4_128 seen_leftover; }
test_a_leftover_on_fuse_behind_60_ms_that_the_daemon_saw() { on fuse_behind_60_ms seen_leftover; }
test_a_leftover_on_fuse_behind_2_s_that_the_daemon_saw() { on fuse_behind_2_s seen_leftover; }
test_a_leftover_on_fuse_ahead_2_s_that_the_daemon_saw() { on fuse_ahead_2_s seen_leftover; }
test_a_leftover_on_fuse_whole_seconds_that_the_daemon_saw() { on fuse_whole_seconds seen_leftover; }

test_a_rewritten_leftover_on_ext2() { on ext2 seen_leftover_rewritten_in_the_same_second; }
test_a_rewritten_leftover_on_ext3() { on ext3 seen_leftover_rewritten_in_the_same_second; }
test_a_rewritten_leftover_on_ext4_128() { on ext4_128 seen_leftover_rewritten_in_the_same_second; }
test_a_rewritten_leftover_on_vfat() { on vfat seen_leftover_rewritten_in_the_same_second; }
test_a_rewritten_leftover_on_overlay_ext4_128() { on overlay_ext4_128 seen_leftover_rewritten_in_the_same_second; }
test_a_rewritten_leftover_on_fuse_whole_seconds() { on fuse_whole_seconds seen_leftover_rewritten_in_the_same_second; }

test_a_young_leftover_on_ext2_without_daemon() { on ext2 young_leftover_without_daemon; }
test_a_young_leftover_on_ext3_without_daemon() { on ext3 young_leftover_without_daemon; }
test_a_young_leftover_on_ext4_128_without_daemon() { on ext4_128 young_leftover_without_daemon; }
test_a_young_leftover_on_vfat_without_daemon() { on vfat young_leftover_without_daemon; }
test_a_young_leftover_on_overlay_ext4_128_without_daemon() { on overlay_ext4_128 young_leftover_without_daemon; }
test_a_young_leftover_on_fuse_whole_seconds_without_daemon() { on fuse_whole_seconds young_leftover_without_daemon; }
test_a_young_leftover_on_fuse_behind_60_ms_without_daemon() { on fuse_behind_60_ms young_leftover_without_daemon; }
test_a_young_leftover_on_fuse_behind_2_s_without_daemon() { on fuse_behind_2_s young_leftover_without_daemon; }
test_a_young_leftover_on_fuse_ahead_2_s_without_daemon() { on fuse_ahead_2_s young_leftover_without_daemon; }

# What the tests of a hung directory rely on.
looks_hang() {
	mkdir m
	start_clockfs m --skew=-3600 --grain=1000000000
	: >m/file
	hang_clockfs
	spawn stat -c %.9Z m/file >looked
	until_true 60 grep -qx request_wait_answer "/proc/$LAST/wchan"
	kill -KILL "$LAST"
	spawn stat -c %.9Z m/file >looked
	until_true 60 grep -qx request_wait_answer "/proc/$LAST/wchan"
	answer_clockfs
	wait "$LAST"
	grep -qE '^[0-9]+\.0{9}$' looked || die "not a whole second: $(cat looked)"
	[ "$(cut -d. -f1 looked)" -lt $(($(date +%s) - 3500)) ] || die "not behind: $(cat looked), now $(date +%s)"
}
test_a_look_at_the_file_system_of_the_tests_can_hang() { in_namespaces "$PIDS --mount-proc" looks_hang; }

run_tests "$@"
