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

run_tests "$@"
