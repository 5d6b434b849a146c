# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# `readyctl monitor` tells that a process becomes ready, and then that it ends; its reader goes then.
by_daemon
prepare() {
	worker
	TOUCH=$MARKER
	mkfifo "$T/pipe"
}

# Reads until the end of the process is told, or for as long as a wait takes elsewhere.
follow() {
	local line until=$((SECONDS + ${TIMEOUT%.*} + 1))
	while [ "$SECONDS" -le "$until" ] && read -r -t "$TIMEOUT" line; do
		echo "$line" >&8
		case $line in
		"ready $PID "* | "state $PID verdict=ready "*) kill -KILL "$PID" ;;
		"exited $PID "* | "state $PID verdict=exited "*) return ;;
		esac
	done
}

play() {
	local monitor
	(victim "$READYCTL" monitor "$PID" 2>"$T/err") >"$T/pipe" &
	monitor=$!
	follow <"$T/pipe" 8>"$T/out"
	wait "$monitor"
}

judge() {
	judge_end
	! says "(died|stale) $PID .*" || is_told_of_no_process || fail contrary
	[ ${#LINES[@]} -le 1 ] || fail noisy
	if [ "$STATUS" -ne 0 ]; then
		[ ${#LINES[@]} -gt 0 ] || [ "${WHAT[1]}" = write ] || fail silent
		outcome error "$ERR"
	fi
	if says "(exited|state) $PID (verdict=exited|start=).*"; then
		judge_descriptors
		outcome right "fds=${SAID[fds]}"
	fi
	! is_told_of_a_closed_peer || outcome other "$OUT"
	! is_once || fail lost
	outcome timed-out
}
