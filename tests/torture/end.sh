# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# The worker reads a fifo. To open that for writing, which touches it, ends the worker.
RIGHT_STATUS=3 RIGHT='died ' FALSE='(ready|exited|stale) '
prepare() {
	mkfifo "$T/fifo"
	worker sh -c "read -r line <$T/fifo; exit 7"
	TOUCH=$T/fifo COMMAND=(wait --timeout "$TIMEOUT" "$PID")
}
