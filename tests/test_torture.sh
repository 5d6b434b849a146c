#!/usr/bin/env bash
# A sample of the faults of tests/torture/README.md, and that these tests can fail.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

INJECT=$BUILD/tests/torture/inject
TORTURE=$SRC/tests/torture

need_inject() {
	local got=0
	"$INJECT" --list --report calls -- "$(type -P true)" 2>err || got=$?
	[ "$got" -ne 77 ] || skip "seccomp notification is not available: $(cat err)"
	expect "exit status of true" "$got" 0
}

test_a_call_fails_once_or_for_good() {
	local cat got
	need_inject
	cat=$(realpath "$(type -P cat)")
	echo text >file
	got=$(expect_exit 1 env LC_ALL=C "$INJECT" --call read --nth 1 --errno EIO --report once -- "$cat" file file 2>err)
	expect "the second file" "$got" text
	grep -q 'Input/output error' err || die "$(cat err)"
	grep -q 'status=1 signal=0 injected=1 ' once || die "$(cat once)"
	got=$(expect_exit 1 env LC_ALL=C "$INJECT" --call read --from 1 --errno EIO --report always -- "$cat" file file 2>err)
	expect "both files" "$got" ""
	grep -q ' injected=2 ' always || die "$(cat always)"
}

test_a_program_is_killed_at_a_call() {
	need_inject
	expect_exit 137 "$INJECT" --call write --nth 1 --kill --report killed -- "$(realpath "$(type -P cat)")" /proc/self/stat
	grep -q ' signal=9 injected=1 ' killed || die "$(cat killed)"
}

test_what_does_not_end_is_ended() {
	need_inject
	expect_exit 137 "$INJECT" --call read --nth 9 --errno EIO --deadline 1 --report late -- "$(realpath "$(type -P sleep)")" 1000
	grep -q ' late=1 left=1' late || die "$(cat late)"
}

# A readyctl that says `ready` whatever happens, one that says nothing, and one that hangs.
false_client() { # SCENARIO FAILURE PROGRAM
	local out
	mkdir -p build/client build/daemon
	ln -sf "$READYD" build/daemon/readyd
	ln -sfn "$BUILD/tests" build/tests
	printf '#include <unistd.h>\n#include <stdio.h>\n#include <time.h>\nint main(void) { %s }\n' "$3" >client.c
	"${CC:-cc}" -o build/client/readyctl client.c
	mkdir -p run
	out=$(BUILD=$T/build RUN=$T/run SOCKET=$T/s "$TORTURE/trial.sh" "$1" 0 read nth 1 EIO)
	[[ $out == "FAIL:$2 "* ]] || die "not FAIL:$2: $out"
}
test_a_false_or_missing_answer_is_seen() {
	need_inject
	need "${CC:-cc}"
	false_client pending-by-file contrary 'puts("ready 1"); return 0;'
	false_client pending-by-file contrary 'return 1;'
	false_client wait-by-file silent 'return 125;'
	false_client wait-by-file noisy 'fputs("one\ntwo\n", stderr); return 125;'
	false_client wait-by-file spin 'while (clock() < CLOCKS_PER_SEC) continue; return 0;'
	false_client wait-by-file crash '__builtin_trap();'
	false_client wait-by-file left-behind 'if (fork() == 0) sleep(60); puts("ready 1"); return 0;'
	false_client mark contrary 'return 0;'
	mkdir -p run
	echo 3 >run/pending-by-file.fds
	false_client pending-by-file leak 'dup(0); puts("pending 1"); return 1;'
}

# faulty STATUS[|STATUS] FAULT... -- ARGUMENT...: readyctl with a fault, which must occur, ends by itself with this status.
faulty() {
	local want=$1 fault=() got=0
	shift
	while [ "$1" != -- ]; do
		fault+=("$1")
		shift
	done
	mkdir -p m
	"$INJECT" "${fault[@]}" --deadline 30 --report report "$@" >out 2>err || got=$?
	grep -q ' injected=[1-9].* late=0 left=0' report || die "$(cat report err)"
	[[ $got =~ ^($want)$ ]] || die "exit status $got, want $want; $(cat err)"
}

test_run_does_not_say_that_a_worker_was_ready_when_the_look_failed() {
	need_inject
	local process
	# Which of its two children begins first is not certain; the other one does not make this call.
	for process in 1 2 1 2 1 2; do
		(faulty 125 --process "$process" --call epoll_create1 --nth 1 --errno ENOMEM \
			-- "$READYCTL" run --print json -- sh -c 'sleep 0.2; exit 7') && break
	done
	grep -q 'cannot wait for the marker of the worker' err || die "$(cat err)"
	! grep -q 'it was ready' err || die "$(cat err)"
	grep -q '"verdict":"unreachable","exit":125' out || die "$(cat out)"
}

test_run_ends_though_it_cannot_wait_for_its_worker() {
	need_inject
	faulty 125 --call waitid --from 1 --errno ECHILD -- "$READYCTL" run -- sh -c ': >"$READYD_DIR/ktstr-worker-ready-$$"; sleep 0.1'
	grep -q 'ended with a status that cannot be read after it was ready' err || die "$(cat err)"
}

test_run_sees_the_end_of_its_worker_though_it_cannot_poll() {
	need_inject
	faulty 3 --call poll --from 2 --errno ENOMEM -- "$READYCTL" run -- sh -c 'exit 7'
	grep -q 'exit status 7' err || die "$(cat err)"
}

test_run_sees_the_end_of_its_worker_though_it_cannot_read_signals() {
	need_inject
	# The pipe of the child that looks cannot be read either.
	faulty '3|125' --call read --from 9 --errno EISDIR -- "$READYCTL" run -- sh -c 'sleep 0.5; exit 7'
	grep -q 'exit status 7' err || die "$(cat err)"
	[[ $(cat report) =~ cpu_ms=([0-9]+) && ${BASH_REMATCH[1]} -lt 300 ]] || die "$(cat report)"
}

test_mark_ends_when_it_cannot_hear_its_child() {
	local pid
	need_inject
	spawn sleep 1000
	pid=$LAST
	faulty 125 --call read --from 2 --errno EIO -- "$READYCTL" mark "$pid"
	expect "lines on standard error" "$(wc -l <err)" 1
	[[ $(cat report) =~ cpu_ms=([0-9]+) && ${BASH_REMATCH[1]} -lt 300 ]] || die "$(cat report)"
}

# What cannot sleep must not spin, and says why it ends.
ends_without_sleep() { # ARGUMENT...
	faulty 125 --from 1 --errno ENOMEM "$@"
	grep -q 'Cannot allocate memory' err || die "$(cat err)"
	[[ $(cat report) =~ cpu_ms=([0-9]+) && ${BASH_REMATCH[1]} -lt 300 ]] || die "$(cat report)"
}

test_what_cannot_sleep_ends() {
	local pid
	need_inject
	spawn sleep 1000
	pid=$LAST
	ends_without_sleep --call poll -- "$READYCTL" monitor
	ends_without_sleep --call poll -- "$READYCTL" mark "$pid"
	mkfifo words
	exec 8<>words
	ends_without_sleep --call poll -- "$READYCTL" wait --timeout 60 - <words
}

test_a_table_that_cannot_sleep_ends() {
	need_inject
	need script
	TERM=vt100 timeout 60 script -qec "'$INJECT' --call ppoll --from 1 --errno ENOMEM --deadline 10 --report report '$READYCTL' monitor" \
		/dev/null </dev/null >screen || [ $? -eq 125 ]
	grep -q 'Cannot allocate memory' screen || die "$(cat screen)"
	grep -q ' injected=1 .* late=0 left=0' report || die "$(cat report)"
}

test_run_ends_though_it_cannot_block_signals() {
	need_inject
	faulty 125 --call rt_sigprocmask --nth 1 --errno EINVAL -- "$READYCTL" run -- sleep 0.1
	grep -q 'cannot run a worker' err || die "$(cat err)"
}

test_a_waiter_that_cannot_read_events_does_not_spin() {
	local n pid
	need_inject
	spawn sleep 1000
	pid=$LAST
	# Before these, it reads other files.
	for n in 3 4 5; do
		rm -f m/*
		faulty '0|125' --process 1 --call read --from "$n" --errno EIO -- "$READYCTL" mark "$pid"
		[[ $(cat report) =~ injected=([0-9]+) && ${BASH_REMATCH[1]} -lt 100 ]] || die "read $n: $(cat report)"
	done
}

test_mark_leaves_the_marker_that_it_has_seen() {
	local n got pid
	need_inject
	spawn sleep 1000
	pid=$LAST
	mkdir -p m
	# One of them looks whether the process has ended meanwhile.
	for n in {1..14}; do
		got=0
		"$INJECT" --process 1 --call poll --nth "$n" --errno EINVAL --deadline 30 --report report -- "$READYCTL" mark "$pid" 2>err || got=$?
		[ "$got" -ne 0 ] || [ -e "m/ktstr-worker-ready-$pid" ] || die "poll $n: it is marked, and there is no marker"
		rm -f "m/ktstr-worker-ready-$pid"
	done
}

test_the_daemons_child_that_cannot_sleep_does_not_spin() {
	need_inject
	mkdir -p m
	"$INJECT" --process 1 --call ppoll --from 1 --errno ENOMEM --deadline 1 --report report "$READYD" --socket "$T/s" --dir "$T/m" 2>err ||
		[ $? -eq 137 ] || die "$(cat err)"
	[[ $(cat report) =~ injected=([0-9]+) && ${BASH_REMATCH[1]} -ge 1 && ${BASH_REMATCH[1]} -lt 100 ]] || die "$(cat report)"
}

test_a_bridge_that_cannot_follow_its_daemon_does_not_start() {
	need_inject
	[ -x "$BUILD/fleet/readyd-mqtt" ] || skip "readyd-mqtt is not built: libmosquitto is missing"
	faulty 1 --call epoll_create1 --nth 1 --errno EMFILE -- "$BUILD/fleet/readyd-mqtt" --broker 127.0.0.1:1 --node a
	grep -q 'cannot start: Too many open files' err || die "$(cat err)"
}

# One seed for all revisions: what fails then is due to the change. Other samples are for `torture.sh --sample`.
test_a_sample_of_faults_is_survived() {
	need_inject
	"$TORTURE/torture.sh" --sample 150 --seconds 110 --seed 1 >table || die "$(cat table)"
	grep -q '^seed [0-9]*: [0-9]* of [0-9]* trials$' table || die "no figures: $(cat table)"
}

run_tests "$@"
