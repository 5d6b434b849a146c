# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2153,SC2154
# The marker is older than the process.
by_file
export READYD_DIR=$RUN/leftovers
RIGHT_STATUS=5 RIGHT='stale ' FALSE='(ready|exited|died) '

# A pid is not known before its process: all trials share the markers of many. False: the worker has none, and there are
# markers for the next pids now; other programs may use them up, or the pids begin again.
begin_with_leftover() {
	local last n
	: >"$T/m/now"
	sleep 0.05 # The kernel tells the start of a process in hundredths of a second.
	worker
	[ ! -e "$MARKER" ] || [ ! "$MARKER" -ot "$T/m/now" ] || return 0
	read -r _ _ _ _ last </proc/loadavg
	for n in {1..2000}; do : >"$READYD_DIR/ktstr-worker-ready-$((last + n))"; done
	return 1
}

prepare() {
	local attempt
	mkdir -p "$READYD_DIR"
	for attempt in {1..20}; do
		! begin_with_leftover || break
		[ "$attempt" -lt 20 ] || outcome not-run "no pid was met"
	done
	COMMAND=(status "$PID")
}
