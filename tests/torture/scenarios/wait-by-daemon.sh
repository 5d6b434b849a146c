# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# A client waits with a gate of the daemon.
by_daemon
prepare() { worker; TOUCH=$MARKER COMMAND=(wait --timeout "$TIMEOUT" "$PID"); }
