# Sourced by script/bench: measures this tree and another revision in turn. Both are measured by the programs of this
# tree, linked with the library of the revision, so that only what is measured differs.
# shellcheck shell=bash disable=SC2016,SC2154

# build_revision REV: in $scratch/src.
build_revision() {
	mkdir -p "$scratch/src/build"
	git archive "$1" | tar -x -C "$scratch/src"
	(cd "$scratch/src" && autoreconf -fi >/dev/null 2>&1 && cd build && ../configure -q && make -s -j"$(nproc)" >/dev/null)
}

# build_programs TREE PROGRAM: the benchmark of this tree with the library of that one.
build_programs() {
	local file sources=() archives=("$1/build/libclient.a" "$1/build/libcommon.a")
	# A revision that made them by libtool has the second in the first.
	[ -e "${archives[0]}" ] || archives=("$1/build/.libs/libclient.a")
	for file in bench/*.c; do
		[ "$file" = bench/marker_cost.c ] || sources+=("$scratch/with/$file")
	done
	mkdir -p "$scratch/with"
	rm -rf "$scratch/with/bench"
	cp -r bench "$scratch/with/bench"
	gcc -std=gnu11 -O2 -D_GNU_SOURCE -I"$scratch/with" -I"$1" -I"$1/include" -I"$1/build" "${sources[@]}" \
		"${archives[@]}" -Wl,-z,now -Wl,--wrap=opendir -Wl,--wrap=inotify_init1 -o "$2"
}

# compare_once SIDE TREE ROUND: all measurements, briefly.
compare_once() {
	local out=$scratch/$1.$3 crowd=100,1000 waiters=0,100,1000,2000 nested=2000 idle=1000,4000 many=1000
	[ -z "$quick" ] || crowd=50,200 waiters=0,100,200 nested=200 idle=1000 many=500
	mkdir "$out"
	compare_with "$@" fanout fanout --waiters $waiters --baselines gate --rounds 2
	compare_with "$@" nested fanout --nested --waiters $nested --baselines gate --rounds 2
	compare_with "$@" crowd crowd --waiters $crowd --rounds 2
	compare_with "$@" query query --rounds 20
	compare_with "$@" join join --rounds 20 --many 1000
	compare_with "$@" ready ready --rounds 5
	compare_with "$@" idle idle --waiters $idle --pause 1000 --window 1000
	compare_with "$@" many many --waiters $many --rounds 1
	compare_with "$@" memory memory --many 1000
}
compare_with() { # SIDE TREE ROUND NAME MEASUREMENT OPTION...
	local side=$1 tree=$2 round=$3 name=$4 status=0
	shift 4
	mkdir "$dir/work"
	timeout --foreground 300 "$scratch/bench-$side" "$@" --bin "$tree/build" --dir "$dir/work" \
		>"$scratch/$side.$round/$name.csv" 2>"$dir/errors" || status=$?
	rm -rf "$dir/work"
	[ $status -eq 0 ] || {
		cat "$dir/errors" >&2
		echo "bench: $name of $side failed" >&2
		exit 1
	}
}

# values RESULTS: lines of quantity, tab, value. Less is better in all of them.
values() {
	local results=$1
	each_row fanout '$1 == "gate"' '"worker, " $2 " waiting, us" T $4; if ($11 > 0) print "last of " $2 " awake, us" T $11;
		print "CPU time, " $2 " awake, us" T $8'
	each_row nested '$1 == "gate"' '"last of " $2 " awake with a child pid namespace, us" T $11'
	each_row crowd '$2 > 0' '$1 ", " $2 ": last, ms" T $4; print $1 ", " $2 ": CPU, ms" T $5'
	each_row query '$1 == "readyd"' '"query, " $2 ", " $3 ", us" T $5'
	each_row join '$1 ~ /^readyd/' '"beginning to wait, " $1 ", us" T $3'
	each_row ready '$1 ~ /^readyctl/' '$1 ", ready already, us" T $3'
	each_row idle 1 '"readyd, " $1 " processes waited for, us/s" T $3'
	each_row many 1 '$1 " processes: latest, ms" T $8; print $1 " processes: readyd, %" T $9; print $1 " processes: readyctl, %" T $10'
	each_row memory '$1 == "readyd"' '"private memory, " $3 " " $2 ", KiB" T $5'
}
each_row() { # NAME CONDITION WHAT
	awk -F, -v T='\t' 'NR > 1 && ('"$2"') { print '"$3"' }' "$results/$1.csv"
}

# judge: from lines of side, quantity and value, a table row for each quantity. Beyond the noise is what differs more
# than the rounds of either revision among themselves, with each round of one worse than each of the other.
judge() {
	awk -F'\t' '
		function sort_values(list, count, i, j, v) {
			for (i = 2; i <= count; i++) {
				v = list[i]
				for (j = i - 1; j >= 1 && list[j] > v; j--) list[j + 1] = list[j]
				list[j + 1] = v
			}
		}
		function take(side, what, i) {
			for (i = 1; i <= n[side, what]; i++) list[i] = value[side, what, i]
			sort_values(list, n[side, what])
			median = list[int((n[side, what] + 1) / 2)]; least = list[1]; greatest = list[n[side, what]]
		}
		!($2 in seen) { seen[$2] = 1; order[++count] = $2 }
		{ value[$1, $2, ++n[$1, $2]] = $3 + 0 }
		END {
			for (k = 1; k <= count; k++) {
				what = order[k]
				if (n["old", what] == 0 || n["new", what] == 0) continue
				take("old", what); old = median; old_least = least; old_greatest = greatest
				noise = old > 0 ? (greatest - least) / old : 0
				take("new", what)
				if (median > 0 && (greatest - least) / median > noise) noise = (greatest - least) / median
				word = ""
				if (least > old_greatest && median > old * (1 + noise)) word = "regression"
				if (greatest < old_least && old > median * (1 + noise)) word = "better"
				printf "%s\t%g\t%g\t%s\t%s\t%s\n", what, old, median, (old > 0 ? sprintf("%.2f", median / old) : "-"),
					sprintf("%.0f %%", 100 * noise), word
			}
		}'
}

# compare REV: prints the table, and exits with 1 if there is a regression.
compare() {
	local round rounds=5 side sides tree
	echo "bench: building $1" >&2
	build_revision "$1" || { echo "bench: $1 does not build here" >&2; exit 1; }
	build_programs "$scratch/src" "$scratch/bench-old" || { echo "bench: the library of $1 is not what this benchmark measures" >&2; exit 1; }
	build_programs "$PWD" "$scratch/bench-new"
	for ((round = 1; round <= rounds; round++)); do
		sides="old new"
		[ $((round % 2)) -eq 1 ] || sides="new old"
		for side in $sides; do
			echo "bench: round $round of $rounds, $side" >&2
			tree=$PWD
			[ "$side" = new ] || tree=$scratch/src
			compare_once "$side" "$tree" "$round"
			values "$scratch/$side.$round" | sed "s/^/$side\t/" >>"$scratch/values"
		done
	done
	judge <"$scratch/values" >"$scratch/judged"
	echo "| quantity | $1 | now | ratio | noise | beyond it |"
	echo "|---|---|---|---|---|---|"
	awk -F'\t' '{ printf "| %s | %s | %s | %s | %s | %s |\n", $1, $2, $3, $4, $5, $6 }' "$scratch/judged"
	! grep -q 'regression$' "$scratch/judged" || {
		echo "bench: worse than $1 beyond the noise:" >&2
		sed -n 's/\t.*regression$//p' "$scratch/judged" >&2
		exit 1
	}
}
