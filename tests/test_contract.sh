#!/usr/bin/env bash
# The contract header needs no other file of the project: a copy of it compiles alone.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

STRICT="-Wall -Wextra -pedantic-errors -Werror"
CONTRACT_CC=${CC:-gcc}
CONTRACT_CXX=${CXX:-g++}

write_program() {
	cat >program.c <<'EOF'
#include "marker.h"

static int fails(const char *name, int result, int want)
{
	if (result == -1 && errno == want)
		return 1;
	fprintf(stderr, "%s: got %d with errno %d, want -1 with errno %d\n", name, result, errno, want);
	return 0;
}

static int show(uint32_t pid)
{
	char path[READYD_MARKER_PATH_SIZE];
	const int length = readyd_marker_path(path, sizeof(path), pid);

	printf("%d %s\n", length, path);
	return length > 0;
}

int main(int argc, char **argv)
{
	char path[READYD_MARKER_PATH_SIZE];

	if (argc != 3 || !show(1) || !show(4194304) || !show(4294967295U))
		return 1;
	printf("%s %s %s", READYD_MARKER_DIR, READYD_MARKER_NAME_PREFIX, READYD_MARKER_CONTENT);
	printf("%s %s\n", READYD_MARKER_OVERRIDE_ENV, READYD_WORKER_STDERR_PREFIX);
	printf(READYD_WORKER_BREADCRUMB_FORMAT, 7UL, 9ULL);
	if (!fails("pid 0", readyd_marker_path(path, sizeof(path), 0), EINVAL))
		return 1;
	if (!fails("no room", readyd_marker_path(path, sizeof(path) - 1, 4294967295U), ENAMETOOLONG))
		return 1;
	if (!fails("symbolic link", readyd_marker_write(argv[2]), ELOOP))
		return 1;
	if (!fails("full device", readyd_marker_write("/dev/full"), ENOSPC))
		return 1;
	if (!fails("directory", readyd_marker_write("/"), EISDIR))
		return 1;
	return readyd_marker_write(argv[1]) == 0 ? 0 : 1;
}
EOF
	cat >wanted <<'EOF'
25 /tmp/ktstr-worker-ready-1
31 /tmp/ktstr-worker-ready-4194304
34 /tmp/ktstr-worker-ready-4294967295
/tmp ktstr-worker-ready- ready
KTSTR_WORKER_READY_MARKER_OVERRIDE jemalloc-alloc-worker:
jemalloc-alloc-worker ready pid=7 bytes=9
EOF
}

# contract COMPILER FLAGS...: compiles the program with the header, runs it, and compares its output and its marker.
contract() {
	need "${1%% *}"
	cp "$SRC/include/readyd/marker.h" .
	write_program
	ln -s target link
	echo "an old marker, longer than the new one" >marker
	# shellcheck disable=SC2086
	timeout 60 $1 "${@:2}" $STRICT -o program program.c || die "does not compile"
	timeout 10 ./program marker link >shown || die "program failed"
	cmp shown wanted
	printf 'ready\n' | cmp - marker
	[ ! -e target ] || die "written through a symbolic link"
}

test_contract_c99() { contract "$CONTRACT_CC" -std=c99; }
test_contract_c11() { contract "$CONTRACT_CC" -std=c11; }
test_contract_c17() { contract "$CONTRACT_CC" -std=c17; }
test_contract_cxx17() { contract "$CONTRACT_CXX" -x c++ -std=c++17; }

test_marker_mode_is_0644() {
	umask 022
	contract "$CONTRACT_CC" -std=c99
	rm marker
	./program marker link >shown
	expect "mode" "$(stat -c %a marker)" 644
}

test_every_macro_is_namespaced() {
	expect "foreign macros" "$(sed -n 's/^#define *\([A-Za-z_0-9]*\).*/\1/p' "$SRC/include/readyd/marker.h" |
		select_lines -v '^READYD_')" ""
}

run_tests "$@"
