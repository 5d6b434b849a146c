#!/usr/bin/env bash
# The bench must fail with an error if a waiter is lost, instead of reporting a time.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

# A separate make, since the one that runs the tests does not build the bench; its variables are not for this one.
env -u MAKEFLAGS -u MFLAGS make -s -C "$BUILD" bench-programs >/dev/null || exit 1

# bench MEASURE OPTION...: its standard output is in figures, its standard error in err.
bench() {
	rm -rf "$T/b"
	mkdir "$T/b"
	timeout 60 "$BUILD/bench/bench" "$@" --bin "$BUILD" --dir "$T/b" >figures 2>err
}

# fails_with TEXT OPTION...: a fan-out that fails with this message and reports nothing.
fails_with() {
	local text=$1
	shift
	expect_exit 1 bench fanout --waiters 3 --rounds 1 "$@"
	grep -q "^bench: $text" err || die "no message '$text': $(cat err)"
	expect "figures of a failure" "$(cat figures)" ""
}

column() { awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { print $c }' figures; }

test_a_baseline_that_never_wakes_fails() {
	fails_with "never-wakes: only 0 of 3 waiters are awake after 700 ms" --baselines never-wakes --limit 700
}

test_a_waiter_that_dies_fails() {
	fails_with "dies: waiter 0 (pid [0-9]*) has ended: signal 9" --baselines dies
}

test_a_lost_message_fails() {
	fails_with "loses-one: only 2 of 3 waiters are awake after 700 ms" --baselines loses-one --limit 700
}

test_a_waiter_that_wakes_without_a_marker_fails() {
	fails_with "lies: waiter [012] of 3 was woken without a marker" --baselines lies
}

# Its waiters would continue with the file, and that would be reported as a result of the daemon.
test_a_daemon_that_dies_fails() {
	local bench got=0
	need pgrep
	mkdir b
	spawn timeout 60 "$BUILD/bench/bench" fanout --waiters 3 --baselines gate --bin "$BUILD" --dir "$T/b" >figures 2>err
	bench=$LAST
	until_true 30 waits_at_gate
	# The oldest: the spawner has the same command line.
	DAEMON=$(pgrep -o -f "^$READYD --socket $T/b/")
	kill -KILL "$DAEMON"
	wait "$bench" || got=$?
	expect "exit status" "$got" 1
	grep -qE '^bench: (gate: |.*/readyd\.sock: )' err || die "no reason: $(cat err)"
	expect "figures of a failure" "$(cat figures)" ""
}
waits_at_gate() { "$READYCTL" --socket "$T/b/readyd.sock" --dir "$T/b/markers" stats 2>/dev/null | grep -q '^handed_out=[1-9]'; }

test_a_failure_leaves_no_process_behind() {
	fails_with "never-wakes: " --baselines gate,never-wakes --limit 700
	until_true 10 no_process_uses "$T/b"
}
no_process_uses() { ! grep -qs "$1" /proc/[0-9]*/cmdline; }

test_a_fan_out_reports_every_baseline() {
	bench fanout --waiters 0,1,5 --baselines gate,inotify,poll,send,futex --rounds 1 || die "$(cat err)"
	expect "baselines" "$(column baseline | sort | uniq -c | tr -s ' \n' ' ')" " 3 futex 3 gate 3 inotify 3 poll 3 send "
	expect "rows without a cost" "$(column worker_us | select_lines -cv '^[0-9.]*[1-9][0-9.]*$')" 0
	expect "wake-ups out of order" "$(awk -F, 'NR > 1 && $2 > 0 && !($9 > 0 && $9 <= $10 && $10 <= $11)' figures)" ""
	expect "wake-ups without waiters" "$(awk -F, 'NR > 1 && $2 == 0 && $9 != ""' figures)" ""
}

test_what_takes_too_many_is_left_out_by_name() {
	bench fanout --waiters 1001 --baselines poll --rounds 1 || die "$(cat err)"
	grep -q '^bench: left out: poll with 1001 waiters: ' err || die "$(cat err)"
	expect "rows" "$(wc -l <figures)" 1
}

test_time_that_is_up_is_reported() {
	bench fanout --waiters 2 --baselines futex --seconds 0 || die "$(cat err)"
	grep -q '^bench: left out: futex with 2 waiters: time ran out' err || die "$(cat err)"
	expect "rows" "$(wc -l <figures)" 1
}

test_an_unknown_baseline_is_refused() {
	fails_with "no baseline 'telepathy'" --baselines telepathy
}

test_the_tables_name_a_goal_that_is_missed() {
	local results=$T/results
	need awk
	mkdir "$results"
	printf 'baseline,waiters,worker_us,worker_p99_us,own_marker_us,cpu_us,first_us,median_us,last_us\n%s\n' \
		gate,0,10,20,10,5,,, gate,50,11,20,10,5,1,2,300 inotify,0,10,20,10,5,,, inotify,50,90,20,10,5,1,2,400 \
		futex,50,10,20,10,5,1,2,200 >"$results/fanout.csv"
	printf 'baseline,waiters,rounds,idle_us_per_s,server_wake_ups_per_s,files,file_us\n' >"$results/noise.csv"
	printf 'server,state,mode,runs,query_us,queries_per_s\n' >"$results/query.csv"
	printf 'server,holding,count,rss_kib,private_kib,descriptors\n' >"$results/memory.csv"
	printf 'command,runs,cost_us,p99_us\n' | tee "$results/ready.csv" "$results/join.csv" "$results/start.csv" \
		>"$results/sizes.csv"
	: >"$results/left-out.txt"
	"$SRC/bench/tables.sh" "$results" "$T" "0 0 0" >tables || die "$(cat tables)"
	goal_is "worker's cost with 50 waiters / with none" "<= 1.2 | 1.10 | yes"
	goal_is "last of 50 awake / futex" "<= 1.15 | 1.50 | no"
	goal_is "last of 50 awake / own inotify" "<= 0.6 | 0.75 | no"
	goal_is "query, one by one / memcached" "<= 1 | - | not measured"
}
goal_is() { expect "$1" "$(grep -F "| $1 |" tables)" "| $1 | $2 |"; }

run_tests "$@"
