#!/usr/bin/env bash
# What compiler and linker do against errors in the programs, as read from what was built. The static programs contain the
# C library, which has been built by other flags, so less can be read from these.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

! "$BUILD/config.status" --config | grep -q -- '--disable-hardening' || {
	echo "1..0 # SKIP built with --disable-hardening"
	exit 0
}

PROBE=$BUILD/probe/ktstr-jemalloc-probe
programs() {
	local program
	for program in "$READYD" "$READYCTL" "$WORKER" "$PROBE"; do
		[ ! -x "$program" ] || echo "$program"
	done
}
is_static() { [ "$(programs | head -n 1 | xargs readelf -lW | select_lines -c INTERP)" -eq 0 ]; }
libraries() { [ ! -e "$BUILD/.libs/libreadyd.so" ] || is_static || echo "$BUILD/.libs/libreadyd.so"; }

# Each of these fails unless the file has the property.
is_position_independent() { readelf -hW "$1" | grep -q 'Type: *DYN'; }
has_relro() { readelf -lW "$1" | grep -q GNU_RELRO; }
binds_at_start() { readelf -dW "$1" | grep -qE '\((FLAGS|FLAGS_1)\).*(NOW|BIND_NOW)'; }
has_no_executable_stack() { readelf -lW "$1" | grep -qE 'GNU_STACK .* RW +0x'; }
has_no_writable_code() { ! readelf -lW "$1" | grep -qE 'LOAD .* RWE '; }
has_stack_protector() { readelf -W --dyn-syms "$1" | grep -q __stack_chk_fail; }
has_fortified_calls() { readelf -W --dyn-syms "$1" | grep -E '__[a-z]+_chk' | grep -qv __stack_chk; }
# Each page of a large frame is touched before the next.
# shellcheck disable=SC2016 # a number of the assembler
probes_large_frames() { objdump -d --no-show-raw-insn "$1" | grep -qE 'or[ql] +\$0x0,\(%[er]sp\)'; }
# Without files of the C library that lack the mark, as Debian's, the program would be marked, too.
marks_targets_of_calls() { objdump -d --no-show-raw-insn "$1" | grep -A1 '<main>:' | grep -qE 'endbr(32|64)'; }

# each CHECK FILE...
each() {
	local check=$1 file
	shift
	[ $# -gt 0 ] || die "no files"
	need readelf
	for file; do
		"$check" "$file" || die "not so: $check ${file#"$BUILD/"}"
	done
}
each_program() { mapfile -t files < <(programs) && each "$1" "${files[@]}"; }
each_file() { mapfile -t files < <(programs && libraries) && each "$1" "${files[@]}"; }
on_x86_64() {
	[ "$(uname -m)" = x86_64 ] || skip "the instructions are known for x86_64 alone"
	need objdump
}
unless_static() { ! is_static || skip "the C library's own symbols are in static programs"; }

test_addresses_are_random() { each_program is_position_independent; }
test_tables_are_read_only_after_the_start() { each_file has_relro; }
test_all_symbols_are_bound_at_the_start() { each_file binds_at_start; }
test_no_memory_is_writable_and_executable() {
	each_file has_no_executable_stack
	each_file has_no_writable_code
}
test_stacks_are_protected() {
	unless_static
	each_file has_stack_protector
}
test_calls_with_known_sizes_are_checked() {
	unless_static
	each_file has_fortified_calls
}
test_large_frames_are_probed() {
	on_x86_64
	each probes_large_frames "$READYCTL" "$READYD"
}
test_calls_go_to_marked_targets() {
	on_x86_64
	each_program marks_targets_of_calls
}

# A program without any of this fails each check.
test_the_checks_can_fail() {
	local check
	need gcc
	need objdump
	printf 'int main(void) { volatile char large[65536]; large[0] = 0; return large[0]; }\n' >plain.c
	gcc -O2 -fno-stack-protector -fno-stack-clash-protection -U_FORTIFY_SOURCE -no-pie -fno-pie -Wl,-z,norelro,-z,lazy \
		-nostdlib -Wl,-e,main -Wl,-z,execstack -Wl,-N -o plain plain.c
	for check in $(declare -F | sed -n 's/^declare -f \(\(is_position\|has_\(relro\|no_\|stack\|fort\)\|binds\|probes\|marks\)[a-z_]*\)$/\1/p'); do
		! "$check" plain || die "$check says so of any program"
		echo "$check" >>checks
	done
	expect "checks" "$(wc -l <checks)" 9
}

run_tests "$@"
