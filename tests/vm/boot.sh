#!/usr/bin/env bash
# boot.sh LABEL SECONDS INITRAMFS [ARGUMENT]...: boots a guest with these arguments for its /init, and prints the TAP lines
# of its console, without a plan. A guest that hangs, panics, or reports another number of tests than it has planned fails.
# Exits 0 only if nothing failed. MACHINE holds further options of qemu.
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

# check NAME COMMAND...: one more case; if it fails, the end of the console is its log.
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
	# shellcheck disable=SC2086
	timeout --kill-after=5 "$seconds" qemu-system-x86_64 ${MACHINE-} -accel "$accel" -smp 2 -m 256 -nodefaults -no-user-config \
		-display none -serial "file:$console" -no-reboot -kernel "$BUILD/vm/vmlinuz" -initrd "$initramfs" \
		-append "console=ttyS0 quiet panic=-1 oops=panic -- $*" </dev/null
}

machine "$@"
status=$?
tr -d '\r' <"$console" | grep -aE '^((not )?ok |1\.\.|# )' >"$console.tap"
sed -E "/^1\.\./d; s/^((not )?ok) [0-9]+ - /\1 - $label: /" "$console.tap"
! grep -q '^not ok' "$console.tap" || failed=1

# Both the message and the end of qemu, since a reset ends qemu as well.
switched_off() { [ "$status" -eq 0 ] && grep -qa 'reboot: Power down' "$console"; }
all_reported() {
	local plan results
	plan=$(sed -n 's/^1\.\.//p' "$console.tap")
	results=$(grep -cE '^(not )?ok ' "$console.tap")
	echo "# $label: $results of ${plan:-no} planned tests"
	[ -n "$plan" ] && [ "$plan" -gt 0 ] && [ "$results" -eq "$plan" ]
}
kernel_reports_no_error() { ! grep -qaE 'Kernel panic|Oops|BUG:|WARNING:|general protection|soft lockup|rcu.*stall' "$console"; }

check "reports all that it planned" all_reported
check "switches itself off" switched_off
check "its kernel reports no error" kernel_reports_no_error
exit "$failed"
