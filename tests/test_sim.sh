#!/usr/bin/env bash
# The simulator (tests/sim/README.md): a few of its schedules. script/test runs more of them.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

SIM=$BUILD/tests/sim/sim

test_schedules_hold() {
	"$SIM" --schedules 3000 --seed 1 --workers 2 || die "see its seed above"
}

test_a_seed_replays_the_same_story() {
	local seed
	for seed in 7 8 9; do
		expect "seed $seed" "$("$SIM" --seed "$seed" | sed 's/ seconds=.*//')" \
			"$("$SIM" --seed "$seed" | sed 's/ seconds=.*//')"
	done
}

test_figures_have_every_fault_and_verdict() {
	local figures word
	figures=$("$SIM" --schedules 1000 | tail -n 1)
	for word in ready died exited stale unreachable hint-lost hint-late hint-doubled hint-spurious overflow \
		mount-unseen daemon-killed daemon-stopped daemon-frozen connection-cut fragment descriptor-refused \
		foreign-marker not-a-file marker-removed marker-replaced pid-reused directory-replaced clock-set \
		hidden-process coarse-stamps skewed-stamps old-files marker-rewritten old-file-moved silent-marker; do
		[[ $figures =~ \ $word=[1-9] ]] || die "no $word in: $figures"
	done
}

test_wrong_usage_exits_2() {
	local status=0
	"$SIM" --schedules many 2>/dev/null || status=$?
	expect "exit status" "$status" 2
}

run_tests "$@"
