#!/usr/bin/env bash
# Usage: make-broken.sh LIST SOURCE-DIRECTORY OUTPUT-DIRECTORY COMPILE LINK LIBRARIES
# Builds each broken variant of LIST: copies of files of the product with a line changed, linked before the library
# that has them as they are. Fails where there is nothing to change any more.
set -euo pipefail
list=$1 src=$2 out=$3 compile=$4 link=$5 libraries=$6

lines() { sed -n '/^[^#]/s/\t\t*/\t/gp' "$list"; }

# change NAME: makes out/broken-NAME-N.c, one for each of its files, and prints their names.
change() {
	local name file script source n=0
	while IFS=$'\t' read -r name file script; do
		[ "$name" = "$1" ] || continue
		source=$out/broken-$name-$((++n)).c
		sed "$script" "$src/$file" >"$source"
		if cmp -s "$source" "$src/$file"; then
			echo "$name: nothing to change in $file; see tests/sim/broken.list" >&2
			return 1
		fi
		echo "$source"
	done < <(lines)
}

# shellcheck disable=SC2086
build() { # NAME
	local sources source objects=()
	sources=$(change "$1") || return
	for source in $sources; do
		$compile -w -c -o "${source%.c}.o" "$source" || return
		objects+=("${source%.c}.o")
	done
	$link -o "$out/broken-$1" "${objects[@]}" $libraries
}

failed=0
running=0
for name in $(lines | cut -f 1 | sort -u); do
	build "$name" &
	if [ "$((++running))" -ge "$(nproc)" ]; then
		wait -n || failed=1
		running=$((running - 1))
	fi
done
while [ "$running" -gt 0 ]; do
	wait -n || failed=1
	running=$((running - 1))
done
exit "$failed"
