#!/usr/bin/env bash
# The runner of guests can fail: each guest here does what must not pass for a success.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

# guest SECONDS: boots one whose /init is on standard input, mounts being done. `code` and `said` keep the outcome.
guest() {
	[ -e "$BUILD/vm/vmlinuz" ] || skip "no kernel here; run script/vm-test"
	{
		printf '#!/bin/sh\nmount -t proc proc /proc\n'
		cat
	} >init
	"$SRC/tests/vm/pack.sh" initramfs init
	code=0
	"$SRC/tests/vm/boot.sh" guest "$1" initramfs >said || code=$?
	cat said
}

failed_by() { # NAME: nothing but this case of the runner's
	expect "exit status" "$code" 1
	expect "failures" "$(grep '^not ok' said)" "not ok - guest: $1"
}

test_a_guest_that_does_all_is_a_success() {
	guest 120 <<<'echo 1..2; echo "ok 1 - one"; echo "ok 2 - two"; poweroff -f'
	expect "exit status" "$code" 0
	expect "failures" "$(grep '^not ok' said || true)" ""
	expect "its cases" "$(grep -cxE 'ok - guest: (one|two)' said)" 2
}

test_a_failed_case_fails() {
	guest 120 <<<'echo 1..2; echo "ok 1 - one"; echo "not ok 2 - two"; poweroff -f'
	failed_by two
}

test_too_few_fail() {
	guest 120 <<<'echo 1..2; echo "ok 1 - one"; poweroff -f'
	failed_by "reports all that it planned"
}

test_too_many_fail() {
	guest 120 <<<'echo 1..1; echo "ok 1 - one"; echo "ok 2 - two"; poweroff -f'
	failed_by "reports all that it planned"
}

test_no_plan_fails() {
	guest 120 <<<'echo "ok 1 - one"; poweroff -f'
	failed_by "reports all that it planned"
}

test_a_hang_fails() {
	guest 15 <<<'echo 1..1; echo "ok 1 - one"; while :; do sleep 100; done'
	expect "exit status" "$code" 1
	grep -qxF "not ok - guest: switches itself off" said || die "it is taken for a power-off"
}

# The first process ends.
test_a_panic_fails() {
	guest 120 <<<'echo 1..1; echo "ok 1 - one"; exit 0'
	expect "exit status" "$code" 1
	grep -qxF "not ok - guest: switches itself off" said || die "it is taken for a power-off"
	grep -qxF "not ok - guest: its kernel has nothing to complain of" said || die "no panic is seen"
}

test_a_reset_fails() {
	guest 120 <<<'echo 1..1; echo "ok 1 - one"; reboot -f'
	failed_by "switches itself off"
}

# A switched-off machine does not make up for it.
test_what_the_kernel_complains_of_fails() {
	guest 120 <<<'echo 1..1; echo "ok 1 - one"
		mount -t devtmpfs dev /dev; echo "<0>BUG: said by a test" >/dev/kmsg; poweroff -f'
	failed_by "its kernel has nothing to complain of"
}

run_tests "$@"
