#!/usr/bin/env bash
# host_remote.sh SOCKET: until SOCKET.ended exists, at the host's side of the port of a guest that runs tests/vm/cases_remote.sh. Prints TAP lines
# without a plan.
set -uo pipefail
: "${BUILD:?}"
socket=$1
readyctl=$BUILD/client/readyctl
seen=' '

# find_worker: $pid is a process in the daemon's list that has not been there before.
find_worker() {
	while [ ! -e "$socket.ended" ]; do
		for pid in $(timeout 20 "$readyctl" list -s "unix:$socket" --remote --print=pid 2>/dev/null); do
			[[ $seen == *" $pid "* ]] || { seen+="$pid " && return 0; }
		done
		sleep 0.1
	done
	return 1
}

# wait_for PID: $line is the answer.
wait_for() {
	line=$(timeout 90 "$readyctl" wait -s "unix:$socket" --remote -t 80 --json "$1" 2>"$socket.err")
}

waits() { # NAME
	local line
	if ! find_worker; then
		echo "ok - host: $1 # SKIP the guest lists no worker; its cases say why"
	elif wait_for "$pid" && [[ $line == '{"pid":'$pid',"verdict":"ready","exit":0,'*'"backend":"remote"}' ]]; then
		echo "ok - host: $1"
	else
		echo "not ok - host: $1"
		echo "# $line; $(tail -n 1 "$socket.err")"
	fi
}

waits "waits for a worker of the guest"
waits "waits while the daemon of the guest is killed"
