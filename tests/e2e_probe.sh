#!/usr/bin/env bash
# The probe reads the allocator's counters of processes of many kinds, names what prevents it, and leaves them running.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

PROBE=$BUILD/probe/ktstr-jemalloc-probe
TARGET=$BUILD/tests/probe_target
export KTSTR_WORKER_READY_MARKER_OVERRIDE=marker

need_probe() {
	[ -x "$PROBE" ] || skip "the probe is not built: configure has not found libdw, or --disable-probe was given"
	"$WORKER" --version | grep -q '^jemalloc [0-9]' || skip "built without jemalloc"
	need python3
}
need_target() {
	need_probe
	[ -x "$TARGET" ] || skip "tests/probe_target is not built: make check builds it, except when cross compiling"
}

# start_worker [COMMAND...]: $PID is a worker with 1 MiB, which the command executes, and which is ready.
start_worker() {
	KTSTR_WORKER_READY_MARKER_OVERRIDE=ready spawn "${@:-$WORKER}" 1048576 >worker.out
	PID=$LAST
	until_true 60 grep -q . worker.out
}

# start_target ARGUMENT...: $PID is tests/probe_target, set up, and $TOLD the number that it has printed.
start_target() {
	spawn "$TARGET" "$@" >target.out
	PID=$LAST
	until_true 60 grep -q . target.out
	TOLD=$(sed -n '1s/.* //p' target.out)
}

# probe STATUS ARGUMENT...: the probe exits with this status; its output is in out and err.
probe() {
	local want=$1 got=0
	shift
	timeout 30 "$PROBE" "$@" >out 2>err || got=$?
	[ "$got" -eq "$want" ] || die "exit status of 'probe $*': got $got, want $want; $(cat out err)"
	if LC_ALL=C grep -q $'[\001-\011\013-\037\177]' err; then
		die "control characters on standard error: $(cat -v err)"
	fi
}

# fatal KIND ARGUMENT...: there is no result, for this reason.
fatal() {
	local kind=$1
	shift
	probe 1 "$@"
	is_fatal "$kind"
}
is_fatal() {
	expect "reason ($(cat err))" "$(sed -n 's/^ktstr-probe-fatal: //p' err)" "$1"
	expect "standard output" "$(cat out)" ""
	expect "lines on standard error" "$(wc -l <err)" 2
}

# value EXPRESSION: of the object in out, named o.
value() { python3 -c 'import json, sys; o = json.load(open("out")); print(eval(sys.argv[1]))' "$1"; }

# start_probe ARGUMENT...: starts it, and returns when it has taken its first snapshot; $PROBING is its pid.
start_probe() {
	rm -f marker
	spawn "$PROBE" "$@" >out 2>err
	PROBING=$LAST
	until_true 60 has_started
}
has_started() { grep -qsx ready marker || has_ended "$PROBING"; }

# probe_ends STATUS
probe_ends() {
	local got=0
	wait "$PROBING" || got=$?
	[ "$got" -eq "$1" ] || die "exit status of the probe: got $got, want $1; $(cat out err)"
}

# is_left_alone PID: nothing traces or stops it.
is_left_alone() { grep -q '^State:.[SRD]' "/proc/$1/status" && grep -qx 'TracerPid:.0' "/proc/$1/status"; }

test_one_worker() {
	need_probe
	start_worker
	probe 0 --pid "$PID" --json
	expect "standard error" "$(cat err)" ""
	expect "keys" "$(value 'sorted(o)')" \
		"['interrupted', 'pid', 'schema_version', 'snapshots', 'started_at_unix_sec', 'tool_version']"
	expect "head" "$(value 'o["schema_version"], o["pid"], o["interrupted"], len(o["snapshots"])')" "(3, $PID, False, 1)"
	expect "thread" "$(value '[(t["tid"], t["comm"]) for t in o["snapshots"][0]["threads"]]')" "[($PID, 'ktstr-jemalloc-')]"
	expect "start time" "$(value 'o["snapshots"][0]["threads"][0]["start_time_jiffies"]')" "$(stat_fields "$PID" | cut -d ' ' -f 20)"
	expect "counters" "$(value '[2**20 <= t["allocated_bytes"] < 2**20 + 2**18 and t["deallocated_bytes"] < 2**18
		for t in o["snapshots"][0]["threads"]]')" "[True]"
	is_left_alone "$PID" || die "$(cat "/proc/$PID/status")"
}

test_text() {
	need_probe
	start_worker
	probe 0 --pid "$PID"
	expect "lines" "$(sed -E 's/[0-9]+/N/g; s/N\.N\.N/V/' out | paste -sd '|')" \
		"pid=N tool_version=V|--- snapshot N/N @ Ns ---|tid=N comm=ktstr-jemalloc- allocated_bytes=N deallocated_bytes=N"
}

test_snapshots() {
	local before
	need_probe
	need_strace
	start_worker
	strace -f -o trace -e trace=ptrace "$PROBE" --pid "$PID" --json --snapshots 3 --interval-ms 20 >out
	expect "head" "$(value 'o["interval_ms"], len(o["snapshots"])')" "(20, 3)"
	expect "times" "$(value 'min(b["elapsed_since_start_ns"] - a["elapsed_since_start_ns"]
		for a, b in zip(o["snapshots"], o["snapshots"][1:])) >= 20000000')" True
	expect "different threads" "$(value 'len({json.dumps(s["threads"]) for s in o["snapshots"]})')" 1
	before=$(grep -c PTRACE_SEIZE trace)
	expect "times that the thread was stopped" "$before $(grep -c PTRACE_DETACH trace)" "1 1"
}

test_500_threads() {
	need_target
	start_target threads 500
	probe 0 --pid "$PID" --json --snapshots 2 --interval-ms 1
	expect "threads" "$(value '[len(s["threads"]) for s in o["snapshots"]]')" "[501, 501]"
	expect "order" "$(value 'all(s["threads"] == sorted(s["threads"], key=lambda t: t["tid"]) for s in o["snapshots"])')" True
	# Each thread may have some bytes of the C library's besides, and the first has more, for all others.
	expect "counters" "$(value 'all(sorted(t["allocated_bytes"] // 16384 for t in s["threads"] if t["tid"] != o["pid"])
		== list(range(1, 501)) for s in o["snapshots"])')" True
	is_left_alone "$PID" || die "$(cat "/proc/$PID/status")"
	expect "threads that are stopped or traced" "$(cat "/proc/$PID/task/"*/status | select_lines -E '^(State:.[Tt]|TracerPid:.[1-9])')" ""
}

test_marker_of_its_own() {
	need_probe
	start_worker
	probe 0 --pid "$PID"
	printf 'ready\n' | cmp - marker
	rm marker
	fatal jemalloc-not-found --pid $$
	[ ! -e marker ] || die "a marker without a snapshot"
	KTSTR_WORKER_READY_MARKER_OVERRIDE=absent/marker probe 0 --pid "$PID"
	grep -q '^warning: cannot write the marker absent/marker' err || die "no warning: $(cat err)"
}

test_marker_goes_to_tmp_without_override() {
	need_probe
	need_root
	unshare -m true || skip "no mount namespaces"
	start_worker
	mkdir tmp
	# shellcheck disable=SC2016
	unshare -m sh -c 'mount --bind "$0" /tmp && echo $$ >pid && exec env KTSTR_WORKER_READY_MARKER_OVERRIDE= "$@"' \
		"$T/tmp" "$PROBE" --pid "$PID"
	printf 'ready\n' | cmp - "tmp/ktstr-worker-ready-$(cat pid)"
}

test_interrupted() {
	local signal
	need_probe
	start_worker
	for signal in INT TERM; do
		start_probe --pid "$PID" --json --snapshots 100000 --interval-ms 3600000
		kill -$signal "$PROBING"
		probe_ends 0
		expect "after SIG$signal" "$(value 'o["interrupted"], len(o["snapshots"]), len(o["snapshots"][0]["threads"])')" \
			"(True, 1, 1)"
	done
	probe 0 --pid "$PID" --json --snapshots 2 --interval-ms 3600000 --abort-after-ms 300
	expect "after the time" "$(value 'o["interrupted"], len(o["snapshots"])')" "(True, 1)"
	expect "standard error" "$(cat err)" "ktstr-probe-deadline: abort after 300ms"
}

test_interrupted_within_a_snapshot() {
	need_target
	need_strace
	start_target threads 50
	# The tenth read comes with the signal.
	strace -f -o trace -e inject=process_vm_readv:signal=INT:when=10 "$PROBE" --pid "$PID" --json --snapshots 2 \
		--interval-ms 3600000 >out
	expect "what there is" "$(value 'o["interrupted"], len(o["snapshots"]), len(o["snapshots"][0]["threads"])')" "(True, 1, 10)"
	[ ! -e marker ] || die "a marker without a complete snapshot"
}

test_it_dies() {
	need_probe
	start_worker
	start_probe --pid "$PID" --snapshots 100000 --interval-ms 10
	kill -KILL "$PID"
	probe_ends 1
	is_fatal pid-missing
}

test_it_executes_another_program() {
	need_target
	start_target exec /bin/sleep 1000
	start_probe --pid "$PID" --snapshots 100000 --interval-ms 10
	kill -USR1 "$PID"
	probe_ends 1
	is_fatal exe-identity-changed
}

# Its memory is another one, at the same addresses where those are not random.
test_it_executes_the_same_program() {
	local fixed
	need_target
	need setarch
	setarch -R true || skip "addresses cannot be fixed here"
	for fixed in "" "setarch -R"; do
		# shellcheck disable=SC2086
		spawn $fixed "$TARGET" exec self threads 0 >target.out
		PID=$LAST
		until_true 60 grep -q . target.out
		start_probe --pid "$PID" --snapshots 100000 --interval-ms 10
		kill -USR1 "$PID"
		probe_ends 1
		is_fatal exe-identity-changed
		kill_and_reap "$PID"
	done
}

test_it_forks() {
	local child parent
	need_target
	start_target fork
	probe 0 --pid "$PID" --json
	parent=$(value 'o["snapshots"][0]["threads"][0]["allocated_bytes"]')
	probe 0 --pid "$TOLD" --json
	child=$(value 'o["snapshots"][0]["threads"][0]["allocated_bytes"]')
	kill -KILL "$TOLD"
	[ "$child" -ge $((parent + 2 * MIB)) ] || die "parent $parent, child $child"
	[ "$parent" -lt $((2 * MIB)) ] || die "parent $parent"
}

test_it_is_stopped() {
	need_probe
	start_worker
	kill -STOP "$PID"
	until_true 60 is_stopped "$PID"
	probe 0 --pid "$PID" --json
	expect "counters" "$(value 'o["snapshots"][0]["threads"][0]["allocated_bytes"] >= 2**20')" True
	is_stopped "$PID" || die "it goes on: $(cat "/proc/$PID/status")"
	kill -CONT "$PID"
	until_true 60 is_left_alone "$PID"
}

test_it_is_traced_already() {
	local kind
	need_probe
	need_strace
	start_worker strace -o trace setpriv --pdeathsig KILL "$WORKER"
	PID=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' worker.out)
	for kind in single multi; do
		if [ $kind = single ]; then set --; else set -- --snapshots 2 --interval-ms 1; fi
		probe 1 --pid "$PID" --json "$@"
		expect "kinds" "$(value '{t["error_kind"] for s in o["snapshots"] for t in s["threads"]}')" "{'ptrace-seize'}"
		grep -qx "ktstr-probe-all-failed: $kind" err || die "$(cat err)"
	done
	probe 1 --pid "$PID"
	grep -q "^warning: tid $PID comm=ktstr-jemalloc- \[ptrace-seize\]: .*Operation not permitted" err || die "$(cat err)"
}

# A thread in vfork(2) does not stop. When it could again, it must not.
test_it_does_not_stop() {
	need_target
	start_target vfork
	until_true 60 is_state D "$PID"
	start_probe --pid "$PID" --json --snapshots 100000 --interval-ms 50
	is_state D "$PID" || die "$(cat "/proc/$PID/status")"
	kill -USR1 "$TOLD"
	until_true 60 is_state S "$PID"
	until_true 60 is_left_alone "$PID"
	sleep 0.2
	is_left_alone "$PID" || die "$(cat "/proc/$PID/status")"
	kill -INT "$PROBING"
	probe_ends 0
	expect "first and last" "$(value '[o["snapshots"][i]["threads"][0].get("error_kind") for i in (0, -1)]')" "['waitpid', None]"
}

# killed_at CALL N: the probe is killed at its nth such call, and nothing is left of its tracing.
killed_at() {
	expect_exit 137 strace -f -o trace -e inject="$1":signal=KILL:when="$2" "$PROBE" --pid "$PID" >out 2>err
	grep -q "^[0-9]* *$1(" trace || die "no $1 in $(cat trace)"
	until_true 60 is_left_alone "$PID"
	kill -0 "$PID"
}

test_probe_is_killed() {
	local n
	need_target
	need_strace
	start_target threads 3
	for n in 1 2 3 4 5; do killed_at ptrace $n; done
	killed_at wait4 1
	killed_at process_vm_readv 1
	killed_at process_vm_readv 3
	expect "threads that are stopped or traced" "$(cat "/proc/$PID/task/"*/status | select_lines -E '^(State:.[Tt]|TracerPid:.[1-9])')" ""
}

# What the probe cannot release, the kernel does.
test_release_fails() {
	need_probe
	need_strace
	start_worker
	rm -f marker
	spawn strace -f -o trace -e inject=ptrace:error=ESRCH:when=4 setpriv --pdeathsig KILL "$PROBE" --pid "$PID" --snapshots 2 \
		--interval-ms 3600000
	until_true 60 grep -qsx ready marker
	grep -q 'PTRACE_DETACH.*ESRCH.*INJECTED' trace || die "$(cat trace)"
	until_true 60 is_left_alone "$PID"
}

# One that comes between the two steps that stop a thread stops it instead.
test_signals_are_not_lost() {
	local status=0
	need_target
	need_strace
	start_target signals
	spawn strace -f -o trace -e inject=ptrace:delay_exit=1000000:when=1 "$PROBE" --pid "$PID"
	until_true 60 is_traced "$PID"
	kill -RTMIN "$PID"
	wait "$LAST" || status=$?
	expect "exit status of the probe" "$status" 0
	kill -USR1 "$PID"
	until_true 60 grep -q received target.out
	expect "signals" "$(tail -n 1 target.out)" "received 1"
}
is_traced() { grep -q '^TracerPid:.[1-9]' "/proc/$1/status"; }

test_no_jemalloc() {
	need_probe
	spawn sleep 1000
	until_true 60 grep -qsx sleep "/proc/$LAST/comm"
	fatal jemalloc-not-found --pid "$LAST"
}

test_jemalloc_in_a_shared_object() {
	local library
	need_probe
	library=$(ldconfig -p 2>/dev/null | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)
	[ -n "$library" ] || skip "there is no libjemalloc.so.2"
	LD_PRELOAD=$library spawn sleep 1000
	until_true 60 grep -q libjemalloc "/proc/$LAST/maps"
	fatal jemalloc-in-dso --pid "$LAST"
	grep -q libjemalloc err || die "the message does not name it: $(cat err)"
}

test_no_process_and_itself() {
	need_probe
	fatal pid-missing --pid $NO_SUCH_PID
	fatal pid-missing --pid 2147483647 --json --snapshots 3 --interval-ms 1
	expect_exit 1 bash -c 'exec "$0" --pid $$' "$PROBE" >out 2>err
	is_fatal self-probe-rejected
	spawn_unreaped "exit 0"
	until_true 60 is_zombie "$PID"
	fatal pid-missing --pid "$PID"
}

test_a_thread_of_the_kernel() {
	need_probe
	[ "$(cut -d' ' -f1,2 /proc/2/stat 2>/dev/null)" = "2 (kthreadd)" ] || skip "no thread of the kernel is visible here"
	fatal readlink-failure --pid 2
}

# Names of others do not reach the terminal as they are.
test_control_characters() {
	local name=$'a\e[31m\u009b'
	need_probe
	cp /bin/sleep "$name"
	spawn "./$name" 1000
	until_true 60 test "/proc/$LAST/exe" -ef "$name"
	fatal jemalloc-not-found --pid "$LAST"
	probe 2 "--$name"
	probe 2 --pid 1 --sidecar "$name/absent"
}

test_other_user() {
	need_probe
	need_root
	need setpriv
	start_worker
	cp "$PROBE" probe
	chmod 711 .
	setpriv --reuid 65534 --regid 65534 --clear-groups ./probe --version >/dev/null || skip "another user cannot execute programs here"
	expect_exit 1 setpriv --reuid 65534 --regid 65534 --clear-groups ./probe --pid "$PID" >out 2>err
	is_fatal readlink-failure
}

# probe_copy WANTED: the result of the worker in ./copy: ok, or why there is none.
probe_copy() {
	start_worker ./copy
	if [ "$1" = ok ]; then
		probe 0 --pid "$PID" --json
		expect "counters" "$(value 'o["snapshots"][0]["threads"][0]["allocated_bytes"] >= 2**20')" True
	else
		fatal "$1" --pid "$PID"
	fi
	kill_and_reap "$PID"
	rm -f worker.out
}

test_stripped_worker() {
	need_probe
	need strip
	strip -o copy "$WORKER"
	probe_copy jemalloc-not-found
	strip -g -o copy "$WORKER"
	probe_copy ok
	objcopy -R .note.readyd "$WORKER" copy
	probe_copy ok
	strip -g copy
	probe_copy dwarf-parse-failure
}

test_separate_debugging_information() {
	need_probe
	need objcopy
	objcopy --only-keep-debug "$WORKER" copy.debug
	objcopy -R .note.readyd --strip-debug --add-gnu-debuglink=copy.debug "$WORKER" copy
	probe_copy ok
	mkdir .debug
	mv copy.debug .debug/
	probe_copy ok
	echo garbage >.debug/copy.debug
	probe_copy dwarf-parse-failure
}

test_separate_debugging_information_by_build_id() {
	local id
	need_probe
	need objcopy
	need readelf
	need_root
	[ -d /usr/lib/debug ] || skip "there is no /usr/lib/debug"
	unshare -m true || skip "no mount namespaces"
	id=$(readelf -n "$WORKER" | sed -n 's/ *Build ID: //p')
	[ -n "$id" ] || skip "the worker has no build id"
	mkdir -p "debug/.build-id/${id:0:2}"
	objcopy --only-keep-debug "$WORKER" "debug/.build-id/${id:0:2}/${id:2}.debug"
	objcopy -R .note.readyd --strip-debug "$WORKER" copy
	start_worker ./copy
	fatal dwarf-parse-failure --pid "$PID"
	timeout 30 unshare -m sh -c 'mount --bind "$0" /usr/lib/debug && exec "$@"' "$T/debug" "$PROBE" --pid "$PID" --json >out
	expect "counters" "$(value 'o["snapshots"][0]["threads"][0]["allocated_bytes"] >= 2**20')" True
}

test_sidecar() {
	need_probe
	start_worker
	printf '{ "test_name" : "t\\u0041",\n "metrics":[ ],"passed":true }\n' >t.json
	chmod 640 t.json
	ln -s t.json link
	probe 0 --pid "$PID" --json --sidecar link
	probe 0 --pid "$PID" --sidecar t.json --snapshots 2 --interval-ms 1
	[ -L link ] || die "the link was replaced"
	expect "mode" "$(stat -c %a t.json)" 640
	head -c 48 t.json | grep -qF '{ "test_name" : "t\u0041",' || die "other parts are changed: $(head -n 1 t.json)"
	mv t.json out
	expect "entries" "$(value 'o["passed"], [(m["payload_index"], m["exit_code"]) for m in o["metrics"]]')" "(True, [(0, 0), (1, 0)])"
	expect "numbers" "$(value '[[x["value"] >= 2**20 for x in m["metrics"] if x["name"].endswith(".allocated_bytes")]
		for m in o["metrics"]]')" "[[True], [True, True]]"
	expect "units" "$(value '{(x["polarity"], x["unit"]) for x in o["metrics"][0]["metrics"] if x["name"].endswith("located_bytes")}')" \
		"{('LowerBetter', 'bytes')}"
	expect "prefix" "$(value 'all(x["name"].startswith("jemalloc_probe.") for m in o["metrics"] for x in m["metrics"])')" True
	expect "files" "$(find . -name 't.json*')" ./t.json.lock
}

test_sidecar_of_a_failure() {
	need_probe
	need_strace
	echo '{"metrics":[]}' >t.json
	fatal jemalloc-not-found --pid $$ --sidecar t.json
	expect "sidecar" "$(cat t.json)" '{"metrics":[]}'
	start_worker strace -o trace setpriv --pdeathsig KILL "$WORKER"
	probe 1 --pid "$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' worker.out)" --sidecar t.json
	mv t.json out
	expect "exit status in it" "$(value 'o["metrics"][0]["exit_code"]')" 1
}

test_sidecar_cannot_be_written() {
	local bad
	need_probe
	start_worker
	probe 2 --pid "$PID" --sidecar absent.json
	for bad in '[]' '{"metrics":{}}' '{"metrics":[]' ''; do
		printf %s "$bad" >t.json
		probe 3 --pid "$PID" --json --sidecar t.json
		expect "sidecar" "$(cat t.json)" "$bad"
		expect "result" "$(value 'len(o["snapshots"])')" 1
	done
	echo '{"metrics":[]}' >t.json
	rm t.json.lock
	ln -s elsewhere t.json.lock
	probe 3 --pid "$PID" --sidecar t.json
	[ ! -e elsewhere ] || die "written through a symbolic link"
}

# Some have no end, and opening others waits for a writer.
test_sidecar_is_not_a_regular_file() {
	local bad
	need_probe
	start_worker
	mkfifo pipe
	ln -s /dev/zero link
	for bad in pipe link . /dev/full; do
		probe 2 --pid "$PID" --sidecar "$bad"
		expect "result" "$(cat out)" ""
		grep -q 'not a regular file' err || die "$(cat err)"
		[ ! -e "$bad.lock" ] || die "locked"
	done
}

# The file stays as it is, and the new one is removed.
test_sidecar_that_does_not_reach_the_disk() {
	local status=0
	need_probe
	need_strace
	start_worker
	echo '{"metrics":[]}' >t.json
	timeout 60 strace -f -o trace -e inject=fsync:error=EIO:when=1 "$PROBE" --pid "$PID" --sidecar t.json >out 2>err ||
		status=$?
	expect "exit status ($(cat err))" "$status" 3
	expect "sidecar" "$(cat t.json)" '{"metrics":[]}'
	expect "files" "$(echo t.json*)" "t.json t.json.lock"
}

test_sidecar_is_locked() {
	need_probe
	need flock
	start_worker
	echo '{"metrics":[]}' >t.json
	: >t.json.lock
	exec 9<t.json.lock
	flock 9
	probe 3 --pid "$PID" --sidecar t.json --abort-after-ms 300
	grep -q 'holds the lock' err || die "$(cat err)"
	expect "sidecar" "$(cat t.json)" '{"metrics":[]}'
	spawn "$PROBE" --pid "$PID" --sidecar t.json >out 2>err
	until_true 60 grep -qs 'allocated_bytes' out
	expect "sidecar" "$(cat t.json)" '{"metrics":[]}'
	flock -u 9
	wait "$LAST"
	grep -q allocated_bytes t.json || die "nothing was added"
}

test_sidecar_of_many() {
	local pids=() pid
	need_probe
	start_worker
	echo '{"metrics":[]}' >t.json
	for _ in $(seq 20); do
		spawn "$PROBE" --pid "$PID" --sidecar t.json >/dev/null 2>>err
		pids+=("$LAST")
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || {
			# Two may have traced the worker at the same time.
			grep -q 'ktstr-probe-all-failed' err || die "$(cat err)"
		}
	done
	mv t.json out
	expect "entries" "$(value '[m["payload_index"] for m in o["metrics"]] == list(range(20))')" True
}

test_usage() {
	need_probe
	probe 2
	probe 2 --pid 1 --snapshots 2
	expect "lines on standard error" "$(wc -l <err)" 1
	probe 0 --help
	grep -q -- --sidecar out || die "$(cat out)"
	probe 0 --version
	grep -qx 'ktstr-jemalloc-probe [0-9.]*' out || die "$(cat out)"
	expect_exit 1 "$PROBE" --help >/dev/full 2>err
	grep -q 'standard output' err || die "$(cat err)"
	start_worker
	expect_exit 1 "$PROBE" --pid "$PID" >/dev/full 2>err
	grep -q 'standard output' err || die "$(cat err)"
}

run_tests "$@"
