#!/usr/bin/env bash
# The story of a ktstr test: programs wait for a worker, all are told, and what the probe then reads is what the worker has
# allocated.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

PROBE=$BUILD/probe/ktstr-jemalloc-probe
SIZE=$((16 * MIB))

need_probe() {
	[ -x "$PROBE" ] || skip "the probe is not built: configure has not found libdw, or --disable-probe was given"
	"$WORKER" --version | grep -q '^jemalloc [0-9]' || skip "built without jemalloc"
	need python3
}

# spawn_marking COMMAND...: as spawn; the program's marker goes to $T/m instead of /tmp, under its own pid.
spawn_marking() {
	# shellcheck disable=SC2016
	spawn env DIR="$T/m" bash -c 'export KTSTR_WORKER_READY_MARKER_OVERRIDE=$DIR/ktstr-worker-ready-$$; exec "$@"' bash "$@"
}

# spawn_held COMMAND...: the same, and the program starts only after `release`. $PID is its pid already.
spawn_held() {
	rm -f go
	mkfifo go
	# shellcheck disable=SC2016
	spawn_marking bash -c 'read -r _ <go; exec "$@"' bash "$@" >worker.out
	PID=$LAST
}
release() { echo >go; }

# check EXPRESSION: of the probe's output in the file out, named o, and SIZE.
check() {
	python3 - "$1" "$SIZE" "$PID" <<-'END' || die "not true: $1: $(cat out)"
		import json, sys
		o, SIZE, PID = json.load(open("out")), int(sys.argv[2]), int(sys.argv[3])
		sys.exit(not eval(sys.argv[1]))
	END
}

# story BACKEND LINK: 200 programs wait; each has such a descriptor then.
story() {
	need_probe
	spawn_held "$WORKER" $SIZE
	READYD_BACKEND=$1 spawn_waiters 200 --timeout 60 "$PID"
	until_true 60 each_holds "$2" "${WAITERS[@]}"
	release
	all_end 0 "${WAITERS[@]}"
	spawn_marking "$PROBE" --pid "$PID" --json --snapshots 3 --interval-ms 20 >out
	wait "$LAST"
	check '[len(s["threads"]) for s in o["snapshots"]] == [1, 1, 1]'
	check 'all(s["threads"][0]["tid"] == PID for s in o["snapshots"])'
	check 'all(SIZE <= s["threads"][0]["allocated_bytes"] < SIZE + 4 * 2**20 for s in o["snapshots"])'
	check 'all(s["threads"][0]["deallocated_bytes"] < 2**20 for s in o["snapshots"])'
	check 'all(s["threads"] == o["snapshots"][0]["threads"] for s in o["snapshots"])'
}

test_200_wait_with_the_daemon() {
	start_readyd
	story daemon "$GATE"
}

test_200_wait_without_the_daemon() {
	mkdir -p m
	# Not an inotify instance, of which a user may have 128; the other waiters poll.
	story file "*pidfd*"
}

test_churn() {
	local n many=0
	need_probe
	start_readyd
	spawn_held "$WORKER" --churn $SIZE
	spawn_waiters 10 --timeout 60 "$PID"
	release
	all_end 0 "${WAITERS[@]}"
	# The second thread lives for a tenth of a millisecond, so not every probe finds it.
	for n in $(seq 20); do
		"$PROBE" --pid "$PID" --json >out 2>err || die "probe $n: $(cat out err)"
		check 'SIZE <= [t for t in o["snapshots"][0]["threads"] if t["tid"] == PID][0]["allocated_bytes"]'
		if grep -q '"tid".*"tid"' out; then many=$((many + 1)); fi
	done
	[ "$many" -gt 0 ] || die "no probe of 20 has seen a second thread"
	kill -0 "$PID"
	expect "tracer" "$(cat "/proc/$PID/task/"*/status 2>/dev/null | select_lines -E '^TracerPid:.[1-9]')" ""
	until_true 60 is_ready "$PID"
}
is_ready() { [ "$(ctl status "$1" | cut -d ' ' -f 1)" = ready ]; }

# The probe's own marker says when to interrupt it, as often as it is tried.
test_interrupt_after_the_first_snapshot() {
	local n got probe
	need_probe
	start_readyd
	spawn_held "$WORKER" $SIZE
	release
	run 0 wait --timeout 60 "$PID"
	for n in $(seq 20); do
		spawn_marking "$PROBE" --pid "$PID" --json --snapshots 20 --interval-ms 3600000 >out
		probe=$LAST
		ctl wait --timeout 60 "$probe" >waited || die "probe $n: $(cat waited)"
		kill -INT "$probe"
		got=0
		wait "$probe" || got=$?
		expect "exit status of probe $n" "$got" 0
		check 'o["interrupted"] and len(o["snapshots"]) == 1 and len(o["snapshots"][0]["threads"]) == 1'
	done
}

# The script in readyd-ktstr(7) that leaves out what differs in every run.
test_metrics_without_pid_and_start() {
	need python3
	start_readyd
	sed -n '/^#!\/bin\/sh$/,/^exit /p' "$SRC/man/readyd-ktstr.7" | sed 's/\\e/\\/g' >script
	grep -q '^exit' script || die "no script in the manual"
	spawn_worker
	mark "$PID"
	PATH=$BUILD/client:$PATH sh script "$PID" >out
	python3 - <<-'END' || die "not true of $(cat out)"
		import json, sys
		o = json.load(open("out"))
		sys.exit(not (o["verdict"] == "ready" and o["exit"] == 0 and "elapsed_ms" in o and not {"pid", "start"} & set(o)))
	END
	kill_and_reap "$PID"
	expect_exit 4 env PATH="$BUILD/client:$PATH" sh script "$PID" >out
}

run_tests "$@"
