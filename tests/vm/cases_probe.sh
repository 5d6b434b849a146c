#!/bin/sh
# Run in a guest booted with contrib/init/init: what the probe reads of a worker for which 200 programs have waited.
# shellcheck source=tests/vm/tap.sh disable=SC1091
. /guest/tap.sh

PROBE=/usr/libexec/ktstr-jemalloc-probe
SIZE=16777216

# counters: of each line of the probe's text, the two numbers.
counters() { sed -n 's/^tid=.* allocated_bytes=\([0-9]*\) deallocated_bytes=\([0-9]*\)$/\1 \2/p' out; }

test_200_waits_and_three_readings() {
	mkfifo go
	# shellcheck disable=SC2016
	spawn sh -c 'read -r _ <go; exec "$@"' worker /usr/libexec/ktstr-jemalloc-alloc-worker $SIZE
	pid=$LAST waits=''
	for _ in $(seq 200); do
		spawn readyctl -q wait --timeout 60 "$pid"
		waits="$waits $LAST"
	done
	echo >go
	for wait in $waits; do expect_exit 0 wait "$wait"; done
	$PROBE --pid "$pid" --snapshots 3 --interval-ms 20 >out
	expect "readings" "$(counters | wc -l)" 3
	counters | sort -u >different
	expect "different readings" "$(wc -l <different)" 1
	read -r allocated deallocated <different
	if [ "$allocated" -lt $SIZE ] || [ "$allocated" -ge $((SIZE + 4194304)) ]; then die "allocated: $allocated"; fi
	[ "$deallocated" -lt 1048576 ] || die "deallocated: $deallocated"
}

test_probe_is_waited_for() {
	spawn /usr/libexec/ktstr-jemalloc-alloc-worker $SIZE
	pid=$LAST
	readyctl -q wait --timeout 60 "$pid"
	spawn $PROBE --pid "$pid" --json --snapshots 20 --interval-ms 3600000 >interrupted
	probe=$LAST
	readyctl -q wait --timeout 60 "$probe"
	kill -INT "$probe"
	expect_exit 0 wait "$probe"
	grep -q '"interrupted":true,"snapshots":\[{[^{]*{[^{]*}\]}\]}$' interrupted || die "$(cat interrupted)"
}

run_tests
