#!/usr/bin/env bash
# What needs no running: format, shell, manuals.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

test_c_is_formatted() {
	need clang-format
	cd "$SRC"
	clang-format --dry-run -Werror include/readyd/*.h {src,daemon,client,worker,bench}/*.c \
		{src,daemon,client,bench}/*.h tests/*.c tests/*.h tests/vm/*.c
}

test_shell_is_clean() {
	need shellcheck
	cd "$SRC"
	shellcheck -x script/* bench/*.sh tests/*.sh tests/vm/*.sh contrib/init/init contrib/init/*/{run,check}
}

test_manuals_are_clean() {
	need mandoc
	local page
	for page in "$SRC"/man/*; do mandoc -Tlint -Wwarning "$page"; done
}

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
