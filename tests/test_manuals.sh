#!/usr/bin/env bash
# The manuals agree with the programs; script/lint checks the texts alone.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

# Each option that --help names is in the manual.
test_manuals_know_every_option() {
	local option
	for option in $("$READYD" --help | grep -o -- '--[a-z-]*' | sort -u); do
		grep -q -- "Fl -${option#--}" "$SRC/man/readyd.8" || die "readyd.8 does not know $option"
	done
	for option in $("$READYCTL" --help | grep -o -- '--[a-z-]*' | sort -u); do
		grep -q -- "Fl -${option#--}" "$SRC/man/readyctl.1" || die "readyctl.1 does not know $option"
	done
}

# in_ms NAME: a constant of src/stamp_trust.h, in milliseconds.
in_ms() { echo $(($(sed -n "s/^#define $1[[:space:]]*\([0-9]*\)LL\$/\1/p" "$SRC/src/stamp_trust.h") / 1000000)); }

# They stand in one place of the code and in one place of the manuals.
test_the_manual_states_how_far_stamps_are_trusted() {
	grep -q "^\.It \"tmpfs.* Ta \"$(in_ms STAMP_GRAIN_NS) ms\" Ta \"0\"$" "$SRC/man/readyd.8" || die "another grain"
	grep -q "^\.It \"NFS.* Ta \"$(($(in_ms STAMP_MARGIN_NS) / 1000)) s\"$" "$SRC/man/readyd.8" || die "another margin"
	expect "other places" "$(cd "$SRC" && grep -lE '\<(40 ms|40000000)' man/* src/*.[ch] daemon/*.[ch] client/*/*.[ch] \
		include/readyd/*.h README.md ARCHITECTURE.md | paste -sd ' ')" "man/readyd.8 src/stamp_trust.h"
}

run_tests "$@"
