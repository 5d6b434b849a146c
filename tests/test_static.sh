#!/usr/bin/env bash
# The programs of --enable-static-programs contain all that they need, and are small enough for a guest.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

# The paths that strace may see: nothing in /etc but jemalloc's configuration, no locale, no library.
NAMED='^(/proc(/.*)?|/sys/(kernel/mm|devices/system/cpu)/.*|/dev/null|/etc/malloc\.conf|/)$'

test_they_need_no_shared_library() {
	local program
	need readelf
	for program in "$READYD" "$READYCTL" "$WORKER"; do
		readelf -hlW "$program" >facts
		expect "interpreter of $program" "$(select_lines INTERP facts)" ""
		readelf -dW "$program" >facts
		expect "libraries of $program" "$(select_lines NEEDED facts)" ""
	done
}

# has_size_of_manual PROGRAM BYTES: readyd-init(7) gives the size, to within a tenth, since compilers differ.
has_size_of_manual() {
	awk -v program="${1##*/}" -v size="$2" '$3 == program && $6 == "MB" {
			found = 1
			stated = $5 * 1000000
			wrong = size < 0.9 * stated || size > 1.1 * stated
		}
		END { exit !found || wrong }' "$SRC/man/readyd-init.7" || die "readyd-init.7 has another size of ${1##*/} than $2"
}

# at_most BYTES PROGRAM: its size without symbols.
at_most() {
	local size
	strip -o stripped "$2"
	size=$(stat -c %s stripped)
	echo "${2##*/}: $size bytes"
	[ "$size" -le "$1" ] || die "${2##*/} has $size bytes without symbols, more than $1"
	has_size_of_manual "$2" "$size"
}

test_they_are_small() {
	need strip
	# 70,000 bytes of each are what lets it be loaded at any address.
	at_most 2070000 "$READYD"
	# Monitors and remote daemons are 30,000 bytes of it.
	at_most 1230000 "$READYCTL"
	at_most 1670000 "$WORKER"
}

# Symbols of the C library that only a lookup of hosts, users or services links in.
test_no_resolver_is_in_them() {
	local program
	need nm
	for program in "$READYD" "$READYCTL" "$WORKER"; do
		nm "$program" >symbols
		grep -q ' main$' symbols || die "$program is stripped"
		expect "lookups in ${program##*/}" "$(awk '{ print $3 }' symbols |
			select_lines -E '^(__nss_.*|gaih_.*|get(pw|gr|hostby|serv|proto)[a-z]*(_r)?|__res_(send|query|search).*)$' |
			select_lines -vxE 'getprotobynumber|getservbyname|getgroups')" ""
	done
}

# The functions that libevent refers to nevertheless are not the C library's.
test_a_lookup_would_abort() {
	local name
	need nm
	nm "$READYD" >symbols
	for name in getaddrinfo getprotobynumber getservbyname; do
		expect "address of $name" "$(awk -v name=$name '$3 == name { print $1 }' symbols)" \
			"$(awk '$3 == "abort" { print $1 }' symbols)"
	done
}

test_jemalloc_is_in_them() {
	"$READYD" --version | grep -qE '^jemalloc [0-9]' || die "version: $("$READYD" --version)"
	"$WORKER" --version | grep -qE '^jemalloc [0-9]' || die "version: $("$WORKER" --version)"
}

# names TRACE: the paths in the traced system calls.
names() {
	sed -nE '/ (open|openat|access|faccessat2?|l?stat|newfstatat|statx|readlink(at)?)\(/s/^[^"]*"([^"]+)".*/\1/p' \
		"$1" | sort -u
}

# The environment sets a locale.
test_they_open_nothing_that_a_guest_may_lack() {
	need_strace
	export LC_ALL=C.UTF-8 LANGUAGE=de
	UNDER=(strace -f -D -o trace.readyd)
	start_readyd
	spawn env KTSTR_WORKER_READY_MARKER_OVERRIDE="$T/m/none" strace -D -f -o trace.worker "$WORKER" 4096 >breadcrumb
	until_true 60 grep -q ready breadcrumb
	expect_exit 124 strace -f -o trace.wait "$READYCTL" wait --timeout 0.3 $$ 2>err
	grep -q 'timed out' err || die "not explained: $(cat err)"
	expect_exit 125 strace -f -o trace.error "$READYCTL" --socket "$T/missing" ping 2>err
	grep -q 'No such file' err || die "not explained: $(cat err)"
	kill -TERM "$DAEMON"
	until_true 60 grep -q 'exited with 0' trace.readyd
	for trace in trace.*; do
		[ -n "$(names "$trace")" ] || die "nothing was traced in $trace"
		expect "names in $trace" "$(names "$trace" | select_lines -vE "$NAMED" | select_lines -v "^$T" |
			select_lines -vxF "${T%/*}")" ""
	done
}

run_tests "$@"
