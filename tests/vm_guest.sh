#!/usr/bin/env bash
# The programs in guests with a distribution's kernel: runs tests/vm/cases_*.sh, and reports what they print on the console.
# script/vm-test builds what this needs.
set -uo pipefail
: "${BUILD:?}" "${SRC:?}"
vm=$SRC/tests/vm
dir=$(mktemp -d "${TMPDIR:-/tmp}/readyd-vm.XXXXXX")
trap 'rm -rf "$dir"' EXIT

if [ ! -e "$BUILD/vm/vmlinuz" ]; then
	echo "1..0 # SKIP no kernel here; run script/vm-test"
	exit 0
fi

# guest LABEL INIT CASES [FILE]... -- [ARGUMENT]...
guest() {
	local label=$1 init=$2 files=(guest/tap.sh="$vm/tap.sh" guest/cases="$3")
	shift 3
	while [ "$1" != -- ]; do files+=("$1") && shift; done
	shift
	"$vm/pack.sh" "$dir/$label" "$init" "${files[@]}" && "$vm/boot.sh" "$label" 300 "$dir/$label" "$@"
}

modules() {
	local module
	for module in "$BUILD"/vm/modules/*.ko; do
		[ ! -e "$module" ] || echo "guest/modules/${module##*/}=$module"
	done
}

# What the evidence guest mounts: modules of the kernel, and images. Where the host cannot make one, the case is skipped.
evidence_files() {
	modules
	truncate -s 2M "$dir/ext4" "$dir/vfat"
	if mkfs.ext4 -q -I 128 "$dir/ext4" >/dev/null 2>&1; then echo "guest/ext4=$dir/ext4"; fi
	if mkfs.vfat "$dir/vfat" >/dev/null 2>&1; then echo "guest/vfat=$dir/vfat"; fi
}

# What the systemd guest has: the systemd of the host and the project's units. Prints nothing where there is no systemd.
systemd_files() {
	local units=$SRC/contrib/init/systemd clockfs=$BUILD/tests/fs/clockfs files
	[ -x "$clockfs" ] || clockfs=
	files=$("$vm/systemd_files.sh" ${clockfs:+"$clockfs"}) || return 0
	echo "$files"
	[ -z "$clockfs" ] || echo "guest/clockfs=$clockfs"
	echo "usr/lib/systemd/system/readyd.service=$units/readyd.service"
	echo "usr/lib/systemd/system/readyd.socket=$units/readyd.socket"
	echo "usr/lib/sysusers.d/readyd.conf=$SRC/contrib/sysusers/readyd.conf"
	echo "etc/systemd/system/cases.service=$vm/cases.service"
	# With an id, this is not the first boot of a system, at which systemd enables all units.
	echo 0123456789abcdef0123456789abcdef >"$dir/machine-id"
	echo "etc/machine-id=$dir/machine-id"
}

# A guest with a port, and what asks at the other side of it.
remote() {
	local host failed=0 port=$dir/port modules
	mapfile -t modules < <(modules)
	"$vm/host_remote.sh" "$port" >"$dir/host" &
	host=$!
	MACHINE="-device virtio-serial-pci -chardev socket,id=port,path=$port,server=on,wait=off
		-device virtserialport,chardev=port,name=readyd" \
		guest remote "$SRC/contrib/init/init" "$vm/cases_remote.sh" \
		"${modules[@]}" -- /guest/cases || failed=1
	: >"$port.ended"
	wait "$host"
	cat "$dir/host"
	! grep -q '^not ok' "$dir/host" || failed=1
	return "$failed"
}

guests() {
	local failed=0 init=$SRC/contrib/init evidence systemd modules small=()
	mapfile -t evidence < <(evidence_files)
	[ ! -x "$BUILD/vm/small/client/readyctl" ] || small=(guest/readyctl-small="$BUILD/vm/small/client/readyctl")
	guest plain "$init/init" "$vm/cases_plain.sh" guest/wait_ready.sh="$init/wait_ready.sh" "${small[@]}" \
		guest/heap_watch="$BUILD/tests/vm/heap_watch" \
		guest/send_socket="$BUILD/tests/vm/send_socket" -- /guest/cases || failed=1
	guest evidence "$init/init" "$vm/cases_evidence.sh" guest/under="$BUILD/tests/vm/under" "${evidence[@]}" \
		-- /guest/cases || failed=1
	[ ! -x "$BUILD/probe/ktstr-jemalloc-probe" ] || guest probe "$init/init" "$vm/cases_probe.sh" \
		usr/libexec/ktstr-jemalloc-probe="$BUILD/probe/ktstr-jemalloc-probe" -- /guest/cases || failed=1
	guest inittab "$(command -v busybox)" "$vm/cases_inittab.sh" etc/inittab="$init/inittab" \
		etc/job="$vm/cases_inittab.sh" -- || failed=1
	mapfile -t systemd < <(modules && systemd_files)
	if [ ${#systemd[@]} -gt 0 ]; then
		guest systemd /usr/lib/systemd/systemd "$vm/cases_systemd.sh" guest/under="$BUILD/tests/vm/under" "${systemd[@]}" \
			-- --unit=cases.service || failed=1
	fi
	guest early "$BUILD/tests/vm/early_init" "$vm/cases_early.sh" -- late /guest/cases || failed=1
	remote || failed=1
	mapfile -t modules < <(modules)
	guest vsock "$init/init" "$vm/cases_vsock.sh" guest/vsock_receive="$BUILD/tests/vm/vsock_receive" "${modules[@]}" \
		-- /guest/cases || failed=1
	guest bare "$BUILD/tests/vm/early_init" "$vm/cases_early.sh" -- bare /guest/cases || failed=1
	return "$failed"
}

guests | awk '/^(not )?ok / { sub(/ok /, "ok " ++n " ") } { print; fflush() } END { print "1.." n }'
