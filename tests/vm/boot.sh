#!/usr/bin/env bash
# boot.sh LABEL SECONDS INITRAMFS [ARGUMENT]...: boots a guest, with such arguments for its /init, and reports as
# TAP what it says on its console, without a plan. A guest that hangs, panics, or reports another number of tests
# than it has planned is a failure. Exits 0 only if nothing failed.
# shellcheck disable=SC2317
set -uo pipefail
: "${BUILD:?where the kernel is}"
label=$1
seconds=$2
initramfs=$3
shift 3

console=$(mktemp "${TMPDIR:-/tmp}/readyd-console.XXXXXX")
trap 'rm -f "$console" "$console.tap"' EXIT
failed=0

# check NAME COMMAND...: one more case; the log of a failed one is the end of the console.
check() {
	local name=$1
	shift
	if "$@"; then
		echo "ok - $label: $name"
	else
		echo "not ok - $label: $name"
		tail -n 40 "$console" | sed 's/^/# /'
		failed=1
	fi
}

machine() { # ARGUMENT...
	local accel
	accel=$(cat "$BUILD/vm/accel")
	timeout --kill-after=5 "$seconds" qemu-system-x86_64 -accel "$accel" -smp 2 -m 256 -nodefaults -no-user-config \
		-display none -serial "file:$console" -no-reboot -kernel "$BUILD/vm/vmlinuz" -initrd "$initramfs" \
		-append "console=ttyS0 quiet panic=-1 oops=panic -- $*" </dev/null
}

machine "$@"
status=$?
tr -d '\r' <"$console" | grep -aE '^((not )?ok |1\.\.|# )' >"$console.tap"
sed -E "/^1\.\./d; s/^((not )?ok) [0-9]+ - /\1 - $label: /" "$console.tap"
! grep -q '^not ok' "$console.tap" || failed=1

# At once in its words and in its end: a reset ends qemu too.
switched_off() { [ "$status" -eq 0 ] && grep -qa 'reboot: Power down' "$console"; }
all_reported() {
	local plan results
	plan=$(sed -n 's/^1\.\.//p' "$console.tap")
	results=$(grep -cE '^(not )?ok ' "$console.tap")
	echo "# $label: $results of ${plan:-no} planned tests"
	[ -n "$plan" ] && [ "$plan" -gt 0 ] && [ "$results" -eq "$plan" ]
}
kernel_is_content() { ! grep -qaE 'Kernel panic|Oops|BUG:|WARNING:|general protection|soft lockup|rcu.*stall' "$console"; }

check "reports all that it planned" all_reported
check "switches itself off" switched_off
check "its kernel has nothing to complain of" kernel_is_content
exit "$failed"
