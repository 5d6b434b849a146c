# Sourced after lib.sh by the tests that mount clockfs, in mount namespaces of their own.
# shellcheck shell=bash disable=SC2034,SC2154

CLOCKFS=$BUILD/tests/fs/clockfs

# start_clockfs DIRECTORY [OPTION...]: mounts one there; $CLOCKFS_PID serves it.
start_clockfs() {
	local dir=$1
	shift
	[ -x "$CLOCKFS" ] || skip "built without fuse3"
	[ -w /dev/fuse ] || skip "/dev/fuse is missing, or may not be opened"
	spawn "$CLOCKFS" "$@" "$dir" >clockfs.out 2>clockfs.log
	CLOCKFS_PID=$LAST
	until_true 60 is_mounted_or_over "$dir"
	mountpoint -q "$dir" || skip "no FUSE file system can be mounted here: $(head -n 1 clockfs.log)"
}
is_mounted_or_over() { mountpoint -q "$1" || has_ended "$CLOCKFS_PID"; }

# From when this returns on, every look at it hangs, and not even SIGKILL ends the process that looks; until
# answer_clockfs, or the end of $CLOCKFS_PID.
hang_clockfs() { signal_clockfs USR1 hangs; }
answer_clockfs() { signal_clockfs USR2 answers; }
signal_clockfs() {
	kill "-$1" "$CLOCKFS_PID"
	until_true 60 last_word_is "$2"
}
last_word_is() { [ "$(tail -n 1 clockfs.out)" = "$1" ]; }
