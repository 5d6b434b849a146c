#!/usr/bin/env bash
# plots.sh RESULTS: write the plots of the CSV files as SVG.
# shellcheck disable=SC2016 # the fields are those of awk
set -euo pipefail
cd "$1"

head_of() { # FILE TITLE YLABEL
	cat <<-EOT
		set terminal svg size 900,540 background "white"
		set output "$1.svg"
		set datafile separator ","
		set title "$2"
		set ylabel "$3"
		set grid ytics
	EOT
}

# lines NAME FILE COLUMN TITLE YLABEL: COLUMN over the number of waiters, a line for each baseline, logarithmic axes.
lines() {
	local baseline baselines=() parts=()
	[ -e "$2" ] || return 0
	mapfile -t baselines < <(awk -F, 'NR > 1 && $2 > 0 && !seen[$1]++ { print $1 }' "$2")
	for baseline in "${baselines[@]}"; do
		parts+=("\"< awk -F, -v col=$3 -v baseline='$baseline' 'NR == 1 { for (i = 1; i <= NF; i++) if (\$i == col) c = i; next } \$1 == baseline && \$2 > 0 && \$c > 0 { print \$2 \\\",\\\" \$c }' $2\" using 1:2 with linespoints title \"$baseline\"")
	done
	{
		head_of "$1" "$4" "$5"
		echo "set logscale xy; set xlabel 'waiting processes'; set key left top"
		(IFS=,; echo "plot ${parts[*]}")
	} | gnuplot
}

# bars NAME FILE LABEL VALUE TITLE YLABEL: LABEL and VALUE are awk expressions of the fields.
bars() {
	[ -e "$2" ] || return 0
	{
		head_of "$1" "$5" "$6"
		echo "set style fill solid 0.6; set boxwidth 0.6; set yrange [0:*]; set xtics rotate by -30; set key off"
		echo "plot \"-\" using 0:2:xtic(1) with boxes"
		awk -F, 'NR > 1 && ('"$4"') != "" { print '"$3"' "," '"$4"' }' "$2"
		echo e
	} | gnuplot
}

lines worker fanout.csv worker_us "Cost of a marker for the worker" "microseconds"
lines fanout fanout.csv last_us "From the marker to the last waiter" "microseconds"
lines cpu fanout.csv cpu_us "CPU time of one fan-out" "microseconds"
lines noise noise.csv file_us "CPU time for one unrelated file" "microseconds"
lines idle noise.csv idle_us_per_s "CPU time of waiting" "microseconds per second"
bars join join.csv '$1' '$3' "Starting a wait" "microseconds"
bars ready ready.csv '$1' '$3' "A wait for an existing marker, whole process" "microseconds"
bars query query.csv '$1 " " $2 " " $3' '$6' "Queries over one connection" "queries per second"
bars memory memory.csv '$1 " " $2 " " $3' '$5' "Private memory of the server" "KiB"
bars start start.csv '$1' '$3' "From the start to the first answer" "milliseconds"
bars sizes sizes.csv '$1 " " $2' '$3' "Size without symbols" "bytes"
bars scaling scaling.csv '$1' '$4 / $3' "Cost with 32,000 markers, relative to an empty directory" "ratio"
