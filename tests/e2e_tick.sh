#!/usr/bin/env bash
# What a tick costs while processes are waited for and nothing happens, in counts that do not depend on the machine.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

# No more than a slice of a sweep.
MANY=60

# wait_for_many: begins to wait for $MANY processes.
wait_for_many() {
	local i pids=()
	for ((i = 0; i < MANY; i++)); do
		spawn sleep 1000
		pids+=("$LAST")
	done
	spawn "$READYCTL" wait --socket "$T/s" --dir "$T/m" "${pids[@]}"
	until_true 60 counter_is waited "$MANY"
	# Those that came after the last sweep began are not checked by it.
	until_true 60 has_counted sweeps "$(($(counter sweeps) + 1))"
	FIRST=${pids[0]}
}

has_counted() { [ "$(counter "$1")" -ge "$2" ]; }

# Each look since then was one of a sweep, of which there are fewer than ticks. One that runs now is awaited.
only_sweeps_looked() {
	local stats
	stats=$(ctl stats)
	[ $(($(sed -n 's/^looks=//p' <<<"$stats") - LOOKS)) -eq $((MANY * ($(sed -n 's/^sweeps=//p' <<<"$stats") - SWEEPS))) ]
}

note_counts() {
	LOOKS=$(counter looks)
	SWEEPS=$(counter sweeps)
	TICKS=$(counter ticks)
}

test_a_tick_checks_no_process() {
	start_readyd
	wait_for_many
	expect "polled" "$(counter polled)" 0
	note_counts
	: >m/unrelated
	until_true 60 has_counted ticks $((TICKS + 8))
	until_true 5 only_sweeps_looked
	[ $(($(counter sweeps) - SWEEPS)) -le $((($(counter ticks) - TICKS + 4) / 4)) ] || die "$(($(counter sweeps) - SWEEPS)) sweeps"
}

# A file under the name of one marker that is not one: only that process is polled.
test_what_a_name_hides_is_polled() {
	start_readyd
	wait_for_many
	mkdir "$(marker "$FIRST")"
	until_true 60 counter_is polled 1
	rmdir "$(marker "$FIRST")"
	until_true 60 counter_is polled 0
}


run_tests "$@"
