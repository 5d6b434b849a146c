#!/usr/bin/env bash
# What README.md shows: its commands run, and print what it says they print; its programs compile and run.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

README=$SRC/README.md

# blocks: "LANGUAGE HEADING" for each block of code; block LANGUAGE HEADING [NUMBER]: the text of the first, or of that one.
blocks() { awk '/^## / { heading = substr($0, 4) } /^```[a-z]/ { print substr($0, 4), heading }' "$README"; }
block() {
	awk -v want="$1 $2" -v number="${3:-1}" '/^## / { heading = substr($0, 4) }
		/^```$/ { inside = 0 }
		inside
		/^```[a-z]/ { inside = substr($0, 4) " " heading == want && ++n == number }' "$README" >code
	[ -s code ] || die "README.md has no block $* of code"
}

# A block that is added needs a test below. What the installation does, distcheck and script/bootstrap test; what is beyond
# one machine, e2e_fleet.sh.
test_each_block_is_known() {
	cat >known <<'END'
console 
sh Install
sh Shell
sh Shell
sh Shell
sh Shell
c C
c C
python Other languages
rust Other languages
sh Init and virtual machines
sh Beyond one machine
END
	blocks | diff known -
}

# Programs of this build by their names, for the private directory.
with_programs() {
	mkdir -p bin
	ln -sf "$READYCTL" bin/readyctl
	printf '#!/bin/sh\nexec "%s" --socket "%s" --dir "%s" --log-level warning "$@"\n' "$READYD" "$T/s" "$T/m" >bin/readyd
	chmod +x bin/readyd
	PATH=$T/bin:$PATH
}

# here: commands for the real directories, in private ones.
here() { sed "s,/tmp/ktstr,$T/m/ktstr,g; s,/run/,$T/,g"; }

# Runs the commands that follow "$ " in one shell, and shows them with what they print.
transcript() {
	{
		printf 'trap "exec 2>&-; kill -KILL \\$(jobs -p); wait" EXIT\n'
		sed -n 's/^\$ //p' "$1" | while IFS= read -r command; do
			printf 'echo %q\n%s\n' "\$ $command" "$(here <<<"$command")"
		done
		echo exit 0
	} >commands
	timeout 60 bash commands 2>&1
}

# normalized: numbers are N, a line that begins with blanks continues the one before, and old kernels do not tell the
# status of a process that bash has reaped.
normalized() {
	sed "s,$T/m/,/tmp/,g; s/[0-9][0-9]*/N/g; s/,\"status\":N//; /^\$/d" |
		awk '/^ / { sub(/^ +/, " "); line = line $0; next } NR > 1 { print line } { line = $0 } END { print line }'
}

test_the_captures_are_what_is_printed() {
	start_readyd
	with_programs
	block console ''
	normalized <code >wanted
	transcript code >shown
	normalized <shown | diff wanted - || die "README.md must show: $(cat shown)"
	if tells_status; then grep -q '"status":3,' shown || die "no status: $(cat shown)"; fi
}
tells_status() { [ "$(printf '%s\n' 6.15 "$(uname -r)" | sort -V | head -n 1)" = 6.15 ]; }

# write_worker FILE: a worker that lives until it is killed.
write_worker() {
	printf '#!/bin/sh\necho ready >"%s/ktstr-worker-ready-$$"\nexec sleep 1000\n' "$T/m" >"$1"
	chmod +x "$1"
}

test_a_script_waits_for_its_worker() {
	start_readyd
	with_programs
	write_worker worker
	block sh Shell
	{ cat code; echo 'kill -KILL $!'; } >script
	timeout 60 bash script >out 2>err || die "$(cat err)"
	grep -qE '^ready [0-9]+ ' out || die "$(cat out err)"
	printf '#!/bin/sh\nexit 3\n' >worker
	expect_exit 1 timeout 60 bash script >out 2>err
	grep -qE '^died [0-9]+ ' out || die "$(cat out err)"
}

test_a_script_waits_for_several() {
	start_readyd
	with_programs
	spawn_workers 3
	for PID in "${WORKERS[@]}"; do mark "$PID"; done
	block sh Shell 2
	a=${WORKERS[0]} b=${WORKERS[1]} c=${WORKERS[2]} timeout 60 bash -eu code >out
	expect "answers" "$(grep -c '^ready ' out)" 3
	grep -q '"verdict":"ready"' out || die "$(cat out)"
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
test_a_server_is_ready_when_it_listens() {
	local port
	need python3
	start_readyd
	with_programs
	block sh Shell 3
	port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
	sed "s/8080\$/8080 --bind 127.0.0.1/; s/8080/$port/g" code >script
	spawn timeout 60 bash -c 'exec $(cat script)'
	until_true 60 listens "$port"
	until_true 60 has_marker
	kill -TERM "$LAST"
	all_end 143 "$LAST"
}
has_marker() { compgen -G "$T/m/ktstr-worker-ready-*" >/dev/null; }

test_a_script_is_a_worker() {
	start_readyd
	block sh Shell 4
	{ here <code; echo 'exec sleep 1000'; } >script
	spawn bash script
	run 0 wait "$LAST"
	grep -q "^ready $LAST " out || die "$(cat out)"
}

test_init_starts_the_daemon() {
	with_programs
	mkdir m
	block sh 'Init and virtual machines'
	{ here <code; echo 'readyctl ping; kill "$!"; wait'; } >script
	timeout 60 bash script >out 2>err || die "$(cat out err)"
	expect "output" "$(cat out)" daemon=alive
}

# compile ARGUMENT...: without a warning.
compile() {
	need "${CC%% *}"
	# shellcheck disable=SC2086
	$CC -Wall -Wextra -Werror "$@" || die "does not compile"
}
CC=${CC:-gcc}

test_the_program_in_c_waits() {
	start_readyd
	block c C
	mv code wait.c
	[ -e "$BUILD/.libs/libreadyd.so" ] || skip "no shared library in this build"
	compile -I"$SRC/include" -o wait wait.c "$BUILD/.libs/libreadyd.so" -Wl,-rpath,"$BUILD/.libs"
	spawn_worker
	mark "$PID"
	expect "output" "$(timeout 60 ./wait "$PID")" ready
	kill_and_reap "$PID"
	expect_exit 1 timeout 60 ./wait "$PID" >out
	expect "output" "$(cat out)" exited
}

test_the_worker_in_c_says_that_it_is_ready() {
	start_readyd
	block c C 2
	mkdir readyd
	sed "s,^#define READYD_MARKER_DIR .*,#define READYD_MARKER_DIR \"$T/m\"," "$SRC/include/readyd/marker.h" >readyd/marker.h
	{ cat code; echo 'int main(void) { return say_ready() != 0 || pause() == 0; }'; } >worker.c
	compile -I. -o worker worker.c
	spawn ./worker
	run 0 wait "$LAST"
}

test_python_waits_and_says_ready() {
	need python3
	start_readyd
	block python 'Other languages'
	{
		printf 'import subprocess, os\nprocess = subprocess.Popen(["sleep", "1000"])\n'
		printf 'open(f"%s/m/ktstr-worker-ready-{process.pid}", "w").close()\n' "$T"
		cat code
		printf 'process.kill(); process.wait()\nprint(os.path.exists(f"%s/own"))\n' "$T"
	} >program.py
	expect "output" "$(KTSTR_WORKER_READY_MARKER_OVERRIDE=$T/own PYTHONDONTWRITEBYTECODE=1 \
		PYTHONPATH=$SRC/bindings/python timeout 60 python3 program.py)" True
}

test_rust_waits() {
	need rustc
	start_readyd
	block rust 'Other languages'
	{
		printf '#[path = "%s/bindings/rust/readyd.rs"]\n#[allow(dead_code)]\nmod readyd;\n' "$SRC"
		echo 'use std::time::Duration;'
		echo 'fn main() -> Result<(), Box<dyn std::error::Error>> {'
		echo 'let pid: u32 = std::env::args().nth(1).unwrap().parse()?;'
		cat code
		echo 'Ok(()) }'
	} >program.rs
	rustc --edition 2021 -o program program.rs
	spawn_worker
	mark "$PID"
	timeout 60 ./program "$PID"
	kill_and_reap "$PID"
	expect_exit 101 timeout 60 ./program "$PID" 2>err
	grep -q "exited $PID" err || die "$(cat err)"
}

# linked: each file of this project that README.md names.
linked() { grep -oE '\]\([^)#]+' "$README" | cut -c3- | select_lines -v '^https:'; }
test_what_it_names_exists() {
	local file
	for file in $(linked) $(grep -oE '`(contrib|include|bindings|script|man)/[a-zA-Z0-9_./-]+`' "$README" | tr -d '`'); do
		[ -e "$SRC/$file" ] || die "$file does not exist"
	done
}

# What `make install` installs is complete: each link of a document leads to a file or directory.
test_what_the_installed_documents_name_is_installed() {
	local doc file
	make -s -C "$BUILD" install-data DESTDIR="$T/root" docdir=/doc >log 2>&1 || die "$(cat log)"
	expect "documents" "$(cd root/doc && echo *.md)" \
		"ARCHITECTURE.md BENCHMARKS.md CONTRIBUTING.md NEWS.md README.md SECURITY.md"
	for doc in root/doc/*.md; do
		for file in $(README=$doc linked); do
			[ -e "root/doc/$file" ] || die "${doc##*/} names $file, which is not installed"
		done
	done
	expect "files of README.md" "$(README=root/doc/README.md linked | wc -l)" "$(linked | wc -l)"
	for file in $(grep -oE '`(examples|contrib|bindings)/[a-zA-Z0-9_./-]+`' root/doc/README.md | tr -d '`'); do
		[ -e "root/doc/$file" ] || die "README.md names $file, which is not installed"
	done
}

# The table of verdicts is that of readyctl.
test_verdicts_are_those_of_readyctl() {
	sed -n '/^## Verdicts/,$s/^| `\([a-z]*\)` |.*/\1/p' "$README" >named
	"$READYCTL" --help >help
	while read -r word; do grep -qw "$word" help || die "$word is not in: $(cat help)"; done <named
	expect "verdicts" "$(wc -l <named)" 6
}

run_tests "$@"
