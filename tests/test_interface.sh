#!/usr/bin/env bash
# What programs that link libreadyd rely on: its header, its symbols and its layout.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

CC=${CC:-gcc}
CXX=${CXX:-g++}
DUMP=$SRC/client/lib/libreadyd.abi
SHARED=$BUILD/.libs/libreadyd.so

# A separate make, since the one that runs the tests does not build it; its variables are not for this one.
env -u MAKEFLAGS -u MFLAGS make -s -C "$BUILD" client/lib/exported.o >/dev/null || exit 1

exported() { sed -n 's/^	\(readyd_[a-z_]*\);$/\1/p' "$SRC/client/lib/libreadyd.map" | sort; }

write_user() {
	cat >user.c <<'END'
#include <readyd/readyd.h>
#include <stdio.h>

#if !READYD_VERSION_AT_LEAST(0, 1, 0) || READYD_VERSION_AT_LEAST(READYD_VERSION_MAJOR + 1, 0, 0) || \
    READYD_VERSION_AT_LEAST(READYD_VERSION_MAJOR, READYD_VERSION_MINOR, READYD_VERSION_PATCH + 1)
#error "READYD_VERSION_AT_LEAST"
#endif

int main(void)
{
	struct readyd_options options = READYD_OPTIONS_INIT;
	struct readyd_answer answer = READYD_ANSWER_INIT;
	struct readyd_explanation why = READYD_EXPLANATION_INIT;

	printf("%s %d.%d.%d %s\n", READYD_VERSION, READYD_VERSION_MAJOR, READYD_VERSION_MINOR, READYD_VERSION_PATCH,
	    readyd_version());
	return options.size == 0 || answer.size == 0 || why.size == 0;
}
END
}

# user COMPILER ARGUMENT...: the program, compiled without a warning, agrees with configure.ac on the version.
user() {
	local version
	need "${1%% *}"
	version=$(sed -n 's/^AC_INIT(\[readyd\], \[\([0-9.]*\)\].*/\1/p' "$SRC/configure.ac")
	write_user
	# shellcheck disable=SC2086
	$1 "${@:2}" -Wall -Wextra -pedantic-errors -Werror -I"$SRC/include" -o user user.c -x none "$BUILD/client/lib/exported.o"
	expect "versions" "$(./user)" "$version $version $version"
}

test_the_header_is_c99() { user "$CC" -std=c99; }
test_the_header_is_c17() { user "$CC" -std=c17; }
test_the_header_is_cxx98() { user "$CXX" -x c++ -std=c++98; }
test_the_header_is_cxx20() { user "$CXX" -x c++ -std=c++20; }

test_each_macro_is_namespaced() {
	expect "foreign macros" "$(sed -n 's/^#define *\([A-Za-z_0-9]*\).*/\1/p' "$SRC/include/readyd/readyd.h" |
		select_lines -v '^READYD_')" ""
}

# defined FILE: its global symbols.
defined() { nm --extern-only --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort; }

test_the_static_archive_has_no_other_symbols() {
	need nm
	[ -n "$(exported)" ] || die "nothing is exported"
	diff <(exported) <(defined "$BUILD/client/lib/exported.o")
}

test_the_shared_library_has_no_other_symbols() {
	need nm
	[ -e "$SHARED" ] || skip "no shared library in this build"
	diff <(exported) <(nm -D --defined-only "$SHARED" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
}

test_each_function_of_the_header_is_exported() {
	diff <(exported) <("$CC" -E -I"$SRC/include" -include readyd/readyd.h -x c /dev/null |
		grep -oE '\<readyd_[a-z_]+ ?\(' | tr -d '( ' | sort -u)
}

# An application may have functions of each name that the library uses inside. They end it.
test_an_application_may_use_the_names_of_the_library() {
	need nm
	defined "$BUILD/client/lib/exported.o.all" | comm -23 - <(exported) >inside
	[ "$(wc -l <inside)" -gt 50 ] || die "only: $(cat inside)"
	grep -qx clock_ms inside || die "clock_ms is not among: $(cat inside)"
	{
		printf 'void abort(void);\n'
		sed 's/.*/void &(void) { abort(); }/' inside
	} >names.c
	cat >application.c <<'END'
#include <readyd/readyd.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	struct readyd_waiter *waiter = readyd_waiter_new(NULL);

	if (argc != 2 || waiter == NULL || readyd_wait(NULL, atoi(argv[1]), NULL, &answer) != 0)
		return 1;
	puts(readyd_verdict_name(answer.verdict));
	readyd_waiter_free(waiter);
	return 0;
}
END
	"$CC" -I"$SRC/include" -fno-builtin -w -o application application.c names.c "$BUILD/client/lib/exported.o"
	start_readyd
	spawn_worker
	mark "$PID"
	expect "output" "$(timeout 60 ./application "$PID")" ready
}

# build_interface [HEADERS]: interface.so, a library that refers to each function. So its debugging information has what the
# header declares, and nothing of the library's inside or of how the library was compiled.
build_interface() {
	{
		printf '#include <readyd/readyd.h>\n'
		exported | sed 's/.*/__typeof__(\&&) use_&;/'
	} >interface.c
	"$CC" -g -gdwarf-4 -fPIC -shared -nostdlib -I"${1:-$SRC/include}" -o interface.so interface.c
}

# A change, be it an addition, goes into the dump with --dump; CONTRIBUTING.md says what it means for the soname.
test_the_layout_is_that_of_the_dump() {
	need abidiff
	[ "$("$CC" -dumpmachine | cut -d- -f1)" = x86_64 ] || skip "the dump is of x86_64"
	build_interface
	abidiff "$DUMP" interface.so >report || die "$(cat report)"
	differs 's/int wait_status;/long wait_status;/' 'wait_status'
	differs 's/^	size_t size; .*answer.*/&\n	int added;/' 'added'
	differs 's/READYD_STALE,/READYD_ADDED, &/' 'READYD_STALE'
	differs 's/readyd_wait(const struct readyd_options \*options, pid_t pid/&, int added/' 'readyd_wait'
}

# differs CHANGE TEXT: the report on a header with this change has this text.
differs() {
	mkdir -p changed/readyd
	sed "$1" "$SRC/include/readyd/readyd.h" >changed/readyd/readyd.h
	! cmp -s "$SRC/include/readyd/readyd.h" changed/readyd/readyd.h || die "nothing to change: $1"
	build_interface changed
	! abidiff "$DUMP" interface.so >report || die "not noticed: $1"
	grep -q "$2" report || die "$1: $(cat report)"
}

# --dump: what belongs into client/lib/libreadyd.abi.
if [ "${1-}" = --dump ]; then
	cd "$(mktemp -d)" && build_interface &&
		exec abidw --no-show-locs --no-corpus-path --no-comp-dir-path --type-id-style hash interface.so
fi
run_tests "$@"
