# Sourced by script/test: what it shows of a suite while the suite runs, and how it counts.
# shellcheck shell=bash

# progress LOG: copies standard input, the output of a suite, to LOG. Prints for each test file that completes the
# elapsed seconds and its name, and each result that is a failure. Make must run with --output-sync=target, also with
# -j: then it prints the output of a test file at once when that completes, so the first line of it shows that.
progress() {
	local line file logs=
	local -A shown=()
	while IFS= read -r line; do
		printf '%s\n' "$line" >&3
		# What follows is the logs of the tests that failed, which contain the same lines.
		case $line in *': '*/test-suite.log) logs=1 ;; esac
		[ -z "$logs" ] || continue
		[[ $line =~ ^(PASS|FAIL|SKIP|XFAIL|XPASS|ERROR):\ ([^ ]+) ]] || continue
		file=${BASH_REMATCH[2]}
		[ -n "${shown[$file]-}" ] || printf '%5d s  %s\n' "$SECONDS" "$file"
		shown[$file]=1
		case $line in FAIL:* | XPASS:* | ERROR:*) printf '         %s\n' "$line" ;; esac
	done 3>"$1"
}

# count KEYWORD LOG: the last "# KEYWORD:  N" in the log. The logs of failed tests, and automake's own summary of them,
# come before the one that counts.
count() {
	awk -v key="$1:" '$1 == "#" && $2 == key { n = $3 } END { print n + 0 }' "$2"
}
