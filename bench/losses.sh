# Sourced by tables.sh: where a baseline takes less than readyd.
# shellcheck shell=bash disable=SC2016,SC2154

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
