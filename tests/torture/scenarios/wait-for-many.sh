# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# A client waits for nine processes on one connection; the marker of one of them is enough.
by_daemon
ERR_LINES=10 LOG_BYTES=5000
prepare() {
	bystanders
	worker
	TOUCH=$MARKER COMMAND=(wait --any --timeout "$TIMEOUT" "${OTHERS[@]}" "$PID")
}
