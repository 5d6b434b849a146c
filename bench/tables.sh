#!/usr/bin/env bash
# tables.sh RESULTS MEMORY LOAD: print all tables in Markdown, from the CSV files of one run on this machine. MEMORY is
# the directory of the markers, LOAD the load average before the run.
# shellcheck disable=SC2016 # the fields are those of awk
set -euo pipefail
results=$1
memory=$2
load=$3

was_measured() { [ -e "$results/$1" ] || ! echo "Not measured."; }

# pivot FILE COLUMN UNIT RELATIVE: a row for each baseline, a column for each number of waiters. Each value is divided
# by UNIT and shown with its ratio to RELATIVE: a baseline, or "first" for its own value with the fewest waiters.
pivot() {
	was_measured "$1" || return 0
	awk -F, -v col="$2" -v unit="$3" -v relative="$4" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i; next }
		{
			if (!($1 in seen)) { seen[$1] = 1; baselines[++np] = $1 }
			if (!($2 in have)) { have[$2] = 1; counts[++nc] = $2 }
			if ($c != "") value[$1, $2] = $c / unit
		}
		function base(baseline, count, i) {
			if (relative != "first") return value[relative, count]
			for (i = 1; i <= nc; i++) if ((baseline, counts[i]) in value) return value[baseline, counts[i]]
		}
		function number(x) { return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x) }
		END {
			printf "| waiters |"; for (j = 1; j <= nc; j++) printf " %s |", counts[j]
			printf "\n|---|"; for (j = 1; j <= nc; j++) printf "---|"
			for (i = 1; i <= np; i++) {
				printf "\n| %s |", baselines[i]
				for (j = 1; j <= nc; j++) {
					if (!((baselines[i], counts[j]) in value)) { printf " - |"; continue }
					b = base(baselines[i], counts[j])
					ratio = (b > 0 ? sprintf(" (%s x)", number(value[baselines[i], counts[j]] / b)) : "")
					printf " %s%s |", number(value[baselines[i], counts[j]]), ratio
				}
			}
			print ""
		}' "$results/$1"
}

# rows FILE COLUMN...: the file as a table. Each row ends with the ratios of its values of COLUMN to those in the first
# row.
rows() {
	local file=$1
	was_measured "$1" || return 0
	shift
	awk -F, -v ratios="$*" '
		BEGIN { n = split(ratios, wanted, " ") }
		NR == 1 {
			for (i = 1; i <= NF; i++) at[$i] = i
			printf "|"; for (i = 1; i <= NF; i++) printf " %s |", $i
			for (k = 1; k <= n; k++) printf " %s, ratio to the first row |", wanted[k]
			printf "\n|"; for (i = 1; i <= NF + n; i++) printf "---|"
			print ""; next
		}
		NR == 2 { for (k = 1; k <= n; k++) first[k] = $at[wanted[k]] }
		{
			printf "|"; for (i = 1; i <= NF; i++) printf " %s |", $i
			for (k = 1; k <= n; k++) printf " %.2f |", $at[wanted[k]] / first[k]
			print ""
		}' "$results/$file"
}

# cell FILE CONDITION COLUMN: one value. CONDITION is an awk expression of the fields $1, $2, ... If several rows
# match, the last is used, which has the most waiters.
cell() {
	[ -e "$results/$1" ] || return 0
	awk -F, -v col="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i; next } '"$2"' { v = $c }
		END { print v }' "$results/$1"
}

# goal TEXT VALUE RELATION LIMIT: a table row. VALUE is an awk expression; with empty operands it is "not measured".
goal() {
	awk -v text="$1" -v relation="$3" -v limit="$4" '
		function say(v) {
			met = "no"
			if (relation == "<=" && v <= limit || relation == ">=" && v >= limit) met = "yes"
			printf "| %s | %s %s | %.2f | %s |\n", text, relation, limit, v, met
		}
		BEGIN { say('"$2"') }' 2>/dev/null || echo "| $1 | $3 $4 | - | not measured |"
}

goals() {
	local most last worker0 worker file0 file1 monitor
	most=$(cell fanout.csv '$1 == "gate"' waiters)
	worker0=$(cell fanout.csv '$1 == "gate" && $2 == 0' worker_us)
	worker=$(cell fanout.csv '$1 == "gate"' worker_us)
	last=$(cell fanout.csv '$1 == "gate"' last_us)
	file0=$(cell noise.csv '$1 == "gate" && $2 == 1' file_us)
	file1=$(cell noise.csv '$1 == "gate"' file_us)
	monitor=$(cell noise.csv '$1 == "inotifywait -m"' file_us)
	echo "| quantity | goal | measured | reached |"
	echo "|---|---|---|---|"
	goal "worker's cost with $most waiters / with none" "$worker / $worker0" "<=" 1.2
	goal "last of $most awake / futex" "$last / $(cell fanout.csv "\$1 == \"futex\" && \$2 == $most" last_us)" "<=" 1.15
	goal "last of $most awake / own inotify" "$last / $(cell fanout.csv "\$1 == \"inotify\" && \$2 == $most" last_us)" "<=" 0.6
	goal "unrelated file, with $(cell noise.csv '$1 == "gate"' waiters) waiters / with 1" "$file1 / $file0" "<=" 1.2
	goal "unrelated file, with $(cell noise.csv '$1 == "gate"' waiters) waiters / inotifywait -m" "$file1 / $monitor" "<=" 1
	goal "query, one by one / memcached" "$(query readyd one-by-one ready) / $(query memcached one-by-one ready)" "<=" 1
	goal "queries per second, pipelined / memcached" "$(query memcached pipelined ready) / $(query readyd pipelined ready)" ">=" 1
	goal "readyctl wait, existing marker / /bin/true" "$(run "readyctl wait") / $(run /bin/true)" "<=" 1.5
	goal "readyctl wait (static) / /bin/true" "$(run "readyctl wait (static)") / $(run /bin/true)" "<=" 1.5
	goal "resident memory of an idle readyd, MiB" "$(cell memory.csv '$1 == "readyd" && $3 == 0' rss_kib) / 1024" "<=" 3
	goal "bytes per waiter at a gate" "$(bytes readyd gate-waiters)" "<=" 0
	goal "bytes per waiter with a connection" "$(bytes readyd text-waiters)" "<=" 1024
	goal "query while another user queries on 64 connections / alone, median" "$(fair 2 query_us) / $(fair 1 query_us)" "<=" 3
	goal "the same, 99th percentile, ms" "$(fair 2 query_p99_us) / 1000" "<=" 20
	goal "wake-up at that time / alone, median" "$(fair 2 wake_us) / $(fair 1 wake_us)" "<=" 3
	goal "the same, 99th percentile, ms" "$(fair 2 wake_p99_us) / 1000" "<=" 20
	goal "longest time to end on SIGTERM under an attack, ms" "$(slowest_stop)" "<=" 1000
	goal "wake-ups per second of readyd without waiters" "$(cell noise.csv '$1 == "gate" && $2 == 0' server_wake_ups_per_s)" "<=" 0
}
# fair 1|2 COLUMN: without an attack, and during the first one.
fair() { cell fairness.csv "NR == $1 + 1" "$2"; }
slowest_stop() { [ ! -e "$results/fairness.csv" ] || awk -F, 'NR > 1 && $8 >= most { most = $8 } END { print most }' "$results/fairness.csv"; }
query() { cell query.csv "\$1 == \"$1\" && \$2 == \"$3\" && \$3 == \"$2\"" query_us; }
run() { cell ready.csv "\$1 == \"$1\"" cost_us; }

# each_of SERVER HOLDING COLUMN UNIT: the increase from one row of HOLDING to the next, which excludes what the server
# needs once. If there is only one row, the increase from the idle server.
each_of() {
	[ -e "$results/memory.csv" ] || return 0
	awk -F, -v server="$1" -v holding="$2" -v col="$3" -v unit="$4" '
		$1 == server && ($3 == 0 || $2 == holding) { n0 = n; v0 = v; n = $3; v = $col }
		END { if (n > n0) printf "%.2f", (v - v0) * unit / (n - n0) }' "$results/memory.csv"
}
bytes() { each_of "$1" "$2" 5 1024; }
descriptors() { each_of "$1" "$2" 6 1; }
each() {
	local server holding
	echo "| server | item | bytes per item | descriptors per item |"
	echo "|---|---|---|---|"
	while IFS=, read -r server holding; do
		echo "| $server | $holding | $(bytes "$server" "$holding") | $(descriptors "$server" "$holding") |"
	done <<-EOT
		readyd,gates
		readyd,gate-waiters
		readyd,text-waiters
		redis-server,subscribers
		memcached,connections
	EOT
}

# loss TEXT BASELINE VALUES: a table row, if readyd takes more than the baseline. VALUES are those of readyd and of the
# baseline, separated by a comma; if one is missing, it was not measured.
loss() {
	awk -v text="$1" -v baseline="$2" '
		function say(mine, theirs) {
			if (mine > 0 && theirs == 0) printf "| %s | %s | the baseline takes 0 |\n", text, baseline
			else if (mine > theirs) printf "| %s | %s | %.2f |\n", text, baseline, mine / theirs
		}
		BEGIN { say('"$3"') }' 2>/dev/null || return 0
}
fanout() { cell fanout.csv "\$1 == \"$1\" && \$2 == $2" "$3"; }
noise() { cell noise.csv "\$1 == \"$1\" && \$2 == $2" "$3"; }
join_cost() { cell join.csv "\$1 == \"$1\"" cost_us; }

losses() {
	local baseline n mode state counts
	mapfile -t counts < <(awk -F, 'NR > 1 && $2 > 0 { print $2 }' "$results/fanout.csv" | sort -nu | sed -n '1p;$p')
	echo "| quantity | baseline | readyd / baseline |"
	echo "|---|---|---|"
	for baseline in inotify poll inotifywait send s6 redis memcached; do
		for n in "${counts[@]}"; do
			loss "last of $n awake" $baseline "$(fanout gate "$n" last_us), $(fanout $baseline "$n" last_us)"
			loss "CPU time, $n awake" $baseline "$(fanout gate "$n" cpu_us), $(fanout $baseline "$n" cpu_us)"
			loss "CPU time, $n waiting" $baseline \
				"$(noise gate "$n" idle_us_per_s), $(noise $baseline "$n" idle_us_per_s)"
			loss "unrelated file, $n waiting" $baseline "$(noise gate "$n" file_us), $(noise $baseline "$n" file_us)"
		done
	done
	for baseline in "inotify" "redis SUBSCRIBE" "memcached get"; do
		loss "starting a wait" "$baseline" "$(join_cost "readyd (libreadyd)"), $(join_cost "$baseline")"
	done
	for baseline in memcached redis; do
		for state in ready not-ready; do
			for mode in one-by-one pipelined; do
				loss "query, $state, $mode" $baseline "$(query readyd $mode $state), $(query $baseline $mode $state)"
			done
		done
	done
}

version() { # PACKAGE
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"
}

machine() {
	local package
	echo "- date: $(date -u '+%Y-%m-%d %H:%M UTC')"
	echo "- machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) processors, $(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
	echo "- kernel: $(uname -sr)"
	echo "- markers in: $memory ($(stat -f -c %T "$memory"))"
	echo "- load average before the run: $load"
	for package in inotify-tools s6 redis-server memcached; do echo "- $package: $(version $package)"; done
}

cat <<EOT
# Results

Written by \`script/bench\`; do not edit. \`BENCHMARKS.md\` explains what is measured and how.
All values are medians unless stated otherwise. Only their ratios are meaningful; the baselines took turns in one run.

$(machine)

## Goals

$(goals)

## Cost of a marker for the worker

Microseconds for open, write and close of a marker while that many processes wait for another one; the ratio is to
the same without waiters.

$(pivot fanout.csv worker_us 1 first)

The 99th percentile:

$(pivot fanout.csv worker_p99_us 1 first)

The marker that the processes wait for:

$(pivot fanout.csv own_marker_us 1 first)

## From the marker to the waiters

Milliseconds until the last waiter is awake and has seen the marker; the ratio is to the futex bound.

$(pivot fanout.csv last_us 1000 futex)

The median waiter:

$(pivot fanout.csv median_us 1000 futex)

The first waiter:

$(pivot fanout.csv first_us 1000 futex)

## CPU time of one fan-out

Milliseconds of all processes together; the ratio is to the futex bound.

$(pivot fanout.csv cpu_us 1000 futex)

## Noise

Microseconds of CPU time for each unrelated file that is created in the directory. This includes the creation, but not
the cost of waiting (below). The ratio is to the gate.

$(pivot noise.csv file_us 1 gate)

Microseconds of CPU time per second for waiting while nothing happens:

$(pivot noise.csv idle_us_per_s 1 gate)

Wake-ups of the server per second while nothing happens:

$(pivot noise.csv server_wake_ups_per_s 1 none)

## Starting a wait

$(rows join.csv cost_us)

## A wait for an existing marker

$(rows ready.csv cost_us)

## Queries

$(rows query.csv)

## Memory

$(rows memory.csv)

$(each)

## Start

$(rows start.csv first_answer_ms)

## Size without symbols

$(rows sizes.csv)

## Scaling

$(rows scaling.csv)

## Fairness

A client of one user while another user attacks the daemon; see bench/attacks.c.

$(rows fairness.csv query_us wake_us)
EOT
printf '\n## Where a baseline is better\n\n'
losses
printf '\n## Left out\n\n'
sort -u "$results/left-out.txt" | sed 's/^/- /'
