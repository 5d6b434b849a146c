# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# A client without a daemon waits; the marker comes while it sleeps.
by_file
prepare() { worker; TOUCH=$MARKER COMMAND=(wait --timeout "$TIMEOUT" "$PID"); }
