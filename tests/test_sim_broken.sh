#!/usr/bin/env bash
# The simulator (tests/sim/README.md) sees each way of breaking the product that tests/sim/broken.list has.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

SIM=$BUILD/tests/sim/sim

# The rarest takes more than 20,000 schedules.
broken_is_seen() { # NAME
	local status=0 out
	out=$("$SIM" --broken "$1" --seed 2000 --schedules 40000 --workers 2) || status=$?
	expect "exit status of $1" "$status" 1
	[[ $out == *"failed: seed "* ]] || die "$1 fails without a seed: $out"
}

# One test for each broken variant.
variants=$(sed -n 's/^\([a-z0-9-]*\)\t.*/\1/p' "$SRC/tests/sim/broken.list" | uniq)
for name in $variants; do
	eval "test_sees_${name//-/_}() { broken_is_seen $name; }"
done

# shellcheck disable=SC2046,SC2048,SC2086
run_tests ${*:-$(grep -o '^test_[a-z0-9_]*' "$0") $(sed 's/^/test_sees_/; s/-/_/g' <<<"$variants")}
