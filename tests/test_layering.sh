#!/usr/bin/env bash
# The parts depend on each other only as ARCHITECTURE.md allows, in the sources and in the built files.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

# includes FILE...: "FILE: HEADER" for each #include, quotes and brackets kept.
includes() {
	(cd "$SRC" && select_lines -HoE '^[[:space:]]*#[[:space:]]*include[[:space:]]+([<"][^>"]+[>"])' "$@") |
		sed -E 's|^([^:]*):.*include[[:space:]]+|\1: |'
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

# includes_of FOLDER...: of all its files.
includes_of() {
	local files
	mapfile -t files < <(sources "$@")
	includes "${files[@]}"
}

# none WHAT REGEX FILE...: no #include of these files matches.
none() {
	local what=$1 regex=$2
	shift 2
	[ $# -gt 0 ] || die "no files to check"
	expect "$what" "$(includes "$@" | select_lines -E ": $regex")" ""
}

# calls REGEX FILE...: "FILE: NAME" for each such call, not in comments and strings.
calls() {
	local regex=$1
	shift
	need "${CC:-gcc}"
	(cd "$SRC" && awk 'FNR == 1 { print "# 1 \"" FILENAME "\"" } { print }' "$@") | "${CC:-gcc}" -fpreprocessed -dD -E -x c - 2>/dev/null |
		sed -E 's/^# [0-9]+ "([^"]*)".*/@\1/; s/"([^"\\]|\\.)*"//g' |
		select_lines -oE "^@.*|(^|[^A-Za-z0-9_>.])($regex)[[:space:]]*\(" |
		awk '/^@/ { file = substr($0, 2); next } { sub(/^[^A-Za-z_]*/, ""); print file ": " $0 }'
}

test_src_knows_neither_daemon_nor_client() {
	local files
	mapfile -t files < <(sources src include/readyd)
	none "of src" '"(daemon|client|fleet|worker)/' "${files[@]}"
}

test_daemon_and_client_do_not_know_each_other() {
	local files
	mapfile -t files < <(sources daemon)
	none "of the daemon" '"(client|fleet|worker)/' "${files[@]}"
	mapfile -t files < <(sources client/lib client/ctl)
	none "of the client" '"(daemon|fleet|worker)/' "${files[@]}"
}

# The fleet knows the interface of the library, and of src what is pure, the clock and the addresses of sockets.
test_the_fleet_knows_the_interface_only() {
	local files
	mapfile -t files < <(sources fleet)
	expect "own headers of the fleet" "$(includes "${files[@]}" | select_lines '"' |
		select_lines -vE '"(fleet/[a-z_]+|config|readyd/readyd|src/(arguments|clock|duration|escape|number|program|sock|suggest|verdict))\.h"')" ""
	expect "in the fleet" "$(includes "${files[@]}" | grep -F '<mosquitto' | cut -d: -f1)" fleet/broker.c
	mapfile -t files < <(sources src daemon client/lib client/ctl worker probe include/readyd)
	none "of the other parts" '<mosquitto' "${files[@]}"
}

test_library_and_command_meet_at_the_interface() {
	local files
	mapfile -t files < <(sources client/lib)
	none "of the library" '"client/ctl/' "${files[@]}"
	mapfile -t files < <(sources client/ctl)
	none "of the command" '"client/lib/' "${files[@]}"
}

# The simulator replaces what does: the poller and headers of src.
test_the_waiter_does_not_call_the_kernel() {
	local files
	mapfile -t files < <(sources client/lib | select_lines -vE '/(poller|waiter_explain|readyd)\.')
	none "of the client" '<(unistd|fcntl|time|dirent|sys/(socket|stat|epoll|timerfd|inotify|ioctl|syscall|mman))\.h>' "${files[@]}"
	expect "its calls" "$(calls 'open|close|read|write|poll|send|recv|stat|lstat|fopen|sysconf|clock_gettime|time' \
		"${files[@]}")" ""
}

# A name without a folder would be found in the folder of the file, and not be checked above.
test_every_own_header_is_named_by_its_folder() {
	local files
	mapfile -t files < <(sources src daemon client/lib client/ctl fleet worker probe)
	expect "own headers" "$(includes "${files[@]}" | select_lines '"' |
		select_lines -vE ': "(src/|daemon/|client/|fleet/|worker/|probe/|readyd/|config\.h")')" ""
}

# arrows_drawn FOLDER: "FROM TO" for each arrow that the picture in ARCHITECTURE.md has below the line of the folder.
arrows_drawn() {
	awk -v head="    $1/ " 'index($0, head) == 1 { on = 1; next } !/^      [a-z]/ { on = 0 } on' "$SRC/ARCHITECTURE.md" |
		tr -d , | awk '$2 == "->" { for (i = 3; i <= NF; i++) print $1, $i }' | sort
}

# arrows_used FOLDER: the same of the #include lines. The files of one module count as one, and what all modules of the
# daemon or of the fleet use is left out.
arrows_used() {
	includes_of "$1" |
		sed -nE "s|^$1/([a-z_]+)\.[ch]: \"$1/([a-z_]+)\.h\"\$|\1 \2|p" |
		sed -E 's/waiter_[a-z]+/waiter/g; s/daemon_(patience|replies|retry)/daemon_conn/g; s/bridge_[a-z]+/bridge/g; s/fleet_main/main/' |
		awk '$1 != $2 && $2 !~ /^(log|loop|xalloc|memory|say)$/' | sort -u
}

arrows_are_those_that_are_drawn() {
	[ -n "$(arrows_drawn "$1")" ] || die "no arrows are drawn for $1"
	expect "used in $1, but not drawn" "$(comm -13 <(arrows_drawn "$1") <(arrows_used "$1"))" ""
	expect "drawn for $1, but not used" "$(comm -23 <(arrows_drawn "$1") <(arrows_used "$1"))" ""
}

test_the_arrows_inside_the_daemon_are_those_that_are_drawn() { arrows_are_those_that_are_drawn daemon; }
test_the_arrows_inside_the_library_are_those_that_are_drawn() { arrows_are_those_that_are_drawn client/lib; }
test_the_arrows_inside_the_fleet_are_those_that_are_drawn() { arrows_are_those_that_are_drawn fleet; }

# A circle would make modules one: none is drawn.
test_no_arrow_leads_back() {
	local folder
	for folder in daemon client/lib fleet; do
		arrows_drawn "$folder" | tsort >/dev/null || die "there is a circle in $folder"
	done
}

test_the_contract_includes_libc_only() {
	none "own headers of the contract" '"' include/readyd/marker.h
	expect "headers that are not libc's" "$(includes include/readyd/marker.h | select_lines -oE '<.*>' |
		select_lines -vxE '<(errno|fcntl|stddef|stdint|stdio|stdlib|string|unistd|sys/[a-z]+)\.h>')" ""
	none "own headers of the library" '"' include/readyd/readyd.h
}

test_the_worker_knows_the_contract_only() {
	local files
	mapfile -t files < <(sources worker)
	expect "own headers of the worker" "$(includes "${files[@]}" | select_lines '"' |
		select_lines -vE '"(readyd/marker|config|worker/tsd_offsets)\.h"')" ""
}

test_the_probe_knows_the_contract_only() {
	local files
	mapfile -t files < <(sources probe)
	expect "own headers of the probe" "$(includes "${files[@]}" | select_lines '"' |
		select_lines -vE '"(readyd/marker\.h|config\.h|probe/[a-z]+\.h)"')" ""
	mapfile -t files < <(sources src daemon client/lib client/ctl worker include/readyd)
	none "of the other parts" '("probe/|<(elfutils/|libelf|gelf|dwarf))' "${files[@]}"
}

# Functions of the C library with a result that follows from their arguments alone, and what the compiler itself calls.
PURE='(__)?(mem(chr|cmp|cpy|move|set)|stpcpy|str(chr|cmp|cspn|len|ncasecmp|ncmp|spn)|v?snprintf)(_chk)?|__ctype_b_loc|'
PURE+='__stack_chk_fail|_GLOBAL_OFFSET_TABLE_'

# uses_only NAMES FILE...: what the object of each file calls is in PURE or in NAMES, a regex, or defined by another
# one of these files.
uses_only() {
	local names=$1 file object
	shift
	! is_sanitized || skip "sanitizers bring calls of their own"
	need nm
	: >called
	: >defined
	for file; do
		object=$BUILD/$file.o
		[ -e "$object" ] || die "$object is not built"
		nm --defined-only "$object" | awk '{ print $NF }' >>defined
		nm --undefined-only "$object" | awk -v "file=$file" '{ print file ": " $NF }' >>called
	done
	expect "calls" "$(select_lines -vE ": ($PURE|$names|$(paste -sd '|' defined))\$" called)" ""
}

# A verdict follows from the observation and the history alone: no system call, no clock, no look of its own. The
# length of a clock tick is a constant of the system.
test_the_evaluation_is_pure() {
	none "of the evaluation" '"src/(check|collision|marker_dir|stamp)\.h"' src/evaluate.[ch] src/evidence.[ch]
	uses_only evidence_weigh src/evaluate
	uses_only 'clock_tick_ns|clock_ticks_to_ns|clock_to_ns|marker_same' src/evidence
	uses_only 'clock_tick_ns|clock_to_ns' src/stamp_trust
}

# What a waiter decides follows from its state: the table of a target, the merging of two opinions, and the plan.
test_the_decisions_of_the_library_are_pure() {
	uses_only target_set_phase client/lib/target client/lib/opinion client/lib/plan
}

# What a reader concludes, what a broker still has to be told, and what others have published: without I/O and clock.
test_the_decisions_of_the_fleet_are_pure() {
	[ -e "$BUILD/fleet/decision.o" ] || skip "the fleet is not built"
	uses_only 'verdict_[a-z_]*|reason_parse|readyd_(verdict|reason)_name|number_parse|escape_[a-z_]*|memory_new|free|exit' \
		fleet/backoff fleet/decision fleet/json fleet/mirror fleet/payload fleet/tally fleet/topic fleet/view
}

# A data structure: no event loop, no descriptor but that of an entry's process, no clock. uthash ends the daemon by
# exit(3) when it has no memory, as xalloc does.
test_the_registry_is_pure() {
	none "of the registry" '<(event2/|unistd\.h|fcntl\.h|time\.h|sys/time\.h|poll\.h|sys/socket\.h|signal\.h|stdio\.h)' \
		daemon/registry.c daemon/registry.h
	uses_only 'exit|agenda_[a-z_]*|name_index_[a-z]*|process_close|quota_[a-z_]*|secrecy_owner|turns_spend|xalloc_free|xalloc_new' \
		daemon/registry
	uses_only 'exit|xalloc_free|xalloc_new' daemon/name_index daemon/journal
}

# What may be told to an asker follows from the asker and the owner.
test_the_right_to_know_is_pure() {
	uses_only uidmap_identifies daemon/secrecy
}

test_the_quotas_and_the_turns_are_pure() {
	uses_only 'exit|agenda_user_init|turns_user_init|xalloc_free|xalloc_new' daemon/quota
	uses_only 'turns_[a-z_]*' daemon/agenda
	uses_only 'none' daemon/turns
	uses_only 'clock_to_ns|stamp_clock_of' daemon/tick
}

# It translates bytes and messages, without I/O or memory of its own.
test_the_codec_is_pure() {
	local files
	mapfile -t files < <(sources src | grep -E '/(wire|span|number)')
	none "of the codec" '<(unistd|fcntl|time|poll|sys/socket|signal|stdlib)\.h>' "${files[@]}"
	uses_only 'marker_place_init' src/wire_parse src/wire_request src/wire_write src/span src/number src/verdict
}

test_what_is_not_pure_is_seen() {
	! is_sanitized || skip "sanitizers bring calls of their own"
	expect "calls of the clock" "$( (uses_only 'stat|sysconf' src/clock) 2>&1 | grep -o 'src/clock: [a-z_]*' | sort -u | paste -sd ' ')" \
		"src/clock: clock_gettime src/clock: getpid"
}

test_only_the_daemon_has_an_event_loop() {
	local files
	mapfile -t files < <(sources src client/lib client/ctl worker probe include/readyd)
	none "of the other parts" '<(event2/|event\.h|evutil\.h)' "${files[@]}"
	expect "in the daemon" "$(includes_of daemon | grep -F '<event2/' | cut -d: -f1 | sort -u)" "daemon/loop.c"
	mapfile -t files < <(sources src client/lib client/ctl probe include/readyd)
	none "of the parts that do not choose an allocator" '<jemalloc/' "${files[@]}"
}

# A library does not print, exit, or change what belongs to the whole process.
test_the_library_does_not_change_its_process() {
	local files
	# Not part of the library; see below.
	mapfile -t files < <(sources src client/lib | select_lines -vE '^src/(arguments|duration|program|hanging_mounts|suggest)\.')
	expect "forbidden calls" "$(calls "(v|f|d|vf)?printf|puts|fputs|putchar|fputc|putc|fwrite|perror|p?error|warnx?|errx?|\
_?_?exit|_Exit|abort|atexit|assert|signal|sigaction|sigprocmask|pthread_sigmask|alarm|raise|setenv|putenv|unsetenv|\
setrlimit|prlimit|umask|chdir|setlocale|fork|vfork|system|popen|syslog|srand|rand|strtok|strerror" "${files[@]}")" ""
	expect "a call that the check must find" "$(calls 'printf' client/ctl/output.c | sort -u)" "client/ctl/output.c: printf("
}

test_the_library_leaves_the_process_to_its_program() {
	local files
	mapfile -t files < <(sources src client/lib | select_lines -vE '^src/(arguments|duration|program|hanging_mounts|suggest)\.')
	none "of the library" '"src/(arguments|program)\.h"' "${files[@]}"
	expect "a header that the check must find" "$(includes daemon/main.c client/ctl/readyctl.c | grep -cF '"src/program.h"')" 2
}

# The same in the built library, which also contains what macros expand to.
test_the_library_calls_nothing_forbidden() {
	local library=$BUILD/.libs/libreadyd.so
	[ -e "$library" ] || skip "libreadyd.so is not built"
	! is_sanitized || skip "sanitizers bring calls of their own"
	need nm
	expect "forbidden symbols" "$(nm -D --undefined-only "$library" | awk '{ print $2 }' | sed 's/@.*//' |
		select_lines -xE '(__)?v?[fd]?printf(_chk)?|puts|putchar|fwrite|_?exit|abort|__assert_fail|signal|sigaction|sigprocmask|setenv|stdout|stderr|environ')" ""
}

test_the_library_exports_its_interface_only() {
	local library=$BUILD/.libs/libreadyd.so
	[ -e "$library" ] || skip "libreadyd.so is not built"
	need nm
	nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort >exported
	expect "foreign names" "$(select_lines -v '^readyd_' exported)" ""
	"${CC:-gcc}" -fpreprocessed -dD -E -P -x c "$SRC/include/readyd/readyd.h" |
		grep -oE 'readyd_[a-z_]+[[:space:]]*\(' | tr -d ' (' | sort -u >declared
	expect "only declared, or only exported" "$(comm -3 declared exported)" ""
}

# needed FILE: the libraries that it is linked with, except the C library and the loader.
needed() {
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' |
		select_lines -vE '^(libc\.so\.6|libc\.musl-.*|ld-linux.*|ld-musl-.*|libasan\.so.*|libubsan\.so.*)$' | paste -sd ' '
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
		select_lines -vE '^(libevent_core-.*|libm\.so.*|libpthread\.so.*|libgcc_s\.so.*|)$')" ""
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
