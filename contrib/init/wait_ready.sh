# A shell function for a guest without readyctl: source or copy it.
#
#	if command -v readyctl >/dev/null; then
#		readyctl -q wait --timeout 10 "$worker"
#	else
#		wait_ready "$worker" 10
#	fi
#
# It works for processes of the same user. It detects neither a marker that an earlier process has left, nor the death
# of a child that has not been reaped.
# shellcheck shell=sh

# wait_ready PID SECONDS: 0 ready, 3 died, 4 ready and gone, 124 timed out
wait_ready() {
	marker=/tmp/ktstr-worker-ready-$1
	tries=$(($2 * 100))
	while [ ! -f "$marker" ] || [ -L "$marker" ]; do
		if ! kill -0 "$1" 2>/dev/null; then
			if [ -f "$marker" ]; then return 4; else return 3; fi
		fi
		[ "$tries" -gt 0 ] || return 124
		tries=$((tries - 1))
		sleep 0.01
	done
	kill -0 "$1" 2>/dev/null || return 4
}
