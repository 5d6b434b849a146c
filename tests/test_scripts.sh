#!/usr/bin/env bash
# The scripts in script/: what --help does, what bootstrap installs, and what script/test shows while it runs.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

# A copy of the scripts, and a PATH with nothing that can change a file, install or build.
private_scripts() {
	local name
	mkdir -p tree/bench bin tmp
	cp -r "$SRC/script" tree/
	cp "$SRC"/bench/*.sh tree/bench/
	for name in bash dirname env sed; do ln -s "$(command -v "$name")" "bin/$name"; done
}
snapshot() { find tree tmp -printf '%p %s %T@ %m\n' | sort; }

# harmless STATUS SCRIPT ARGUMENT...: exits with this status, and what is in the tree stays as it is; out and err.
harmless() {
	local want=$1
	shift
	snapshot >before
	expect_exit "$want" env -i PATH="$T/bin" TMPDIR="$T/tmp" HOME="$T/tmp" "$@" >out 2>err
	snapshot >after
	cmp before after || die "$* changes something"
}

each_script() {
	local script count=0
	private_scripts
	for script in tree/script/*; do
		[ -x "$script" ] || continue
		"$1" "$script"
		count=$((count + 1))
	done
	[ "$count" -ge 6 ] || die "only $count scripts"
}

says_what_it_does() {
	local option
	for option in --help -h; do
		harmless 0 "$1" "$option"
		[ ! -s err ] || die "$1 $option: $(cat err)"
		grep -qE "^Usage: ${1#tree/}( |$)" out || die "$1 $option: $(cat out)"
		[ "$(wc -l <out)" -gt 1 ] || die "$1 $option does not say what the script does"
	done
}
test_help_says_what_a_script_does_and_changes_nothing() { each_script says_what_it_does; }

refuses_words() {
	harmless 2 "$1" --no-such-option
	grep -q -- '--no-such-option.*--help' err || die "$1: $(cat err)"
}
test_an_unknown_option_is_refused_before_anything_changes() { each_script refuses_words; }

test_what_ci_runs_passes_its_arguments_on() {
	[ -d "$SRC/.ci" ] || skip "not in the distribution"
	private_scripts
	cp -r "$SRC/.ci" tree/
	harmless 0 tree/.ci/run --help
	grep -q '^Usage: script/test' out || die "$(cat out err)"
}

# stub NAME TEXT: a program that does TEXT instead.
stub() {
	printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
	chmod +x "bin/$1"
}

# installs ARGUMENT...: the packages that script/bootstrap installs on a Debian system where nothing is installed.
installs() {
	rm -rf tree bin tmp asked
	private_scripts
	for name in chmod find flock grep id mkdir nproc; do ln -s "$(command -v "$name")" "bin/$name"; done
	stub dpkg-query 'exit 1'
	stub sudo 'exec "$@"'
	stub apt-get 'echo "$*" >>../asked'
	stub autoreconf 'printf "#!/bin/sh\n" >configure; chmod +x configure; : >Makefile.in'
	stub make 'exit 0'
	stub rm 'exit 0'
	printf '' >tree/configure.ac
	cp tree/configure.ac tree/Makefile.am
	env -i PATH="$T/bin" tree/script/bootstrap "$@" >out 2>err || die "$(cat out err)"
	sed -n 's/^install //p' asked | tr ' ' '\n' | select_lines -v '^-' | sort
}

# A build in a root with nothing but these packages was tried by hand; this compares with what README.md promises.
test_bootstrap_build_installs_what_building_takes() {
	installs --build >building
	sed -n 's/^ *apt-get install //p' "$SRC/README.md" | head -n 1 | tr ' ' '\n' | sort >documented
	[ -s documented ] || die "README.md names no packages"
	diff documented building
	installs >testing
	expect "packages that only --build installs" "$(comm -23 building testing)" ""
	grep -qx shellcheck testing || die "what tests need is not installed: $(cat testing)"
}

# Two files at once: the first writes first, and ends last.
test_each_test_file_is_shown_when_it_completes() {
	local line fd
	need make
	mkfifo go seen
	cat >Makefile <<'END'
all: slow quick
slow:
	@echo 'PASS: tests/slow.sh 1 - a'; echo started >started; read _ <go; echo 'FAIL: tests/slow.sh 2 - b'
quick:
	@read _ <started; echo 'PASS: tests/quick.sh 1 - a'; echo 'SKIP: tests/quick.sh 2 - b # SKIP c'
END
	mkfifo started
	# shellcheck disable=SC2016
	spawn bash -c '. "$0/script/progress.sh"; env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make --output-sync=target -j2 2>&1 | progress log >seen' "$SRC"
	exec {fd}<seen
	read -r -t 60 -u "$fd" line
	[[ $line =~ ^[0-9]+\ s\ \ tests/quick\.sh$ ]] || die "first: $line"
	echo >go
	read -r -t 60 -u "$fd" line
	[[ $line =~ ^[0-9]+\ s\ \ tests/slow\.sh$ ]] || die "second: $line"
	read -r -t 60 -u "$fd" line
	expect "third" "$line" "FAIL: tests/slow.sh 2 - b"
	if read -r -t 60 -u "$fd" line; then die "fourth: $line"; fi
	expect "lines in the log" "$(wc -l <log)" 4
}

# What automake prints where a test fails: the results, the logs with a summary in front, and the summary.
write_failed_suite() {
	cat >suite <<'END'
PASS: tests/a.sh 1 - x
FAIL: tests/a.sh 2 - y
PASS: tests/b 1 - z
   readyd 0.1.0: ./test-suite.log
# TOTAL: 3
# PASS:  2
# FAIL:  1
FAIL: tests/a.sh 2 - y
# FAIL: 77
FAIL: tests/c.sh 1 - quoted
Testsuite summary for readyd 0.1.0
# TOTAL: 3
# PASS:  2
# FAIL:  1
END
}
test_logs_of_failed_tests_are_not_counted() {
	write_failed_suite
	. "$SRC/script/progress.sh"
	progress log <suite | sed 's/^ *//' >shown
	cmp suite log
	printf '%s\n' 'tests/a.sh' 'FAIL: tests/a.sh 2 - y' 'tests/b' >wanted
	sed 's/^[0-9]* s  //' shown | diff wanted -
	expect "passed" "$(count PASS log)" 2
	expect "failed" "$(count FAIL log)" 1
	expect "skipped" "$(count SKIP log)" 0
}

# Their tools are for other systems, so no more than this can be said of them here.
test_the_recipes_for_other_packages_are_read() {
	local version recipe packaging=$SRC/packaging
	version=$(sed -n 's/^AC_INIT(\[readyd\], \[\([0-9.]*\)\].*/\1/p' "$SRC/configure.ac")
	bash -n "$packaging/readyd-mqtt.pre-install"
	for recipe in APKBUILD PKGBUILD; do
		bash -n "$packaging/$recipe"
		expect "version in $recipe" "$(sed -n 's/^pkgver=//p' "$packaging/$recipe")" "$version"
	done
	grep -qF "version = \"$version\";" "$packaging/flake.nix" || die "flake.nix has another version"
	need rpmspec
	rpmspec -q --queryformat '%{name} %{version}\n' "$packaging/readyd.spec" >out 2>err || die "$(cat err)"
	expect "complaints" "$(cat err)" ""
	printf '%s\n' "readyd $version" "readyd-mqtt $version" "readyd-devel $version" | diff - out
	rpmspec -P "$packaging/readyd.spec" >out
	expect "macros that rpm would have expanded" "$(select_lines -E '%\{(name|version|release|_bindir|_libdir|buildroot)\}' out)" ""
}

# Debian's lists say what there is: dh_missing fails for all but the manuals.
test_the_packages_have_the_same_files() {
	local file recipe packaging=$SRC/packaging pattern
	for file in "$SRC"/man/*.[1-8]; do
		file=${file##*/}
		while read -r pattern; do
			# shellcheck disable=SC2053
			[[ $file != ${pattern##*/} ]] || continue 2
		done < <(cat "$SRC"/debian/*.manpages)
		die "no package for Debian has $file"
	done
	sed 's|.*/||' "$SRC/debian/readyd-mqtt.install" "$SRC/debian/readyd-mqtt.manpages" >files
	[ "$(wc -l <files)" -ge 7 ] || die "files: $(cat files)"
	while read -r file; do
		for recipe in PKGBUILD readyd.spec; do grep -qF "/$file" "$packaging/$recipe" || die "$recipe has no $file"; done
	done <files
	for file in readyd-mqtt readyctl-fleet init.d/readyd-mqtt sysusers.d/readyd-mqtt.conf; do
		grep -q "amove .*/$file\b" "$packaging/APKBUILD" || die "APKBUILD has no $file"
	done
	grep -q -- --enable-fleet "$packaging/flake.nix" || die "flake.nix has no fleet"
}

run_tests "$@"
