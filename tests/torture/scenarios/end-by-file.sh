# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2154
# The process ends without a marker while a client without a daemon waits.
by_file
. "$here/end.sh"
