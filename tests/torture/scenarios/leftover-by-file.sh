# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# The marker is older than the process.
by_file
RIGHT_STATUS=5 RIGHT='stale ' FALSE='(ready|exited|died) '
prepare() {
	local last
	last=$(cut -d ' ' -f 5 /proc/loadavg)
	eval "touch $READYD_DIR/ktstr-worker-ready-{$((last + 1))..$((last + 3000))}"
	sleep 0.1 # The kernel tells the start of a process in hundredths of a second.
	worker
	[ -e "$MARKER" ] || outcome not-run "the pid $PID is not near $last"
	COMMAND=(status "$PID")
}
