# Sourced by tables.sh: the goals, and whether they are reached.
# shellcheck shell=bash disable=SC2016,SC2154

# Beyond either of these, in microseconds, a machine counts as slow. A guest under a hypervisor that keeps shadow page
# tables needs several times as long, most others a fraction.
slow_switch=15
slow_fault=10

speed() {
	awk -v turn="$(cost "context switch")" -v fault="$(cost "page fault")" \
		-v slow_turn=$slow_switch -v slow_fault=$slow_fault \
		'BEGIN { print (turn + 0 > slow_turn + 0 || fault + 0 > slow_fault + 0 ? "slow" : "fast") }'
}
# limit FAST SLOW: the one for this machine.
limit() { if [ "$(speed)" = fast ]; then echo "$1"; else echo "$2"; fi; }

# costs: a sentence on what this machine takes.
costs() {
	[ -s "$results/machine.csv" ] || return 0
	awk -F, '
		function number(x) { return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x) }
		NR > 1 && !/other processor/ { text = text (text == "" ? "" : ", ") $1 " " number($3) " us" }
		END { print "Here: " text "." }' "$results/machine.csv"
}

explain_speed() {
	[ -s "$results/machine.csv" ] || return 0
	echo "This machine counts as $(speed): beyond $slow_switch us for a context switch or $slow_fault us for a page"
	echo "fault, one counts as slow, and some of the goals are others. $(costs)"
}

# goal TEXT VALUE RELATION LIMIT: a table row. VALUE is an awk expression; with empty operands it is "not measured".
goal() {
	awk -v text="$1" -v relation="$3" -v limit="$4" '
		function say(v, form) {
			if (v == "") exit 1
			met = "no"
			if (relation == "<=" && v <= limit || relation == ">=" && v >= limit) met = "yes"
			form = limit > 0.99 && limit < 1 || v > 0 && v < 0.1 ? "%.4f" : "%.2f"
			printf "| %s | %s %s | " form " | %s |\n", text, relation, limit, v, met
		}
		BEGIN { say('"$2"') }' 2>/dev/null || echo "| $1 | $3 $4 | - | not measured |"
}

goals() {
	echo "| quantity | goal | measured | reached |"
	echo "|---|---|---|---|"
	goals_of_worker
	goals_of_fanout
	goals_of_crowd
	goals_of_waiting
	goals_of_many
	goals_of_queries
	goals_of_memory
	goals_of_fairness
}

goals_of_worker() {
	local most
	most=$(cell fanout.csv '$1 == "gate"' waiters)
	goal "worker's cost with $most waiters / with none" \
		"$(cell fanout.csv '$1 == "gate"' worker_us) / $(cell fanout.csv '$1 == "gate" && $2 == 0' worker_us)" "<=" 1.2
	goal "what a worker computes on all processors while $(number busy.csv 1 waiters) wait / while none do" \
		"$(cell busy.csv 1 ratio)" ">=" 0.995
	goal "unrelated file, with $(number noise.csv '$1 == "gate"' waiters) waiters / with 1" \
		"$(cell noise.csv '$1 == "gate"' file_us) / $(cell noise.csv '$1 == "gate" && $2 == 1' file_us)" "<=" 1.2
	goal "unrelated file, with $(number noise.csv '$1 == "gate"' waiters) waiters / inotifywait -m" \
		"$(cell noise.csv '$1 == "gate"' file_us) / $(cell noise.csv '$1 == "inotifywait -m"' file_us)" "<=" 1
}

# best_last WAITERS: of futex and own inotify.
best_last() {
	awk -v a="$(fanout futex "$1" last_us)" -v b="$(fanout inotify "$1" last_us)" \
		'BEGIN { if (a != "" || b != "") print b == "" || (a != "" && a + 0 < b + 0) ? a : b }'
}

goals_of_fanout() {
	local n most
	while read -r n; do
		goal "last of $n awake / best of futex and own inotify" "$(fanout gate "$n" last_us) / $(best_last "$n")" \
			"<=" "$(limit 1.2 1.3)"
		most=$n
	done < <(awk -F, '$1 == "gate" && $2 >= 50 { print $2 }' "$results/fanout.csv")
	goal "last of ${most:-N} awake / futex" "$(fanout gate "${most:-0}" last_us) / $(fanout futex "${most:-0}" last_us)" \
		"<=" "$(limit 1.15 1.3)"
	goal "last of $(number nested.csv 1 waiters) awake / futex, with a child pid namespace" \
		"$(cell nested.csv '$1 == "gate"' last_us) / $(cell nested.csv '$1 == "futex"' last_us)" "<=" "$(limit 1.15 1.3)"
}

# each_moment FORMAT: for each moment that was measured with few and with many, a line with awk's printf: moment, few,
# last, CPU time, walks and watches of few; the same of many; CPU time of many to that of few, by number.
each_moment() {
	[ -s "$results/crowd.csv" ] || return 0
	awk -F, -v format="$1\n" '
		NR == 1 { next }
		!($1 in few) { few[$1] = $2; last[$1] = $4; cpu[$1] = $5; walks[$1] = $6; watches[$1] = $7; next }
		$2 > few[$1] && cpu[$1] > 0 {
			printf format, $1, few[$1], last[$1], cpu[$1], walks[$1], watches[$1], $2, $4, $5, $6, $7,
				$5 * few[$1] / $2 / cpu[$1]
		}' "$results/crowd.csv"
}

crowd() {
	was_measured crowd.csv || return 0
	echo "| moment | few | last, ms | CPU, ms | walks | watches | many | last, ms | CPU, ms | walks | watches | ratio |"
	echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
	each_moment '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %.2f |'
	awk -F, '
		NR > 1 && $2 > most { most = $2 }
		NR > 1 { row[$1] = row[$1] == "" ? $0 : "-" }
		END { for (m in row) if (row[m] != "-") { split(row[m], f, ","); if (f[2] < most)
			printf "| %s | %s | %s | %s | %s | %s | - | | | | | |\n", m, f[2], f[4], f[5], f[6], f[7] } }' "$results/crowd.csv"
}

# A process that is itself in a child pid namespace is left out: without a daemon, its waiters walk /proc.
moments_for_goals() {
	[ -s "$results/crowd.csv" ] || return 0
	awk -F, '
		NR == 1 || $1 ~ /child pid namespace/ { next }
		!($1 in few) { few[$1] = $2; cpu[$1] = $5; next }
		cpu[$1] > 0 { print $1 "," $5 * few[$1] / $2 / cpu[$1] "," $5 "," $6 }' "$results/crowd.csv"
}
greatest_of_moments() { moments_for_goals | awk -F, -v c="$1" 'most == "" || $c > most { most = $c } END { print most }'; }

goals_of_crowd() {
	local few many moment ratio rest
	few=$(number crowd.csv 'NR == 2' waiters)
	many=$(number crowd.csv '$1 !~ /child pid namespace/' waiters)
	while IFS=, read -r moment ratio rest; do
		goal "$moment: CPU time of $many / of $few, by number" "$ratio" "<=" 1.3
	done < <(moments_for_goals)
	goal "CPU time of $many in the worst of these moments, s" "$(greatest_of_moments 3) / 1000" "<=" 1.5
	goal "walks of /proc by $many in the worst of these moments" "$(greatest_of_moments 4)" "<=" 0
}

goals_of_waiting() {
	local most less
	most=$(cell idle.csv 1 processes)
	less=$(cell idle.csv "\$1 < ${most:-0} && \$1 > 0" processes)
	goal "readyd while ${most:-N} processes are waited for, % of a processor" "$(cell idle.csv 1 cpu_us_per_s) / 10000" "<=" 0.5
	goal "the same, less than that with ${less:-N}" \
		"($(cell idle.csv 1 cpu_us_per_s) - $(cell idle.csv "\$1 == ${less:--1}" cpu_us_per_s)) / 10000" "<=" 0.3
	goal "$(number minute.csv 1 waiters) waiters and readyd, $(number minute.csv 1 after_s) s after they began, % of a processor" \
		"$(cell minute.csv 1 cpu_us_per_s) / 10000" "<=" "$(limit 0.2 2)"
	goal "beginning to wait (libreadyd) / own inotify" \
		"$(join_cost "readyd (libreadyd)") / $(join_cost inotify)" "<=" "$(limit 2 8)"
	goal "beginning to wait (libreadyd) / GATE by hand" \
		"$(join_cost "readyd (libreadyd)") / $(join_cost "readyd (GATE by hand)")" "<=" 1.3
	goal "wake-ups per second of readyd without waiters" \
		"$(cell noise.csv '$1 == "gate" && $2 == 0' server_wake_ups_per_s)" "<=" 0
}

goals_of_many() {
	local few most n
	most=$(cell many.csv 1 processes)
	few=$(cell many.csv "\$1 < ${most:-0}" processes)
	n=$(limit "$most" "${few:-$most}")
	goal "latest of ${n:-N} answers after its marker, ms" "$(cell many.csv "\$1 == ${n:-0}" latest_ms)" "<=" 100
	goal "readyd while ${n:-N} become ready within a second, % of a processor" \
		"$(cell many.csv "\$1 == ${n:-0}" readyd_percent)" "<=" 20
	goal "readyctl at that time, %" "$(cell many.csv "\$1 == ${n:-0}" readyctl_percent)" "<=" 20
	goal "CPU time of both with ${most:-N} / with ${few:-N}, by number" \
		"($(cell many.csv 1 readyd_percent) + $(cell many.csv 1 readyctl_percent)) / $most / \
		(($(cell many.csv "\$1 == ${few:-0}" readyd_percent) + $(cell many.csv "\$1 == ${few:-0}" readyctl_percent)) / $few)" \
		"<=" 1.3
}

goals_of_queries() {
	goal "query, one by one, ready / memcached" "$(query readyd one-by-one ready) / $(query memcached one-by-one ready)" "<=" 1
	goal "query, one by one, not ready / memcached" \
		"$(query readyd one-by-one not-ready) / $(query memcached one-by-one not-ready)" "<=" 1.5
	goal "queries per second, pipelined / memcached" \
		"$(query memcached pipelined ready) / $(query readyd pipelined ready)" ">=" 1
	goal "readyctl wait, ready already / /bin/true" "$(run "readyctl wait") / $(run /bin/true)" "<=" 1.5
	goal "readyctl wait (static), ready already / /bin/true" "$(run "readyctl wait (static)") / $(run /bin/true)" "<=" 1.1
}

# Memory comes in pages, and one more of them for all waiters says nothing about each.
gate_bytes() {
	[ -s "$results/memory.csv" ] || return 0
	awk -F, '
		$1 == "readyd" && $2 == "gate-waiters" { n0 = n; kib0 = kib; n = $3; kib = $5 }
		END { if (n0 > 0) print (kib - kib0 > 4 ? (kib - kib0 - 4) * 1024 / (n - n0) : 0) }' "$results/memory.csv"
}

goals_of_memory() {
	goal "private memory of an idle readyd with all its processes, KiB" \
		"$(cell memory.csv '$1 == "readyd" && $2 == "idle"' private_kib)" "<=" 400
	goal "bytes per waiter at a gate, beyond a page for all" "$(gate_bytes)" "<=" 0
	goal "bytes per waiter with a connection" "$(bytes readyd text-waiters)" "<=" 300
}

# worst COLUMN: the greatest in the rows of fairness.csv that use 64 connections.
worst() {
	[ -s "$results/fairness.csv" ] || return 0
	awk -F, -v col="$1" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i; next }
		$1 ~ /^64 connections/ && $c >= most { most = $c } END { print most }' "$results/fairness.csv"
}
alone() { cell fairness.csv '$1 == "none"' "$1"; }
slowest_stop() { cell fairness.csv '$1 != "none" && $8 >= most && (most = $8 + 0) >= 0' stop_ms; }

goals_of_fairness() {
	goal "query while another user uses 64 connections / alone, median" "$(worst query_us) / $(alone query_us)" "<=" 3
	goal "the same, 99th percentile, ms" "$(worst query_p99_us) / 1000" "<=" 20
	goal "wake-up at that time / alone, median" "$(worst wake_us) / $(alone wake_us)" "<=" 3
	goal "the same, 99th percentile, ms" "$(worst wake_p99_us) / 1000" "<=" 20
	goal "longest time to end on SIGTERM under an attack, ms" "$(slowest_stop)" "<=" 1000
}
