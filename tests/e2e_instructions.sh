#!/usr/bin/env bash
# How many instructions the codec takes for a line, and the registry for a wait, as valgrind counts them. They do not
# depend on the speed of the machine or on what else runs there, but on the compiler: the bounds are a quarter above
# what gcc 12 makes with -O2 for x86-64.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

PROGRAM=$BUILD/tests/instructions

is_gcc_with_o2() { grep -q "^CC='gcc" "$BUILD/config.log" && grep -q "^CFLAGS='.*-O2" "$BUILD/config.log"; }

need_counts() {
	need valgrind
	! is_sanitized || skip "sanitizers add instructions"
	[ "$(uname -m)" = x86_64 ] || skip "the bounds are for x86-64"
	is_gcc_with_o2 || skip "the bounds are for gcc -O2"
}

# collected WHAT TIMES: the number of instructions.
collected() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$PROGRAM" "$1" "$2" 2>log || die "$1: $(cat log)"
	sed -n 's/^==.*Collected : \([0-9]*\).*/\1/p' log
}

# each WHAT FEW MANY: sets EACH to the instructions of one, by the difference.
each() {
	EACH=$((($(collected "$1" "$3") - $(collected "$1" "$2")) / ($3 - $2)))
	echo "$1, $2 to $3 times: $EACH instructions each"
}
takes_at_most() {
	need_counts
	each "$1" 100 1100
	[ "$EACH" -le "$2" ] || die "$1: $EACH instructions, more than $2"
}

test_a_request_is_parsed() { takes_at_most request 1100; }
test_a_reply_is_parsed() { takes_at_most reply 3100; }
test_an_answer_is_written() { takes_at_most answer 780; }
test_a_request_is_written() { takes_at_most sent 520; }
test_a_look_for_a_marker() { takes_at_most look 310; }

# The hash tables double now and then, so the numbers are those after which they have just done so.
test_a_wait_costs_the_same_among_many() {
	local few
	need_counts
	each wait 100 400
	few=$EACH
	[ "$few" -le 1520 ] || die "a wait: $few instructions"
	each wait 1600 6400
	[ $((EACH * 10)) -le $((few * 12)) ] || die "a wait among 6400: $EACH instructions, among 400: $few"
}

run_tests "$@"
