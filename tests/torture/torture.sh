#!/usr/bin/env bash
# Usage: tests/torture/torture.sh [--sample N] [--seconds N] [--seed N] [--at-once N] [SCENARIO]...
# Runs each scenario once for each errno of each occurrence of each system call that it makes, failing once and from then
# on, and for each allocation (see README.md). --sample runs that many trials alone, chosen by the seed and spread over all
# scenarios and calls, and --seconds ends it after that time. --at-once is the number of trials that run at the same time,
# without it three for each processor: they sleep most of the time. Prints each failure and a table of the outcomes.
# Exits with 1 if a trial failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:=$here/../../build}"
BUILD=$(realpath "$BUILD")
export BUILD
sample=0
seconds=0
seed=$RANDOM
at_once=$(($(nproc) * 3))
while [ $# -gt 0 ]; do
	case $1 in
	--sample) sample=$2 ;;
	--seconds) seconds=$2 ;;
	--seed) seed=$2 ;;
	--at-once) at_once=$2 ;;
	--*) echo "usage: torture.sh [--sample N] [--seconds N] [--seed N] [--at-once N] [SCENARIO]..." >&2 && exit 2 ;;
	*) break ;;
	esac
	shift 2
done
if [ $# -eq 0 ]; then
	set -- "$here"/scenarios/*.sh
	set -- "${@##*/}"
	set -- "${@%.sh}"
	if [ ! -x "$BUILD/fleet/readyd-mqtt" ] || ! type -P mosquitto >/dev/null || ! type -P mosquitto_sub >/dev/null; then
		echo "without the scenario bridge: libmosquitto or mosquitto is missing"
		read -r -a words <<<"${*/#%bridge/}"
		set -- "${words[@]}"
	fi
fi

RUN=$(mktemp -d "${TMPDIR:-/tmp}/readyd-torture.XXXXXX")
mkdir "$RUN/m"
export RUN SOCKET=$RUN/s
# The daemon of the scenarios of clients. It must not suffer.
mkfifo "$RUN/serves"
"$BUILD/daemon/readyd" --socket "$SOCKET" --dir "$RUN/m" --ready-fd 9 9>"$RUN/serves" 2>"$RUN/log" &
daemon=$!
broker=
trap 'kill "$daemon" $broker ${BYSTANDERS-} 2>/dev/null || :; wait; rm -rf "$RUN"' EXIT
read -r -t 60 <"$RUN/serves"

# The broker of the scenario `bridge`, on a port of loopback that nothing else uses.
start_broker() {
	local tries=8
	while [ $((tries--)) -gt 0 ]; do
		export BROKER_PORT=$((20000 + (RANDOM << 15 | RANDOM) % 12000))
		printf '%s\n' "listener $BROKER_PORT 127.0.0.1" 'allow_anonymous true' "user $(id -un)" >"$RUN/broker"
		: >"$RUN/broker.log"
		mosquitto -c "$RUN/broker" >"$RUN/broker.log" 2>&1 &
		broker=$!
		while kill -0 "$broker" 2>/dev/null; do
			! grep -q running "$RUN/broker.log" || return 0
			sleep 0.05
		done
	done
	return 1
}
if [[ " $* " == *' bridge '* ]]; then
	start_broker || { echo "mosquitto does not start: $(tail -n 3 "$RUN/broker.log")" && exit 1; }
fi

bystanders=()
while [ ${#bystanders[@]} -lt 8 ]; do
	sleep infinity &
	bystanders+=($!)
done
export BYSTANDERS="${bystanders[*]}"

# A trial without a fault must be right, and says which calls there are to fail.
begin_with() { # SCENARIO
	local first
	first=$("$here/trial.sh" "$1" 0 setsid nth 1000000 EPERM)
	if [[ ! $first =~ ^right\ .*fds=([0-9]+) ]]; then
		echo "FAIL: without a fault: $first"
		return 1
	fi
	# Descriptors that it has when it ends.
	echo "${BASH_REMATCH[1]}" >"$RUN/$1.fds"
	"$here/trial.sh" "$1" list >"$RUN/$1.calls"
}
export here
export -f begin_with
printf '%s\n' "$@" | xargs -P "$at_once" -I '{}' bash -c 'begin_with {}'
cat "$RUN"/*.calls >"$RUN/calls"

# Those that name no call of the table are left out. The order is the seed's, but all calls of all scenarios come before the
# second fault of one of them, and the scenarios in turn.
in_turn() { # FIELD...
	awk -v fields="$*" '
		BEGIN { n = split(fields, field) }
		{
			key = ""
			for (i = 1; i <= n; i++) key = key " " $field[i]
			print ++count[key], $0
		}' | sort -k 1,1n -k 2
}
awk -v seed="$seed" -v kill_at='(daemon|bridge) ' '
	BEGIN { srand(seed) }
	FNR == NR {
		if (split($0, part, ": ") == 2 && $0 !~ /^#/) errnos[part[1]] = part[2]
		next
	}
	function trial(when, n, what) { printf "%.9f %s %s %s %s %d %s\n", rand(), $1, $2, $3, when, n, what }
	$3 == "malloc" { errnos[$3] = "NULL" }
	$3 in errnos {
		count = split(errnos[$3], each, " ")
		for (n = 1; n <= $4; n++) {
			for (i = 1; i <= count; i++) {
				trial("nth", n, each[i])
				if (each[i] !~ /^(EINTR|EAGAIN|EWOULDBLOCK|ECONNABORTED)$/) trial("from", n, each[i])
			}
			if ($1 ~ "^" kill_at && $3 != "malloc") trial("nth", n, "KILL")
		}
	}
' "$here/errnos" "$RUN/calls" | sort | in_turn 2 3 4 | cut -d ' ' -f 2- | in_turn 2 | cut -d ' ' -f 3- >"$RUN/plan"
planned=$(wc -l <"$RUN/plan")
[ "$sample" -eq 0 ] || sed -i "$sample"q "$RUN/plan"
[ "$seconds" -eq 0 ] || export END=$(($(date +%s) + seconds))

sed '/^#/d; s/.*/s\/&\/known \&\/;s\/^known FAIL:[a-z-]* \/known \//' "$here/known" >"$RUN/known"
xargs -P "$at_once" -L 1 "$here/trial.sh" <"$RUN/plan" | sed -u -E -f "$RUN/known" | tee "$RUN/results" |
	grep --line-buffered -E '^(FAIL|known)' || :
echo "seed $seed: $(wc -l <"$RUN/results") of $planned trials"
awk '
	{ sub(/:.*/, "", $1); outcomes[$1]; scenarios[$2]; count[$2, $1]++ }
	END {
		printf "%-18s", "scenario"
		n = split("right other error timed-out killed not-run known FAIL", order, " ")
		for (o = 1; o <= n; o++) printf " %9s", order[o]
		print ""
		for (s in scenarios) {
			printf "%-18s", s | "sort"
			for (o = 1; o <= n; o++) printf " %9d", count[s, order[o]] | "sort"
			print "" | "sort"
		}
	}' "$RUN/results"
kill -0 "$daemon" || { echo "FAIL: the daemon of the clients has ended: $(tail -n 3 "$RUN/log")"; exit 1; }
[ -z "${RESULTS-}" ] || cp "$RUN/results" "$RESULTS"
! grep -q '^FAIL' "$RUN/results"
