# Sourced by tables.sh and goals.sh: values and tables from the CSV files in $results.
# shellcheck shell=bash disable=SC2016,SC2154

was_measured() { [ -s "$results/$1" ] || ! echo "Not measured."; }

# pivot FILE COLUMN UNIT RELATIVE: a row for each baseline, a column for each number of waiters. Each value is divided
# by UNIT and shown with its ratio to RELATIVE: a baseline, "first" for its own value with the fewest waiters, or
# "floor" for the best of futex and own inotify.
pivot() {
	was_measured "$1" || return 0
	awk -F, -v col="$2" -v unit="$3" -v relative="$4" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i; next }
		{
			if (!($1 in seen)) { seen[$1] = 1; baselines[++np] = $1 }
			if (!($2 in have)) { have[$2] = 1; counts[++nc] = $2 }
			if ($c != "") value[$1, $2] = $c / unit
		}
		function floor(count, a, b) {
			a = ("futex", count) in value ? value["futex", count] : 0
			b = ("inotify", count) in value ? value["inotify", count] : 0
			return b > 0 && (b < a || a == 0) ? b : a
		}
		function base(baseline, count, i) {
			if (relative == "floor") return floor(count)
			if (relative != "first") return (relative, count) in value ? value[relative, count] : 0
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

# number FILE CONDITION COLUMN: as cell, for a text: "N" if there is none.
number() {
	local value
	value=$(cell "$@")
	echo "${value:-N}"
}

# cell FILE CONDITION COLUMN: one value. CONDITION is an awk expression of the fields $1, $2, ... If several rows
# match, the last is used, which has the most waiters.
cell() {
	[ -s "$results/$1" ] || return 0
	awk -F, -v col="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i; next } '"$2"' { v = $c }
		END { print v }' "$results/$1"
}

# Results of one measurement, by the names in its rows.
query() { cell query.csv "\$1 == \"$1\" && \$2 == \"$3\" && \$3 == \"$2\"" query_us; }
run() { cell ready.csv "\$1 == \"$1\"" cost_us; }
fanout() { cell fanout.csv "\$1 == \"$1\" && \$2 == $2" "$3"; }
noise() { cell noise.csv "\$1 == \"$1\" && \$2 == $2" "$3"; }
join_cost() { cell join.csv "\$1 == \"$1\"" cost_us; }
cost() { cell machine.csv "\$1 == \"$1\"" us; }

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
