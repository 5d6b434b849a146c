#!/usr/bin/env bash
# script/demo: right answers, in time; a wrong one is noticed.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

# A separate make, since the one that runs the tests does not build it; its variables are not for this one.
env -u MAKEFLAGS -u MFLAGS make -s -C "$BUILD" bench/demo-crowd >/dev/null || exit 1

ESCAPE=$'\e'

# demo: its output is in shown. 20 seconds are what it promises.
demo() {
	need python3
	mkdir -p tmp
	TMPDIR=$T/tmp BUILD=${PROGRAMS:-$BUILD} timeout 20 "$SRC/script/demo" >shown 2>&1
}

test_the_demo_ends_in_time_with_right_answers() {
	demo || die "exit status $?: $(cat shown)"
	tail -n 1 shown | grep -qx 'Every answer was right\.' || die "$(cat shown)"
	expect "lines of the table" "$(sed '1,/^  what happens/d; /^$/,$d' shown | wc -l)" 8
	! grep -q "$ESCAPE" shown || die "escape sequences in a pipe"
	expect "what is left behind" "$(ls -A tmp)" ""
}

test_a_program_that_is_missing_is_named() {
	mkdir -p lacking
	for name in daemon client; do ln -s "$BUILD/$name" "lacking/$name"; done
	! PROGRAMS=$T/lacking demo || die "it has ended with 0"
	grep -q "^script/demo: .*/bench/demo-crowd is missing: make -C " shown || die "$(cat shown)"
}

# A readyctl that takes a death for a success.
write_liar() {
	local name
	mkdir -p liar/client
	for name in daemon worker bench; do ln -s "$BUILD/$name" "liar/$name"; done
	cat >liar/client/readyctl <<END
#!/bin/sh
status=0
answer=\$("$READYCTL" "\$@") || status=\$?
case \$answer in died*) answer="ready\${answer#died}" status=0 ;; esac
[ -z "\$answer" ] || printf '%s\n' "\$answer"
exit \$status
END
	chmod +x liar/client/readyctl
}
test_a_wrong_answer_ends_the_demo_with_an_error() {
	write_liar
	PROGRAMS=$T/liar expect_exit 1 demo
	grep -q "wrong: 'ready, 0' instead of 'died, 3'" shown || die "$(cat shown)"
	tail -n 1 shown | grep -qx 'Not every answer was right\.' || die "$(cat shown)"
}

# begin ENVIRONMENT...: the demo on a terminal, until its first lines; what it wrote is in typescript.
begin() {
	need script
	rm -f typescript
	mkdir -p tmp
	spawn env -u NO_COLOR TMPDIR="$T/tmp" BUILD="$BUILD" "$@" script -qfc "$SRC/script/demo" typescript >/dev/null
	until_true 60 grep -qs 'READYD_DIR=' typescript
	kill -KILL "$LAST"
	until_true 60 is_empty tmp
}
is_empty() { [ -z "$(ls -A "$1")" ]; }

test_colors_are_for_terminals_that_want_them() {
	begin TERM=xterm
	grep -q "$ESCAPE\[1m" typescript || die "no colors: $(cat typescript)"
	begin TERM=xterm NO_COLOR=1
	! grep -q "$ESCAPE" typescript || die "colors in spite of NO_COLOR"
	begin TERM=dumb
	! grep -q "$ESCAPE" typescript || die "colors on a dumb terminal"
}

run_tests "$@"
