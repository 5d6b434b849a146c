#!/usr/bin/env bash
# The bench must fail with an error if a waiter is lost, instead of reporting a time.

# shellcheck source-path=SCRIPTDIR disable=SC2016 # the fields are those of awk
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

# value COLUMN CONDITION: of the last row for which the awk expression is true.
value() {
	awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } '"$2"' { v = $c } END { print v }' figures
}
# is_above LIMIT VALUE NAME
is_above() { awk -v limit="$1" -v v="$2" 'BEGIN { exit !(v != "" && v + 0 > limit) }' || die "$3 is '$2'"; }

test_the_machine_is_measured() {
	bench machine --rounds 2 || die "$(cat err)"
	for cost in "system call" "page fault" "context switch" "fork and exec of /bin/true"; do
		is_above 0 "$(value us "\$1 == \"$cost\"")" "$cost"
	done
}

# A waiter that has no daemon to ask walks /proc for a process in a child pid namespace, once each: that shows that walks are seen.
test_a_crowd_is_measured_in_each_moment() {
	local moments
	need_root
	bench crowd --waiters 3,6 --rounds 1 --pause 200 || die "$(cat err)"
	moments=$(awk -F, 'NR > 1 && $2 == 3' figures | wc -l)
	expect "moments" "$moments" 11
	expect "rows" "$(awk -F, 'NR > 1 && $2 == 6' figures | wc -l)" "$moments"
	expect "moments without CPU time" "$(awk -F, 'NR > 1 && !($4 > 0 && $5 > 0)' figures)" ""
	expect "walks in a child pid namespace" "$(value walks '$1 ~ /child pid namespace/ && $2 == 6')" 6
	expect "walks" "$(awk -F, 'NR > 1 && $1 !~ /child pid namespace/ && $6 != 0' figures)" ""
	expect "watches when the daemon has ended" "$(value watches '$1 ~ /^daemon ended/ && $2 == 6')" 6
	expect "watches for a marker" "$(value watches '$1 == "marker" && $2 == 6')" 0
}

test_an_idle_daemon_is_measured() {
	bench idle --waiters 0,20 --pause 100 --window 300 || die "$(cat err)"
	expect "rows" "$(column processes | tr '\n' ' ')" "0 20 "
	expect "wake-ups without a wait" "$(value wake_ups_per_s '$1 == 0')" 0
}

test_waiters_are_measured_some_time_after_they_began() {
	bench minute --waiters 5 --pause 300 --window 300 || die "$(cat err)"
	expect "row" "$(value waiters 1),$(value after_s 1),$(value window_s 1)" "5,0.3,0.3"
}

test_a_busy_worker_is_measured() {
	bench busy --waiters 5 --rounds 1 --window 100 || die "$(cat err)"
	is_above 0.2 "$(value ratio 1)" "the share of what it computes without waiters"
}

test_many_processes_have_an_answer_each() {
	bench many --waiters 30 --rounds 1 || die "$(cat err)"
	expect "processes" "$(value processes 1)" 30
	is_above 0 "$(value begin_ms 1)" "the time to begin"
	is_above 900 "$(value spread_ms 1)" "the time of the markers"
	is_above 0 "$(value latest_ms 1)" "the latest answer"
	is_above 0 "$(value readyd_percent 1)" "the share of readyd"
	is_above 0 "$(value readyctl_percent 1)" "the share of readyctl"
}

test_a_fan_out_beside_a_child_pid_namespace_is_measured() {
	need_root
	bench fanout --nested --waiters 3 --baselines gate,futex --rounds 1 || die "$(cat err)"
	expect "rows" "$(column baseline | tr '\n' ' ')" "gate futex "
	until_true 10 no_process_uses "$T/b"
}

test_the_memory_of_each_process_of_the_daemon_counts() {
	need_root
	bench memory --many 10 --pause 100 || die "$(cat err)"
	expect "processes of an idle daemon" "$(awk -F, '$1 ~ /^readyd:/ && $2 == "idle" { print $1 }' figures | sort | tr '\n' ' ')" \
		"readyd:readyd readyd:readyd-spawner "
	expect "those with a scout" "$(awk -F, '$1 ~ /^readyd:/ && $2 == "a scout" { print $1 }' figures | sort | tr '\n' ' ')" \
		"readyd:readyd readyd:readyd-scout readyd:readyd-spawner "
	expect "what they have, and the sum" "$(awk -F, '$2 == "idle" && $1 ~ /^readyd/ { s += $1 == "readyd" ? $5 : -$5 } END { print s }' figures)" 0
}

test_what_is_not_installed_is_left_out() {
	mkdir empty
	PATH_WAS=$PATH
	ln -s "$(command -v timeout)" "$(command -v mkdir)" "$(command -v rm)" empty/
	PATH=$T/empty bench join --rounds 1 --many 10 || die "$(cat err)"
	PATH=$PATH_WAS
	expect "rows" "$(column join | select_lines -c 'redis\|memcached')" 0
	is_above 0 "$(value cost_us '$1 == "inotify"')" "the cost of a watch"
}

# write_results: of a run with a few rows, in $T/results.
write_results() {
	local results=$T/results
	mkdir "$results"
	printf 'baseline,waiters,rounds,worker_us,worker_p99_us,markers,own_marker_us,cpu_us,first_us,median_us,last_us\n%s\n' \
		gate,0,1,10,20,1,10,5,,, gate,50,1,11,20,1,10,5,1,2,300 inotify,0,1,10,20,1,10,5,,, \
		inotify,50,1,90,20,1,10,5,1,2,200 futex,50,1,10,20,1,10,5,1,2,250 >"$results/fanout.csv"
	printf 'cost,rounds,us\nsystem call,1,0.1\npage fault,1,%s\ncontext switch,1,2\n' "$1" >"$results/machine.csv"
	printf 'moment,waiters,rounds,last_ms,cpu_ms,walks,watches\n%s\n' marker,100,1,1,10,0,0 marker,1000,1,10,140,0,0 \
		>"$results/crowd.csv"
	printf 'attack,queries,query_us,query_p99_us,wakes,wake_us,wake_p99_us,stop_ms\n%s\n' none,9,100,200,9,50,90,0 \
		'64 connections query,9,250,30000,9,100,900,70' '200000 files,9,990,90000,9,990,9000,1200' >"$results/fairness.csv"
	: >"$results/left-out.txt"
	printf -- '- date: 2026-01-02 03:04 UTC\n- machine: A <b> & c, 2 processors, 9 GiB\n' >"$results/README.md"
}

test_the_tables_name_a_goal_that_is_missed() {
	need awk
	write_results 1
	"$SRC/bench/tables.sh" "$T/results" "$T" "0 0 0" >tables || die "$(cat tables)"
	goal_is "worker's cost with 50 waiters / with none" "<= 1.2 | 1.10 | yes"
	goal_is "last of 50 awake / best of futex and own inotify" "<= 1.2 | 1.50 | no"
	goal_is "last of 50 awake / futex" "<= 1.15 | 1.20 | no"
	goal_is "marker: CPU time of 1000 / of 100, by number" "<= 1.3 | 1.40 | no"
	goal_is "CPU time of 1000 in the worst of these moments, s" "<= 1.5 | 0.14 | yes"
	goal_is "query while another user uses 64 connections / alone, median" "<= 3 | 2.50 | yes"
	goal_is "longest time to end on SIGTERM under an attack, ms" "<= 1000 | 1200.00 | no"
	goal_is "query, one by one, ready / memcached" "<= 1 | - | not measured"
	goal_is "wake-ups per second of readyd without waiters" "<= 0 | - | not measured"
}

test_a_slow_machine_has_other_goals() {
	need awk
	write_results 40
	"$SRC/bench/tables.sh" "$T/results" "$T" "0 0 0" >tables || die "$(cat tables)"
	goal_is "last of 50 awake / futex" "<= 1.3 | 1.20 | yes"
	grep -q "This machine counts as slow" tables || die "$(cat tables)"
}

# A figure is XML, follows the colour scheme, and has a title that was computed.
test_figures_say_what_was_found() {
	need awk
	write_results 1
	"$SRC/bench/plots.sh" "$T/results" || die "plots.sh has failed"
	expect "figures" "$(cd "$T/results" && echo *.svg)" "cpu.svg crowd.svg fanout.svg overview.svg worker.svg"
	grep -q '<title>1.10x with 50 waiting; private watches: 9.00x</title>' "$T/results/overview.svg" ||
		die "$(head -2 "$T/results/overview.svg")"
	grep -q '<title>1,000 at once take at most 1.40x the CPU time of 10 crowds of 100</title>' "$T/results/crowd.svg" ||
		die "$(head -2 "$T/results/crowd.svg")"
	grep -q '>bench/results/crowd.csv, 2026-01-02; A &lt;b&gt; &amp; c, 2 processors; medians<' "$T/results/crowd.svg" ||
		die "$(tail -5 "$T/results/crowd.svg")"
	expect "figures without a dark scheme" "$(grep -L prefers-color-scheme:dark "$T"/results/*.svg)" ""
	expect "figures with a background" "$(grep -l '<rect width="100%"' "$T"/results/*.svg)" ""
	need python3
	python3 -c 'import sys, xml.dom.minidom
for name in sys.argv[1:]: xml.dom.minidom.parse(name)' "$T"/results/*.svg
}

# All values of three rounds of two revisions; less is better.
test_what_is_worse_beyond_the_noise_is_named() {
	local round
	for round in 0 1 2; do
		printf '%s\t%s\t%s\n' old same $((100 + round)) new same $((102 - round)) old worse $((100 + round)) \
			new worse $((120 + round)) old noisy $((100 + 30 * round)) new noisy $((150 + 30 * round)) \
			old better $((100 + round)) new better $((80 + round))
	done >values
	bash -c '. "$1/bench/compare.sh"; judge' - "$SRC" <values >judged
	expect "verdicts" "$(cut -f 1,6 judged | tr '\t\n' '= ')" "same= worse=regression noisy= better=better "
}

goal_is() { expect "$1" "$(grep -F "| $1 |" tables)" "| $1 | $2 |"; }

run_tests "$@"
