#!/usr/bin/env bash
# The manuals agree with the programs; script/lint checks the texts alone.

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

# Each option that --help names is in the manual.
test_manuals_know_every_option() {
	local option
	for option in $("$READYD" --help | grep -o -- '--[a-z-]*' | sort -u); do
		grep -q -- "Fl -${option#--}" "$SRC/man/readyd.8" || die "readyd.8 does not know $option"
	done
	for option in $(for name in wait status list ping stats; do "$READYCTL" "$name" --help; done |
		grep -oE -- '(^| )--[a-z-]+' | sort -u); do
		grep -q -- "Fl -${option#--}" "$SRC/man/readyctl.1" || die "readyctl.1 does not know $option"
	done
	for option in $({ "$READYCTL" run --help && "$READYCTL" mark --help; } | grep -o -- '--[a-z-]\+' | sort -u); do
		cat "$SRC/man/readyctl.1" "$SRC/man/readyctl-run.1" | grep -q -- "Fl -${option#--}" ||
			die "readyctl-run.1 does not know $option"
	done
	if [ -x "$BUILD/client/readyctl-fleet" ]; then
		for option in $("$BUILD/fleet/readyd-mqtt" --help | grep -o -- '--[a-z-]*' | sort -u); do
			grep -q -- "Fl -${option#--}" "$SRC/man/readyd-mqtt.8" || die "readyd-mqtt.8 does not know $option"
		done
		for option in $("$READYCTL" fleet --help | grep -o -- '--[a-z-]*' | sort -u); do
			grep -q -- "Fl -${option#--}" "$SRC/man/readyctl-fleet.1" || die "readyctl-fleet.1 does not know $option"
		done
	fi
	for option in $("$READYCTL" monitor --help | grep -o -- '--[a-z-]\+' | sort -u); do
		grep -qE -- "Fl (-${option#--}|[a-z] )" "$SRC/man/readyctl-monitor.1" ||
			die "readyctl-monitor.1 does not know $option"
	done
	for option in $("$WORKER" --help | grep -o -- '--[a-z-]*' | sort -u); do
		grep -q -- "Fl -${option#--}" "$SRC/man/${WORKER##*/}.1" || die "the worker's manual does not know $option"
	done
	# From the source, since the probe may not be built.
	while read -r option; do
		grep -q -- "Fl -${option#--}" "$SRC/man/ktstr-jemalloc-probe.1" || die "the probe's manual does not know $option"
	done < <(grep -o '^	     "  *--[a-z-]* ' "$SRC/probe/main.c" | grep -o -- '--[a-z-]*')
}

# Fl marks up the rest of their line, so prose there needs No before it.
test_no_prose_is_marked_up_as_an_option() {
	local found
	found=$(grep -nE '\bFl( -?[a-z-]+)* (a|an|and|as|by|for|in|is|of|or|the|to|with)\b' "$SRC"/man/*.[1378]) || [ $? -eq 1 ]
	expect "prose after Fl" "$found" ""
}

# A figure of a manual that is a constant of the source has a comment in the line above it, with the constant's name:
# .\" constant NAME
#
# stated FILE...: "FILE NAME TEXT" for each such comment; TEXT is the line below it.
stated() {
	awk '$1 == ".\\\"" && $2 == "constant" { name = $3; getline; print FILENAME, name, $0 }' "$@"
}

# milliseconds TEXT: the times that it states, one a line.
milliseconds() {
	grep -oE '\<[0-9]+ (ms|s|seconds?)\>' <<<"$1" | awk '{ print $1 * ($2 == "ms" ? 1 : 1000) }'
}

# defined FOLDER NAME: "FILE:VALUE" of each definition, by #define or in an enum.
defined() {
	grep -rE "\<$2[[:space:]]*=?[[:space:]]*[0-9]+" "$1" --include='*.[ch]' |
		sed -E "s/^([^:]*):.*\<$2[[:space:]]*=?[[:space:]]*([0-9]+).*/\1:\2/"
}

# value_of NAME: in milliseconds. The source has it in one place.
value_of() {
	local found
	found=$(cd "$SRC" && for folder in src daemon client; do defined $folder "$1"; done)
	[ -n "$found" ] || die "$1 is not defined"
	expect "places that define $1 ($found)" "$(wc -l <<<"$found")" 1
	case $1 in
	*_NS) echo $((${found##*:} / 1000000)) ;;
	*_MS) echo "${found##*:}" ;;
	*) die "$1 has no unit in its name" ;;
	esac
}

# agree FILE...: the manuals with the source.
agree() {
	local file name text value
	while read -r file name text; do
		value=$(value_of "$name")
		milliseconds "$text" | grep -qx "$value" || die "$file: $name is $value ms, but: $text"
	done < <(stated "$@")
}

test_manuals_state_constants_of_the_source() {
	[ "$(stated "$SRC"/man/*.[1378] | wc -l)" -gt 0 ] || die "no constant is named"
	agree "$SRC"/man/*.[1378]
	expect "constants that a manual states more than once" \
		"$(stated "$SRC"/man/*.[1378] | awk '{ print $1, $2 }' | sort | uniq -d)" ""
	sed 's/"40 ms"/"41 ms"/' "$SRC/man/readyd.8" >other.8
	! (agree other.8) 2>err || die "another figure is not found"
	grep -q "other.8: .* is .* ms, but: .*41 ms" err || die "not the reason: $(cat err)"
}

# turn COST...: how many of what costs so much a user has in one pass of the loop, see daemon/turns.h.
turn() {
	local names="$*"
	awk -v names="$names" '$1 == "#define" { value[$2] = $3 }
		END { for (n = split(names, name, " "); n > 0; n--) cost += value["TURNS_" name[n]]
			print int((value["TURNS_BUDGET"] + cost - 1) / cost) }' "$SRC/daemon/turns.h"
}
has_text() { tr '\n' ' ' <"$SRC/man/$1" | grep -qF -- "$2" || die "$1 does not say: $2"; }

test_manuals_state_the_turns_of_the_source() {
	local accepted
	has_text readyd-protocol.7 "up to $(turn LINE) requests of a user, or $(turn LINE LOOK) that need a look at a process"
	has_text readyd.8 "serves $(turn LINE) requests of a user, or $(turn LINE LOOK) where each needs a look at a process"
	has_text readyd.8 "the ends of $(turn END) of these, or $(turn EVENT) events of markers"
	has_text readyd.8 "at most $(turn LINE) requests of one user, or $(turn LINE LOOK) entries of its .Cm LIST"
	accepted=$(sed -n 's/^#define ACCEPT_ROUND //p' "$SRC/daemon/acceptor.c")
	has_text readyd.8 "and accepts at most $accepted connections"
}

# stamp_figures FILE...: each time in a paragraph about time stamps, without the comment above it.
stamp_figures() {
	awk 'function flush() { if (about) printf "%s", times; times = ""; about = 0 }
		FNR == 1 || /^\.(Pp|It|S[hs]|El)/ { flush() }
		/^\.\\"/ { if ($2 == "constant") getline; else next; if (/stamp/) about = 1; next }
		/stamp/ { about = 1 }
		/[0-9]+ (ms|s|seconds?)([^a-z]|$)/ { times = times FILENAME ": " $0 "\n" }
		END { flush() }' "$@"
}

# What a time stamp tolerates is never stated without the name of its constant.
test_every_tolerance_of_time_stamps_is_compared() {
	expect "times without a constant" "$(stamp_figures "$SRC"/man/*.[1378])" ""
	printf '%s\n' .Pp 'A stamp may be 40 ms older.' >bare.8
	[ -n "$(stamp_figures bare.8)" ] || die "a bare figure is not found"
}

run_tests "$@"
