# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# There is no marker.
by_file
RIGHT_STATUS=1 RIGHT='pending ' FALSE='(ready|exited|died|stale) '
prepare() { worker; COMMAND=(status "$PID"); }
