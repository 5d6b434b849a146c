#!/usr/bin/env bash
# The arrows between the parts hold, in the sources and in what is built of them.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# includes FILE...: "FILE: HEADER" for each #include, quotes and brackets kept.
includes() {
	local file
	for file; do
		sed -nE "s|^[[:space:]]*#[[:space:]]*include[[:space:]]+([<\"][^>\"]+[>\"]).*|$file: \1|p" "$SRC/$file"
	done
}

# sources FOLDER...: its C files, relative to the source directory.
sources() {
	local folder file
	for folder; do
		for file in "$SRC/$folder/"*.[ch]; do
			[ ! -e "$file" ] || echo "$folder/${file##*/}"
		done
	done
}

# none WHAT REGEX FILE...: no #include of these files is such a one.
none() {
	local what=$1 regex=$2
	shift 2
	[ $# -gt 0 ] || die "no files to look at"
	expect "$what" "$(includes "$@" | grep -E ": $regex" || true)" ""
}

# calls REGEX FILE...: "FILE: NAME" for each such call, comments and strings left out.
calls() {
	local regex=$1 file
	shift
	need "${CC:-gcc}"
	for file; do
		"${CC:-gcc}" -fpreprocessed -dD -E -P -x c "$SRC/$file" 2>/dev/null | sed 's/"\([^"\\]\|\\.\)*"//g' |
			grep -oE "(^|[^A-Za-z0-9_>.])($regex)[[:space:]]*\(" | sed "s|^[^A-Za-z_]*|$file: |" || true
	done
}

test_src_knows_neither_daemon_nor_client() {
	local files
	mapfile -t files < <(sources src include/readyd)
	none "of src" '"(daemon|client|worker)/' "${files[@]}"
}

test_daemon_and_client_do_not_know_each_other() {
	local files
	mapfile -t files < <(sources daemon)
	none "of the daemon" '"(client|worker)/' "${files[@]}"
	mapfile -t files < <(sources client)
	none "of the client" '"(daemon|worker)/' "${files[@]}"
}

# A name without a folder would be found beside the file, past the arrows.
test_every_own_header_is_named_by_its_folder() {
	local files
	mapfile -t files < <(sources src daemon client)
	expect "own headers" "$(includes "${files[@]}" | grep '"' |
		grep -vE ': "(src/|daemon/|client/|readyd/|config\.h")' || true)" ""
}

# arrows_drawn: "FROM TO" for each arrow inside the daemon that ARCHITECTURE.md draws.
arrows_drawn() {
	sed -nE 's/^    ([a-z]+) -> ([a-z]+(, [a-z]+)*)( .*)?$/\1 \2/p' "$SRC/ARCHITECTURE.md" | tr -d , |
		awk '{ for (i = 2; i <= NF; i++) print $1, $i }' | sort
}

# arrows_used: the same of the #include lines; what all use is left out.
arrows_used() {
	sources daemon | while read -r file; do includes "$file"; done |
		sed -nE 's|^daemon/([a-z]+)\.[ch]: "daemon/([a-z]+)\.h"$|\1 \2|p' |
		awk '$1 != $2 && $2 !~ /^(log|loop|xalloc)$/' | sort -u
}

test_the_arrows_inside_the_daemon_are_those_that_are_drawn() {
	[ -n "$(arrows_drawn)" ] || die "no arrows are drawn"
	expect "used but not drawn" "$(comm -13 <(arrows_drawn) <(arrows_used))" ""
	expect "drawn but not used" "$(comm -23 <(arrows_drawn) <(arrows_used))" ""
}

test_the_contract_includes_libc_only() {
	none "own headers of the contract" '"' include/readyd/marker.h
	expect "headers that are none of libc's" "$(includes include/readyd/marker.h | grep -oE '<.*>' |
		grep -vxE '<(errno|fcntl|stddef|stdint|stdio|stdlib|string|unistd|sys/[a-z]+)\.h>' || true)" ""
	none "own headers of the library" '"' include/readyd/readyd.h
}

test_the_worker_knows_the_contract_only() {
	local files
	mapfile -t files < <(sources worker)
	expect "own headers of the worker" "$(includes "${files[@]}" | grep '"' |
		grep -vE '"(readyd/marker|config)\.h"' || true)" ""
}

# A pure data structure: no loop, no descriptor, no clock.
test_the_ledger_is_pure() {
	none "of the ledger" '<(event2/|unistd\.h|fcntl\.h|time\.h|sys/time\.h|poll\.h|sys/socket\.h|signal\.h|stdio\.h)' \
		daemon/registry.c daemon/registry.h
	expect "its calls" "$(calls 'open|close|read|write|poll|clock_[a-z_]+|time|log_[a-z]+|event_[a-z_]+|malloc|calloc|free' \
		daemon/registry.c)" ""
}

# Bytes in, messages out.
test_the_codec_is_pure() {
	local files
	mapfile -t files < <(sources src | grep -E '/(wire|span|number)')
	none "of the codec" '<(unistd|fcntl|time|poll|sys/socket|signal|stdlib)\.h>' "${files[@]}"
	expect "its calls" "$(calls 'malloc|calloc|realloc|free|strdup' "${files[@]}")" ""
}

test_the_event_loop_is_the_daemons_alone() {
	local files
	mapfile -t files < <(sources src client worker include/readyd)
	none "of the others" '<(event2/|event\.h|evutil\.h)' "${files[@]}"
	expect "in the daemon" "$(sources daemon | while read -r file; do includes "$file"; done | grep -F '<event2/' | cut -d: -f1 | sort -u)" "daemon/loop.c"
	mapfile -t files < <(sources src client include/readyd)
	none "of those who leave the allocator alone" '<jemalloc/' "${files[@]}"
}

# A library does not speak, end, or touch what is the whole process's.
test_the_library_keeps_to_itself() {
	local files own='client/(readyctl|command[a-z_]*|output|progress|duration)\.[ch]$'
	mapfile -t files < <(sources src client | grep -vE "$own")
	expect "forbidden calls" "$(calls "(v|f|d|vf)?printf|puts|fputs|putchar|fputc|putc|fwrite|perror|p?error|warnx?|errx?|\
_?_?exit|_Exit|abort|atexit|assert|signal|sigaction|sigprocmask|pthread_sigmask|alarm|raise|setenv|putenv|unsetenv|\
setrlimit|umask|chdir|setlocale|fork|vfork|system|popen|syslog|srand|rand|strtok|strerror" "${files[@]}")" ""
	expect "what the check finds where it is allowed" "$(calls 'printf' client/output.c | sort -u)" "client/output.c: printf("
}

# The same of what was built of them, macros and all.
test_the_library_calls_nothing_forbidden() {
	local library=$BUILD/.libs/libreadyd.so
	[ -e "$library" ] || skip "libreadyd.so is not built"
	! is_sanitized || skip "sanitizers bring calls of their own"
	need nm
	expect "forbidden symbols" "$(nm -D --undefined-only "$library" | awk '{ print $2 }' | sed 's/@.*//' |
		grep -xE '(__)?v?[fd]?printf(_chk)?|puts|putchar|fwrite|_?exit|abort|__assert_fail|signal|sigaction|sigprocmask|setenv|stdout|stderr|environ' ||
		true)" ""
}

test_the_library_exports_its_interface_only() {
	local library=$BUILD/.libs/libreadyd.so
	[ -e "$library" ] || skip "libreadyd.so is not built"
	need nm
	nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort >exported
	expect "foreign names" "$(grep -v '^readyd_' exported || true)" ""
	"${CC:-gcc}" -fpreprocessed -dD -E -P -x c "$SRC/include/readyd/readyd.h" |
		grep -oE 'readyd_[a-z_]+[[:space:]]*\(' | tr -d ' (' | sort -u >declared
	expect "declared but not exported, or the other way round" "$(comm -3 declared exported)" ""
}

# needed FILE: the libraries that it is linked with, besides the C library and the loader.
needed() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' |
		grep -vE '^(libc\.so\.6|libc\.musl-.*|ld-linux.*|ld-musl-.*|libasan\.so.*|libubsan\.so.*)$' | paste -sd ' '
}

test_client_and_library_need_the_c_library_alone() {
	local library=$BUILD/.libs/libreadyd.so
	need readelf
	expect "of readyctl" "$(needed "$READYCTL")" ""
	[ ! -e "$library" ] || expect "of libreadyd" "$(needed "$library")" ""
}

test_the_daemon_needs_no_more_than_libevent() {
	need readelf
	expect "of readyd" "$(needed "$READYD" | tr ' ' '\n' |
		grep -vE '^(libevent_core-.*|libm\.so.*|libpthread\.so.*|libgcc_s\.so.*|)$' || true)" ""
}

test_jemalloc_is_in_the_daemon() {
	need nm
	! is_sanitized || skip "built with sanitizers, without jemalloc"
	"$READYD" --version | grep -qE '^jemalloc [0-9]' || die "version: $("$READYD" --version)"
	[ -n "$(nm "$READYD" 2>/dev/null)" ] || skip "readyd is stripped"
	nm "$READYD" | grep -qE ' [Tt] (je_)?mallctl$' || die "mallctl is not in readyd"
	nm "$READYD" | grep -qE ' [TtWw] (je_)?malloc$' || die "malloc is not jemalloc's"
	! nm "$READYCTL" | grep -qE ' [TtWw] (je_)?(mallctl|malloc)$' || die "jemalloc is in readyctl"
}

run_tests "$@"
