# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# `readyctl mark` writes the marker of a process.
by_file
RIGHT='' FALSE='[a-z]'
prepare() { worker; COMMAND=(mark "$PID"); }
judge() {
	[ "$STATUS" -ne 0 ] || [ -e "$MARKER" ] || fail contrary "no marker"
	judge_client
}
