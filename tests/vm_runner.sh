#!/usr/bin/env bash
# The runner of guests reports failures: each guest here does something that must not count as a success. What the runner
# reads from the console of a machine that ends in order is shown with consoles alone, since each boot takes seconds.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# guest SECONDS: boots a guest with standard input as its /init, and /proc mounted. The exit status is in `code`, the output
# in the file `output`.
guest() {
	[ -e "$BUILD/vm/vmlinuz" ] || skip "no kernel here; run script/vm-test"
	{
		printf '#!/bin/sh\nmount -t proc proc /proc\n'
		cat
	} >init
	"$SRC/tests/vm/pack.sh" initramfs init
	code=0
	"$SRC/tests/vm/boot.sh" guest "$1" initramfs >output || code=$?
	cat output
}

# recorded: as guest, with a machine that leaves standard input on its console, and switches itself off.
recorded() {
	{
		cat
		echo '[    4.000000] reboot: Power down'
	} >console
	mkdir -p bin
	cat >bin/qemu-system-x86_64 <<-'END'
		#!/bin/sh
		for argument; do
			case $argument in file:*) sed 's/$/\r/' console >"${argument#file:}" ;; esac
		done
	END
	chmod +x bin/qemu-system-x86_64
	code=0
	PATH=$PWD/bin:$PATH "$SRC/tests/vm/boot.sh" guest 60 /dev/null >output || code=$?
	cat output
}

failed_by() { # NAME: only this case of the runner failed
	expect "exit status" "$code" 1
	expect "failures" "$(grep '^not ok' output)" "not ok - guest: $1"
}

test_a_guest_that_does_everything_succeeds() {
	guest 120 <<<'echo 1..2; echo "ok 1 - one"; echo "ok 2 - two"; poweroff -f'
	expect "exit status" "$code" 0
	expect "failures" "$(select_lines '^not ok' output)" ""
	expect "its cases" "$(grep -cxE 'ok - guest: (one|two)' output)" 2
}

test_a_console_of_success_succeeds() {
	recorded <<<$'1..2\nok 1 - one\nok 2 - two'
	expect "exit status" "$code" 0
	expect "failures" "$(select_lines '^not ok' output)" ""
	expect "its cases" "$(grep -cxE 'ok - guest: (one|two)' output)" 2
}

test_a_failed_case_fails() {
	recorded <<<$'1..2\nok 1 - one\nnot ok 2 - two'
	failed_by two
}

test_too_few_fail() {
	recorded <<<$'1..2\nok 1 - one'
	failed_by "reports all that it planned"
}

test_too_many_fail() {
	recorded <<<$'1..1\nok 1 - one\nok 2 - two'
	failed_by "reports all that it planned"
}

test_no_plan_fails() {
	recorded <<<'ok 1 - one'
	failed_by "reports all that it planned"
}

test_a_hang_fails() {
	guest 15 <<<'echo 1..1; echo "ok 1 - one"; while :; do sleep 100; done'
	expect "exit status" "$code" 1
	grep -qxF "not ok - guest: switches itself off" output || die "it counts as a power-off"
}

# The first process exits.
test_a_panic_fails() {
	guest 120 <<<'echo 1..1; echo "ok 1 - one"; exit 0'
	expect "exit status" "$code" 1
	grep -qxF "not ok - guest: switches itself off" output || die "it counts as a power-off"
	grep -qxF "not ok - guest: its kernel reports no error" output || die "the panic is not noticed"
}

test_a_reset_fails() {
	guest 120 <<<'echo 1..1; echo "ok 1 - one"; reboot -f'
	failed_by "switches itself off"
}

# Even if the machine switches itself off.
test_an_error_of_the_kernel_fails() {
	recorded <<<$'1..1\nok 1 - one\n[    3.000000] BUG: printed by a test'
	failed_by "its kernel reports no error"
}

# However long a try takes, so that the guest is not switched off before the case can say what it waited for.
test_a_state_that_does_not_come_fails_in_time() {
	local code=0
	command -v busybox >/dev/null || skip "busybox is not installed"
	timeout 10 busybox sh -c '. "$0"; never() { sleep 0.5; false; }; until_true 1 never' "$SRC/tests/vm/tap.sh" \
		>output || code=$?
	expect "exit status and output" "$code $(cat output)" "1 still not true: never"
}

run_tests "$@"
