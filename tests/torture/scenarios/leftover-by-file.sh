# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# The marker is older than the process.
by_file
RIGHT_STATUS=5 RIGHT='stale ' FALSE='(ready|exited|died) '

# A pid that is not known before: there are markers for the next ones. Other programs may use them up, or the pids
# begin again. Builtins: the fewer processes, the less time for others.
begin_with_leftover() {
	local last n
	read -r _ _ _ _ last </proc/loadavg
	for n in {1..200}; do : >"$READYD_DIR/ktstr-worker-ready-$((last + n))"; done
	sleep 0.05 # The kernel tells the start of a process in hundredths of a second.
	worker
	[ -e "$MARKER" ]
}

prepare() {
	local attempt
	for attempt in {1..20}; do
		! begin_with_leftover || break
	done
	[ -e "$MARKER" ] || outcome not-run "no pid was met"
	COMMAND=(status "$PID")
}
