# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# The process ends without a marker while a client waits with a gate.
by_daemon
. "$here/end.sh"
