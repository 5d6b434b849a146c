#!/usr/bin/env bash
# The reference worker does what its --help says: its marker and output, each of its errors, and how little it does
# between its allocation and its marker.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

SIZE=$((64 * MIB))
OVERRIDE=KTSTR_WORKER_READY_MARKER_OVERRIDE

with_marker() { KTSTR_WORKER_READY_MARKER_OVERRIDE=${MARKER:-$T/marker} "$@"; }
need_jemalloc() { "$WORKER" --version | grep -q '^jemalloc [0-9]' || skip "built without jemalloc"; }

need_namespace() {
	need unshare
	unshare -Urm mount -t tmpfs none /proc || skip "no mount namespace for this user"
}

marker_is_written() { [ "$(cat marker 2>/dev/null)" = ready ]; }
announced() { grep -q '^jemalloc-alloc-worker ready .*$' out; }

# start COMMAND...: runs a command that executes the worker, and returns when that is ready; $LAST is the worker.
start() {
	with_marker spawn "$@" >out 2>err
	until_true 60 announced_or_ended "$LAST"
	announced || die "'$*' did not announce itself: $(cat out err)"
}

announced_or_ended() { announced || ended "$1"; }

# start_traced OPTION... COMMAND...: the same as a child of strace, with these options of strace, and ending with it.
# Not as the parent of strace (-D), which fails when strace has not attached within three seconds, as on a busy machine.
start_traced() {
	local options=()
	while [ "$1" != "$WORKER" ]; do
		options+=("$1")
		shift
	done
	start strace -o trace "${options[@]}" setpriv --pdeathsig KILL "$@"
	LAST=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' out)
}

# refuse CODE TEXT COMMAND...: ends with CODE, and one line on standard error that contains TEXT.
refuse() {
	local code=$1 text=$2 got=0
	shift 2
	with_marker timeout 10 "$@" >out 2>err || got=$?
	expect "exit status of '$*'" "$got" "$code"
	expect "standard output of '$*'" "$(cat out)" ""
	expect "lines on standard error of '$*'" "$(wc -l <err)" 1
	grep -q '^jemalloc-alloc-worker: ' err || die "standard error lacks its prefix: $(cat err)"
	grep -qF -- "$text" err || die "'$text' is not in: $(cat err)"
}

# refuse_early: as refuse, and no marker exists.
refuse_early() {
	refuse "$@"
	[ ! -e marker ] || die "'${*:3}' left a marker"
}

field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$2/$3"; }
ended() { case $(field State "$1" status) in "" | Z | X) ;; *) return 1 ;; esac; }
lives() { ! ended "$1" || die "the worker has ended"; }

second_thread() { find "/proc/$1/task" -mindepth 1 -maxdepth 1 ! -name "$1" 2>/dev/null | head -n 1; }

# has_thread_besides PID THREAD: it has a second thread, which is not THREAD.
has_thread_besides() {
	local now
	now=$(second_thread "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

churns() {
	local first
	until_true 60 has_thread_besides "$1" none
	first=$(second_thread "$1")
	until_true 60 has_thread_besides "$1" "$first"
	lives "$1"
}

test_breadcrumb_and_marker() {
	start "$WORKER" 4096
	expect "breadcrumb" "$(cat out)" "jemalloc-alloc-worker ready pid=$LAST bytes=4096"
	printf 'ready\n' | cmp - marker
	expect "standard error" "$(cat err)" ""
}

test_parks_single_threaded_until_a_signal() {
	local status=0
	start "$WORKER" 4096
	sleep 0.3
	lives "$LAST"
	expect "threads" "$(field Threads "$LAST" status)" 1
	kill -TERM "$LAST"
	until_true 60 ended "$LAST"
	wait "$LAST" || status=$?
	expect "wait status" "$status" $((128 + 15))
}

test_churn_starts_thread_after_thread() {
	start "$WORKER" --churn 4096
	expect "breadcrumb" "$(cat out)" "jemalloc-alloc-worker ready pid=$LAST bytes=4096"
	printf 'ready\n' | cmp - marker
	churns "$LAST"
}

test_churn_outlives_a_shortage_of_threads() {
	local since
	need_strace
	start_traced -f -e inject=clone,clone3:error=EAGAIN:when=1..20 "$WORKER" --churn 4096
	since=$(now_ms)
	churns "$LAST"
	[ $(($(now_ms) - since)) -ge 100 ] || die "20 refusals without a pause"
	expect "refused threads" "$(grep -c 'clone.*EAGAIN.*INJECTED' trace)" 20
}

test_churn_does_not_grow() {
	local before after
	need_jemalloc
	start "$WORKER" --churn "$MIB"
	sleep 0.3
	before=$(field Rss "$LAST" smaps_rollup)
	sleep 1
	after=$(field Rss "$LAST" smaps_rollup)
	[ $((after - before)) -lt 256 ] || die "resident: $before KiB, a second later $after KiB"
}

test_marker_goes_to_tmp_without_override() {
	need_namespace
	mkdir tmp
	cp "$WORKER" tmp/worker
	start unshare -Urm sh -c 'mount --bind "$0" /tmp && exec env "$@"' "$T/tmp" "$OVERRIDE=" /tmp/worker 1
	printf 'ready\n' | cmp - "tmp/ktstr-worker-ready-$LAST"
	[ ! -e marker ] || die "the empty override was used"
}

test_broken_pipe_as_stdout_does_not_end_it() {
	mkfifo pipe
	exec 8<>pipe
	exec 9>pipe 8>&-
	with_marker spawn "$WORKER" 4096 >&9 2>err
	until_true 60 marker_is_written
	sleep 0.3
	lives "$LAST"
}

test_closed_standard_descriptors_do_not_reach_the_marker() {
	with_marker spawn "$WORKER" 4096 <&- >&- 2>&-
	until_true 60 marker_is_written
	sleep 0.3
	lives "$LAST"
	printf 'ready\n' | cmp - marker
}

test_exit_2_zero_bytes() {
	local zero
	for zero in 0 00; do
		refuse_early 2 "BYTES is 0" "$WORKER" "$zero"
	done
	refuse_early 2 "BYTES is 0" "$WORKER" --churn 0
}

test_exit_3_background_thread() {
	need_jemalloc
	refuse_early 3 "MALLOC_CONF=background_thread:true" env MALLOC_CONF=background_thread:true "$WORKER" 1
	grep -q ' /proc/self/task has [0-9]* threads instead of 1, ' err || die "no number of threads: $(cat err)"
	start env MALLOC_CONF=background_thread:true "$WORKER" --churn 1
}

# refuse_marker CAUSE FILE COMMAND...: the worker cannot create its marker FILE.
refuse_marker() { refuse 4 " failed to write ready marker $2: $1; " env "$OVERRIDE=$2" "${@:3}"; }

test_exit_4_marker_cannot_be_written() {
	local long
	long=$(printf '%04096d' 0)
	mkdir directory
	ln -s elsewhere link
	refuse_marker "No such file or directory" "$T/absent/marker" "$WORKER" 1
	refuse_marker "Is a directory" "$T/directory" "$WORKER" 1
	refuse_marker "Too many levels of symbolic links" "$T/link" "$WORKER" 1
	refuse_marker "No space left on device" /dev/full "$WORKER" 1
	refuse_marker "File name too long" "$T/$long" "$WORKER" 1
	[ ! -e elsewhere ] || die "written through a symbolic link"
}

test_exit_4_fifo_does_not_hang() {
	mkfifo fifo
	refuse_marker "No such device or address" "$T/fifo" "$WORKER" 1
	refuse_marker "No such device or address" "$T/fifo" "$WORKER" --churn 1
}

test_exit_5_bad_bytes() {
	local bad
	for bad in "" + ++1 +-1 "+ 1" " 1" "1 " 1k 1.5 1e6 0x10 0x one $'1\n2' \
		9223372036854775808 18446744073709551615 18446744073709551616 99999999999999999999999; do
		refuse_early 5 "BYTES is" "$WORKER" "$bad"
		refuse_early 5 "BYTES is" "$WORKER" -- "-$bad"
	done
}

test_plus_sign() {
	refuse_early 2 "BYTES is 0" "$WORKER" +0
	refuse_early 5 "out of range" "$WORKER" +9223372036854775808
	start "$WORKER" +010
	expect "breadcrumb" "$(cat out)" "jemalloc-alloc-worker ready pid=$LAST bytes=10"
}

test_leading_zeros_are_decimal() {
	start "$WORKER" 010
	expect "breadcrumb" "$(cat out)" "jemalloc-alloc-worker ready pid=$LAST bytes=10"
}

test_exit_5_bad_arguments() {
	refuse_early 5 "BYTES is missing" "$WORKER"
	refuse_early 5 "BYTES is missing" "$WORKER" --churn
	refuse_early 5 "one argument too many" "$WORKER" 1 2
	refuse_early 5 "option '-1'" "$WORKER" -1
	refuse_early 5 "option '-x'" "$WORKER" -x 1
	refuse_early 5 "option '--no-such'" "$WORKER" --no-such 1
	refuse_early 5 "option '--churn=1'" "$WORKER" --churn=1 1
	refuse_early 5 "BYTES is '-'" "$WORKER" -
	refuse_early 5 "BYTES is '--churn'" "$WORKER" -- --churn
}

test_exit_5_abbreviated_options() {
	local short
	for short in --c --chu --churn- --h --hel --v --version=; do
		refuse_early 5 "option '$short'" "$WORKER" "$short" 1
	done
}

test_options_may_follow() {
	start "$WORKER" 4096 --churn
	churns "$LAST"
}

test_exit_5_more_than_the_allocator_has() {
	need_jemalloc
	refuse_early 5 "cannot allocate" "$WORKER" 4611686018427387904
	refuse_early 5 "cannot allocate" "$WORKER" 9223372036854775807
}

test_exit_6_proc_is_hidden() {
	need_jemalloc
	need_namespace
	set -- unshare -Urm sh -c 'mount -t tmpfs none /proc && exec "$0" "$@"' "$WORKER"
	refuse_early 6 "mount procfs" "$@" 1
	start "$@" --churn 1
}

test_exit_6_task_list_fails() {
	need_strace
	refuse_early 6 "Input/output error" strace -o trace -e inject=getdents64:error=EIO "$WORKER" 1
}

test_help_and_version() {
	timeout 10 "$WORKER" --help >out
	grep -qF -- "--churn" out
	timeout 10 "$WORKER" --version >out
	head -n 1 out | grep -q '^ktstr-jemalloc-alloc-worker [0-9]' || die "version: $(cat out)"
	expect_exit 1 timeout 10 "$WORKER" --version >/dev/full 2>err
	grep -q '^jemalloc-alloc-worker: cannot write to standard output: No space' err || die "$(cat err)"
}

test_bytes_are_allocated() {
	local little much
	start "$WORKER" 1
	little=$(field VmData "$LAST" status)
	start "$WORKER" "$SIZE"
	much=$(field VmData "$LAST" status)
	[ $((much - little)) -ge $((SIZE / 1024)) ] || die "private and writable: $little KiB and $much KiB"
}

# Transparent huge pages may be enabled for all processes; resident memory would then depend on the machine.
WITHOUT_HUGE_PAGES='import ctypes, os, sys
PR_SET_THP_DISABLE = 41
assert ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])'

test_few_bytes_are_resident() {
	local resident
	need_jemalloc
	need python3
	start python3 -c "$WITHOUT_HUGE_PAGES" "$WORKER" $((16 * MIB))
	resident=$(field Rss "$LAST" smaps_rollup)
	[ "$resident" -lt 5000 ] || die "resident: $resident KiB"
}

is_asleep() { [ "$(field State "$1" status)" = S ]; }

# count_faults BYTES: sets $FAULTS to the minor page faults of a worker up to its sleep. Faults of a Python
# interpreter would be included, so here the allocator disables huge pages.
count_faults() {
	MALLOC_CONF=thp:never start "$WORKER" "$1"
	until_true 60 is_asleep "$LAST"
	FAULTS=$(stat_fields "$LAST" | cut -d ' ' -f 8)
}

# The allocator's metadata for a large block takes some 25 faults more, however large the block is.
test_many_bytes_take_no_more_page_faults_than_few() {
	local pages little
	need_jemalloc
	pages=$((16 * MIB / $(getconf PAGESIZE)))
	count_faults 1024
	little=$FAULTS
	count_faults $((16 * MIB))
	[ $((FAULTS - little)) -le $((pages / 64)) ] || die "minor page faults: $little and $FAULTS"
}

# The system calls after the last one that concerns memory, up to the breadcrumb.
quiet_part() {
	awk -F '(' '/^(mmap|munmap|mremap|mprotect|madvise|brk)\(/ { calls = ""; next }
		/^write\(1,/ { print calls "breadcrumb"; exit }
		{ calls = calls $1 " " }' "$1"
}

test_three_system_calls_from_the_allocation_to_the_breadcrumb() {
	local mode
	need_strace
	for mode in "" --churn; do
		rm -f marker
		start_traced "$WORKER" ${mode:+"$mode"} "$SIZE"
		kill -KILL "$LAST"
		until_true 60 grep -q '^+++ killed by SIGKILL' trace
		expect "system calls with '$mode'" "$(quiet_part trace)" "openat write close breadcrumb"
		grep -q "^openat(.*O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0644" trace
	done
}

# --- what has the name already

OTHERS_UID=65534
need_other_user() {
	need_root
	need setpriv
	chmod 755 "$T"
	setpriv --reuid=$OTHERS_UID --clear-groups test -x "$WORKER" || skip "another user may not run $WORKER"
	mkdir -m 1777 shared
}
as_other_user() { setpriv --reuid=$OTHERS_UID --regid=$OTHERS_UID --clear-groups "$@"; }

# start_at MARKER COMMAND...: as start, with another marker.
start_at() {
	MARKER=$1
	shift
	start "$@"
	expect "content" "$(cat "$MARKER")" ready
	expect "names of the marker" "$(stat -c %h "$MARKER")" 1
}

# A leftover that stays the same file would pass its age on.
test_a_leftover_is_replaced_by_a_new_file() {
	echo "an old marker, longer than the new one" >marker
	exec 7<marker
	start "$WORKER" 1
	[ ! marker -ef /proc/self/fd/7 ] || die "the leftover was rewritten"
	printf 'ready\n' | cmp - marker
	exec 7<&-
}

# Another user has made a link to a file of the worker's, to its content or to its name.
test_what_a_link_points_to_is_not_written_to() {
	need_other_user
	echo precious >shared/file
	ln shared/file shared/hard
	start_at "$T/shared/hard" "$WORKER" 1
	expect "file" "$(cat shared/file)" precious
	as_other_user ln -s "$T/shared/file" shared/symbolic
	start_at "$T/shared/symbolic" "$WORKER" 1
	expect "file" "$(cat shared/file)" precious
}

test_a_user_removes_a_link_to_its_own_file() {
	need_other_user
	echo precious >shared/file
	chown $OTHERS_UID shared/file
	ln shared/file shared/hard
	start_at "$T/shared/hard" setpriv --reuid=$OTHERS_UID --clear-groups "$WORKER" 1
	expect "file" "$(cat shared/file)" precious
	expect "owner" "$(stat -c %u shared/hard)" $OTHERS_UID
}

test_what_another_user_has_put_there_is_removed() {
	need_other_user
	as_other_user sh -c 'umask 0; : >"$0/file"; mkfifo "$0/fifo"; ln -s nowhere "$0/dangling"' "$T/shared"
	for name in file fifo dangling; do
		start_at "$T/shared/$name" "$WORKER" 1
		expect "owner" "$(stat -c %u "shared/$name")" 0
	done
}

# A worker that inherits such a umask leaves a marker that its user cannot open.
test_a_leftover_that_cannot_be_opened_is_replaced() {
	need_other_user
	set -- setpriv --reuid=$OTHERS_UID --clear-groups sh -c 'umask 0777; exec "$0" 1' "$WORKER"
	start_at "$T/shared/marker" "$@"
	expect "mode" "$(stat -c %a shared/marker)" 0
	start_at "$T/shared/marker" "$@"
}

# In a sticky directory it may not be removed: it would be no marker.
test_exit_4_another_users_file_may_not_be_removed() {
	need_other_user
	: >shared/file
	chmod 666 shared/file
	refuse_marker "Operation not permitted" "$T/shared/file" setpriv --reuid=$OTHERS_UID --clear-groups "$WORKER" 1
	expect "content" "$(cat shared/file)" ""
}

test_a_file_in_a_closed_directory_is_written_to() {
	need_other_user
	mkdir closed
	echo old >closed/file
	chown $OTHERS_UID closed/file
	set -- setpriv --reuid=$OTHERS_UID --clear-groups "$WORKER" 1
	start_at "$T/closed/file" "$@"
	ln closed/file closed/again
	refuse_marker "Too many links" "$T/closed/file" "$@"
}

test_jemalloc_is_linked_statically() {
	need_jemalloc
	! "$BUILD/config.status" --config | grep -q -- --with-jemalloc=shared || skip "configured with --with-jemalloc=shared"
	need readelf
	expect "libraries" "$(ldd "$WORKER" 2>&1 | select_lines -E 'jemalloc|stdc\+\+')" ""
	readelf -sW "$WORKER" | grep -q ' TLS .*tsd_tls' || die "no thread state in the executable"
}

# member NAME FILE: where the DWARF of the file has this member of struct tsd_s.
member() {
	readelf --debug-dump=info "$2" 2>/dev/null | awk -v name=": $1\$" '
		/DW_TAG_structure_type/ { structure = 1 }
		structure && /DW_AT_name/ && /: tsd_s$/ { inside = 1 }
		inside && /DW_AT_name/ { found = $0 ~ name }
		inside && found && /DW_AT_data_member_location/ { print $NF; exit }'
}
MANGLED=cant_access_tsd_items_directly_use_a_getter_or_setter_thread

# note_number INDEX FILE: one of the two numbers of the note.
note_number() {
	readelf -x .note.readyd "$2" | awk '/^  0x/ { print $2 $3 $4 $5 }' | tr -d '\n' | cut -c $((41 + 8 * $1))-$((48 + 8 * $1)) |
		sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4\3\2\1/' | xargs printf '%d\n'
}

need_offsets() {
	need_jemalloc
	need readelf
	need nm
	[ -x "$BUILD/tests/tsd_check" ] || skip "tests/tsd_check is not built: make check builds it, except when cross compiling"
}

# counters_are_at ALLOCATED DEALLOCATED: by the linked jemalloc's own account.
counters_are_at() {
	"$BUILD/tests/tsd_check" "$(nm "$BUILD/tests/tsd_check" | awk '$3 ~ /tsd_tls$/ { print $1; exit }')" "$1" "$2"
}

test_offsets_of_the_counters_are_jemallocs() {
	local allocated deallocated
	need_offsets
	allocated=$(member "${MANGLED}_allocated" "$WORKER")
	deallocated=$(member "${MANGLED}_deallocated" "$WORKER")
	counters_are_at "$allocated" "$deallocated"
	expect_exit 1 counters_are_at "$((allocated + 8))" "$deallocated"
	expect "allocated in the note" "$(note_number 0 "$WORKER")" "$allocated"
	expect "deallocated in the note" "$(note_number 1 "$WORKER")" "$deallocated"
	readelf -p .note.readyd "$WORKER" | grep -qF "$("$WORKER" --version | sed -n 's/^jemalloc //p')" ||
		die "the note does not name the allocator"
}

test_note_survives_strip() {
	need_offsets
	need strip
	strip -o stripped "$WORKER"
	expect "note" "$(note_number 0 stripped) $(note_number 1 stripped)" "$(note_number 0 "$WORKER") $(note_number 1 "$WORKER")"
	expect "symbols" "$(nm stripped 2>/dev/null)" ""
}

# The others are stripped, which shows that the option does something.
test_install_strip_leaves_the_worker_alone() {
	need_offsets
	need make
	make -s -C "$BUILD" DESTDIR="$T/root" install-strip >log 2>&1 || die "$(cat log)"
	cmp "$WORKER" "$(find root -name ktstr-jemalloc-alloc-worker)"
	expect "symbols of readyd" "$(nm "$(find root -name readyd -type f -path '*/sbin/*')" 2>/dev/null)" ""
}

run_tests "$@"
