#!/usr/bin/env bash
# plots.sh RESULTS: draw the figures from the CSV files and the README.md of tables.sh, as SVG. Each title says what was found, by these files.
# shellcheck disable=SC2016 # the fields are those of awk
set -euo pipefail
results=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=bench/cells.sh
. "$here/cells.sh"
# shellcheck source=bench/goals.sh
. "$here/goals.sh"

# of_run WORD: what README.md, which tables.sh has written, says of the run.
of_run() { sed -n "s/^- $1: //p" "$results/README.md"; }
source_of() {
	local day machine
	day=$(of_run date | cut -d' ' -f1)
	machine=$(of_run machine | sed 's/, [^,]*$//')
	echo "bench/results/$1, $day; $machine; medians"
}

# draw NAME: the figure that standard input describes; see plot.awk.
draw() { awk -f "$here/plot.awk" >"$results/$1.svg"; }

label_of() {
	case $1 in
	gate) echo readyd ;;
	inotify) echo "private watches" ;;
	poll) echo "sleep loop" ;;
	*) echo "$1" ;;
	esac
}

# times VALUE BASE: "1.49x"; empty if one of them is.
times() { awk -v a="$1" -v b="$2" 'BEGIN { if (a > 0 && b > 0) { q = a / b; printf((q >= 10 ? "%.0fx" : "%.2fx"), q) } }'; }
# scaled VALUE FACTOR UNIT
scaled() { awk -v a="$1" -v f="$2" -v u="$3" 'BEGIN { a *= f; printf((a >= 100 ? "%.0f %s" : a >= 10 ? "%.1f %s" : "%.2f %s"), a, u) }'; }
# duration US: with the unit that suits it.
duration() {
	awk -v v="$1" '
		function short(x) { return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x) }
		BEGIN { print (v >= 1000000 ? short(v / 1000000) " s" : v >= 1000 ? short(v / 1000) " ms" : short(v) " µs") }'
}
grouped() { awk -v n="$1" 'BEGIN { while (length(n) > 3) { out = "," substr(n, length(n) - 2) out; n = substr(n, 1, length(n) - 3) } print n out }'; }

# lines FILE COLUMN RELATIVE BASELINE...: a series for each of the baselines. RELATIVE says to what the note relates the
# last value: "first" of its own, or "floor".
lines() {
	local file=$1 column=$2 relative=$3 baseline most base
	shift 3
	for baseline; do
		most=$(cell "$file" "\$1 == \"$baseline\"" waiters)
		[ -n "$most" ] || continue
		base=$(cell "$file" "\$1 == \"$baseline\" && \$2 == 0" "$column")
		[ "$relative" = first ] || base=$(best_last "$most")
		printf 'series\t%s\t%s\t%s\n' "$baseline" "$(label_of "$baseline")" \
			"$(times "$(cell "$file" "\$1 == \"$baseline\" && \$2 == $most" "$column")" "$base")"
		awk -F, -v col="$column" -v baseline="$baseline" '
			NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i; next }
			$1 == baseline && $2 > 0 && $c > 0 { print "point\t" $2 "\t" $c }' "$results/$file"
	done
}

# A ratio that is not known is left out of the title.
title_of_worker() {
	local most others
	most=$(cell fanout.csv '$1 == "gate"' waiters)
	others=$(times "$(cell fanout.csv "\$1 == \"inotify\" && \$2 == $most" worker_us)" "$(fanout inotify 0 worker_us)")
	echo "$(times "$(fanout gate "$most" worker_us)" "$(fanout gate 0 worker_us)") with $(grouped "$most") waiting${others:+; private watches: $others}"
}

panel_of_worker() {
	printf 'panel\t%s\tprograms that wait\tus\n' "The worker's three calls that write its marker"
	lines fanout.csv worker_us first "$@"
}
panel_of_last() {
	printf 'panel\t%s\tprograms that wait\tus\n' "From the marker to the last program awake"
	lines fanout.csv last_us floor "$@"
}

all="gate inotify inotifywait poll futex send s6 redis memcached"

draw_fanout() {
	local most
	most=$(cell fanout.csv '$1 == "gate" && $2 > 0' waiters)
	[ -n "$most" ] || return 0
	{
		printf 'figure\t%s\t%s\t%s\n' "$(title_of_worker)" \
			"the worker: related to none waiting; the last awake: related to the best of futex and private watches; the sleep loop looks every 10 ms" \
			"$(source_of fanout.csv)"
		panel_of_worker gate inotify poll
		panel_of_last gate inotify poll
	} | draw overview
	{
		printf 'figure\t%s\t%s\t%s\n' "$(title_of_worker)" \
			"open, write and close of a marker, while N programs wait for another one" "$(source_of fanout.csv)"
		# shellcheck disable=SC2086
		panel_of_worker $all
	} | draw worker
	{
		printf 'figure\t%s\t%s\t%s\n' "The last of $(grouped "$most") is awake after $(duration "$(fanout gate "$most" last_us)"), $(times "$(fanout gate "$most" last_us)" "$(best_last "$most")") the floor" \
			"the floor is the best of a futex and of private watches; these wake within the worker's call" "$(source_of fanout.csv)"
		# shellcheck disable=SC2086
		panel_of_last $all
	} | draw fanout
	{
		printf 'figure\t%s\t%s\t%s\n' "A marker for $(grouped "$most") takes $(duration "$(fanout gate "$most" cpu_us)") of CPU time${futex:+, by futex $futex}" \
			"all processes together, the worker and servers included" "$(source_of fanout.csv)"
		printf 'panel\t%s\tprograms that wait\tus\n' "CPU time of one fan-out"
		# shellcheck disable=SC2086
		lines fanout.csv cpu_us first $all | sed 's/^\(series\t.*\)\t.*/\1\t/'
	} | draw cpu
}

draw_noise() {
	local most others
	most=$(cell noise.csv '$1 == "gate" && $7 > 0' waiters)
	[ -n "$most" ] || return 0
	others=$(noise inotify "$most" file_us)
	{
		printf 'figure\t%s\t%s\t%s\n' "An unrelated file takes $(duration "$(noise gate "$most" file_us)") with $(grouped "$most") waiting${others:+; private watches: $(duration "$others")}" \
			"CPU time of all processes for a file that is created in the directory and concerns no program" "$(source_of noise.csv)"
		printf 'panel\t%s\tprograms that wait\tus\n' "CPU time for one file"
		lines noise.csv file_us first gate inotify inotifywait send redis
	} | draw noise
}

draw_crowd() {
	local worst few many
	few=$(cell crowd.csv 'NR == 2' waiters)
	many=$(cell crowd.csv '$1 == "marker"' waiters)
	worst=$(moments_for_goals | awk -F, '$2 > w { w = $2; m = $1 } END { if (m != "") printf "%.2f", w }')
	[ -n "$worst" ] || return 0
	{
		printf 'figure\t%s\t%s\t%s\n' "$(grouped "$many") at once take at most ${worst}x the CPU time of $((many / few)) crowds of $few" \
			"CPU time of all of them and of the daemon; the mark is that of $((many / few)) crowds of $few" "$(source_of crowd.csv)"
		printf 'bars\t%s\tms\n' "$(grouped "$many") programs: CPU time, and when the last has its answer"
		awk -F, 'NR == 1 || $1 ~ /child pid namespace/ { next }
			!($1 in few) { few[$1] = $2; cpu[$1] = $5; next }
			{ printf "bar\tgate\t%s\t%s\tlast after %.0f ms\t%s\n", $1, $5, $4, cpu[$1] * $2 / few[$1] }' "$results/crowd.csv"
	} | draw crowd
}

# bar_figure NAME FILE TITLE SUBTITLE HEADING UNIT PROGRAM: PROGRAM is awk that prints bars.
bar_figure() {
	[ -s "$results/$2" ] || return 0
	{
		printf 'figure\t%s\t%s\t%s\nbars\t%s\t%s\n' "$3" "$4" "$(source_of "$2")" "$5" "$6"
		awk -F, '
			function key(name) {
				if (name ~ /^readyd/ || name ~ /^readyctl/) return "gate"
				return name ~ /^redis/ ? "redis" : name ~ /^memcached/ ? "memcached" : name
			}
			function bar(name, label, value) { if (value != "") print "bar\t" key(name) "\t" label "\t" value "\t\t" }
			NR > 1 { '"$7"' }' "$results/$2"
	} | draw "$1"
}

draw_small() {
	local most
	most=$(number idle.csv 1 processes)
	bar_figure idle idle.csv "readyd takes $(scaled "$(cell idle.csv 1 cpu_us_per_s)" 0.0001 %) of a processor while $(grouped "$most") processes are waited for" \
		"nothing happens" "CPU time in a second" us 'bar("readyd", $1 " processes", $3)'
	bar_figure join join.csv "Beginning to wait takes $(times "$(join_cost "readyd (libreadyd)")" "$(join_cost inotify)") as long as with a private watch" \
		"from nothing until a marker can no longer be missed" "one wait" us 'if ($2 > 0) bar($1, $1, $3)'
	bar_figure ready ready.csv "readyctl wait takes $(times "$(run "readyctl wait")" "$(run /bin/true)") as long as /bin/true if the marker exists" \
		"from the start of the process to its end" "one process" us 'bar($1, $1, $3)'
	bar_figure query query.csv "A query takes $(duration "$(query readyd one-by-one ready)"), $(times "$(query readyd one-by-one ready)" "$(query memcached one-by-one ready)") of memcached" \
		"over one connection, one by one and a hundred at once" "one query" us 'bar($1, $1 ", " $2 ", " $3, $5)'
	bar_figure memory memory.csv "A waiter at a gate costs readyd $(gate_bytes) bytes, one with a connection $(bytes readyd text-waiters)" \
		"of all processes of a server, without what files can give back" "private memory" KiB 'if ($1 !~ /:/) bar($1, $1 ", " ($3 > 0 ? $3 " " : "") $2, $5)'
}

futex=$(cell fanout.csv "\$1 == \"futex\"" cpu_us)
[ -z "$futex" ] || futex=$(duration "$futex")
if [ -s "$results/fanout.csv" ]; then draw_fanout; fi
if [ -s "$results/noise.csv" ]; then draw_noise; fi
if [ -s "$results/crowd.csv" ]; then draw_crowd; fi
draw_small
