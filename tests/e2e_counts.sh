#!/usr/bin/env bash
# How many system calls a wait takes. Counts do not depend on the speed of the machine. e2e_crowds.sh counts those of
# many waiters.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016
. "$(dirname "$0")/lib.sh"

need_counts() {
	need_strace
	! is_sanitized || skip "sanitizers call the system themselves"
}

# calls FILE: the names of the calls in the output of `strace -f`, one a line. Where the kernel has no vDSO, clocks are
# read by system calls.
calls() { sed -nE '/resumed>/d; s/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$1" | select_lines -v '^clock_gettime'; }

# between FROM TO FILE: from the first line with FROM on, up to the next one with TO.
between() { sed -n "/$1/,\$p" "$3" | sed "/$2/q"; }

# at_most WHAT FILE COUNT: so many calls are in the file.
at_most() {
	local got
	got=$(calls "$2" | wc -l)
	echo "$1: $got"
	[ "$got" -le "$3" ] || die "$1 takes $got calls, more than $3: $(cat "$2")"
}

# A kernel that tells the credentials of a process by its pidfd saves readyctl a look at /proc/PID/status.
STATUS_FILE=0
pidfd_tells_credentials() {
	local major minor
	IFS=. read -r major minor _ </proc/sys/kernel/osrelease
	[ $((major * 1000 + minor)) -ge 6013 ]
}
pidfd_tells_credentials || STATUS_FILE=8

trace() { spawn strace -f -qq -o trace "$READYCTL" "$@"; }
sleeps_in_trace() { grep -q "$1" trace && tail -n 1 trace | grep -qE 'poll\(|epoll_wait\('; }

# A wait for $PID, until it sleeps.
trace_a_wait_at_a_gate() {
	need_counts
	start_readyd
	spawn_worker
	trace wait --timeout 60 "$PID"
	until_true 60 counter_is handed_out 1
	until_true 60 sleeps_in_trace 'recvmsg.*SCM_RIGHTS'
}

test_beginning_to_wait() {
	trace_a_wait_at_a_gate
	between pidfd_open nothing trace >begun
	at_most "beginning to wait" begun $((29 + STATUS_FILE))
	expect "connections" "$(grep -c 'connect(' begun)" 1
	expect "looks at the marker's directory" "$(grep -c "/proc/$PID/root" begun)" 1
	expect "reads of the start" "$(grep -c "/proc/$PID/stat\"" begun)" 1
	expect "requests" "$(grep -c 'sendto(' begun)" 1
	expect "replies" "$(grep -c 'recvmsg(' begun)" 1
	mark "$PID"
	all_ends
}
all_ends() { wait "$LAST" || die "exit status $?"; }

test_beginning_to_wait_without_a_daemon() {
	need_counts
	mkdir m
	spawn_worker
	trace wait --timeout 60 "$PID"
	until_true 60 sleeps_in_trace inotify_add_watch
	between pidfd_open nothing trace >begun
	at_most "beginning to wait without a daemon" begun $((32 + STATUS_FILE))
	mark "$PID"
	all_ends
}

# The waiter closes two descriptors, and readyctl prints a line.
test_waking_up() {
	local got
	trace_a_wait_at_a_gate
	mark "$PID"
	all_ends
	# The byte may wake it before the hang-up does.
	got=$(sed -n "$(grep -n 'poll(' trace | tail -n 1 | cut -d: -f1),\$p" trace)
	grep -qE '= 1 \(\[\{fd=[0-9]+, revents=POLLIN(\|POLLHUP)?\}\]\)' <<<"$got" || die "not the gate: $got"
	echo "$got" >woken
	expect "calls ($got)" "$(calls woken | select_lines -v 'fstat' | paste -sd' ')" "poll close close write exit_group"
}

# A process that has slept for long has each page of code to fetch again: src/hot.h. What is listed is called by every
# wake-up, or by each look in case the daemon is frozen.
WOKEN='poller_wait|waiter_dispatch|waiter_step|target_set_step|target_step|poller_remove|process_close|waiter_take|'
WOKEN+='waiter_rest|plan_make|daemon_conn_deadline|clock_ms|waiter_reconcile|waiter_recheck_all|marker_is_absent|number_put'
test_the_code_of_a_wake_up_lies_together() {
	local addresses span
	need nm
	! is_sanitized || skip "sanitizers add code"
	grep -q "^CFLAGS='.*-O2" "$BUILD/config.log" || skip "without -O2"
	mapfile -t addresses < <(nm "$READYCTL" | select_lines -E " ($WOKEN)\$" | sort)
	expect "functions" "${#addresses[@]}" 16
	span=$((0x${addresses[-1]%% *} - 0x${addresses[0]%% *}))
	echo "from ${addresses[0]} to ${addresses[-1]}: $span bytes"
	[ "$span" -le 12288 ] || die "they lie far from each other: $(printf '%s\n' "${addresses[@]}")"
}

# The waiter that is traced.
waiter() { sed -n '1s/ .*//p' trace; }
is_ready() { "$READYCTL" status "$PID" >/dev/null; }
ends_as() {
	local status=0
	wait "$LAST" || status=$?
	expect "exit status ($(cat trace))" "$status" "$1"
}
end_worker() {
	kill -KILL "$PID"
	wait "$PID" || [ $? -eq 137 ]
}

# The byte in the gate says that it was ready, and the pidfd that it has ended. The waiter sees both at once, since it is
# stopped meanwhile.
test_waking_up_when_the_process_has_ended() {
	local waiter
	trace_a_wait_at_a_gate
	waiter=$(waiter)
	kill -STOP "$waiter"
	until_true 60 grep -q 'stopped by SIGSTOP' trace
	mark "$PID"
	until_true 60 is_ready
	end_worker
	kill -CONT "$waiter"
	ends_as 4
	sed -n '/SIGCONT/,$p' trace >woken
	expect "calls ($(cat woken))" "$(calls woken | select_lines -v 'fstat' | paste -sd' ')" \
		"restart_syscall poll ioctl close close write exit_group"
}

# The end comes first. A look would have to be confirmed by the gate, so the waiter sleeps until that is closed.
test_waking_up_when_the_process_ends() {
	trace_a_wait_at_a_gate
	kill -STOP "$DAEMON"
	end_worker
	until_true 60 grep -q '], 1, [1-9]' trace
	kill -CONT "$DAEMON"
	ends_as 3
	between SCM_RIGHTS nothing trace >begun
	between revents '], 1, [1-9]' begun >woken
	expect "calls ($(cat woken))" "$(calls woken | select_lines -v getpid | paste -sd' ')" "poll poll"
}

test_waiting_for_a_ready_process() {
	need_counts
	start_readyd
	spawn_worker
	mark "$PID"
	trace wait "$PID"
	all_ends
	between pidfd_open nothing trace >begun
	at_most "a wait that is over" begun $((32 + STATUS_FILE))
	expect "looks at the marker ($(cat begun))" "$(grep -c "ktstr-worker-ready-$PID\"" begun)" 1
	expect "requests" "$(grep -c 'GATE' begun)" 1
	! grep -q QUERY begun || die "it asks twice"
	# Whether a look could hang is read at once, and not by stdio.
	between mountinfo 'close(' trace >table
	expect "calls for the mount table" "$(calls table | uniq | paste -sd' ')" "openat read close"
}

test_the_status_of_a_ready_process() {
	need_counts
	start_readyd
	spawn_worker
	mark "$PID"
	trace status "$PID"
	all_ends
	between pidfd_open nothing trace >begun
	at_most "a status" begun $((28 + STATUS_FILE))
	expect "looks at the marker" "$(grep -c "ktstr-worker-ready-$PID\"" begun)" 1
}

# A frozen daemon costs a waiter one look after half of the time waited: in 4 seconds after 1, 2 and 3. Each takes a look
# and a poll.
test_nothing_happens() {
	need_counts
	start_readyd
	spawn_worker
	trace wait --timeout 60 "$PID"
	until_true 60 sleeps_in_trace 'recvmsg.*SCM_RIGHTS'
	wc -l <trace >before
	sleep 2
	tail -n +"$(($(cat before) + 1))" trace >idle
	at_most "two seconds" idle 9
	mark "$PID"
	all_ends
}

# More processes than the table of client/lib/poller.h holds. An answer takes four calls, and none that finds nothing to do. A
# recheck may come in between.
test_one_answer_of_many() {
	local pids=() pid
	need_counts
	start_readyd
	for _ in {1..20}; do
		spawn sleep 1000
		pids+=("$LAST")
	done
	trace wait --timeout 60 "${pids[@]}"
	until_true 60 counter_is waited 20
	until_true 60 sleeps_in_trace 'recvmsg'
	wc -l <trace >before
	for pid in "${pids[@]:0:5}"; do
		mark "$pid"
		until_true 60 grep -q "write(1, \"ready $pid " trace
	done
	tail -n +"$(($(cat before) + 1))" trace | select_lines -v 'newfstatat' >answered
	expect "timers ($(cat answered))" "$(grep -c 'timerfd_settime' answered)" 0
	expect "reads that find nothing ($(cat answered))" "$(grep -c 'EAGAIN' answered)" 0
	at_most "five answers" answered 26
	kill -KILL "${pids[@]:5}"
	wait "$LAST" || [ $? -eq 3 ]
}

# --- the daemon

is_traced() { grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$DAEMON/status"; }
is_untraced() { ! is_traced; }

# A client that comes and goes is put into the loop once, and taken out once.
has_closed_it() { sed -n '/^recv.* = 0$/,$p' trace | grep -q '^close('; }
test_a_client_comes_and_goes() {
	need_counts
	start_readyd
	spawn strace -qq -o trace -e trace=epoll_ctl,recvfrom,recvmsg,close -p "$DAEMON"
	until_true 60 is_traced
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$T/s"
	until_true 60 has_closed_it
	expect "changes of what the loop waits for ($(cat trace))" "$(grep -c '^epoll_ctl(' trace)" 2
}

# trace_daemon COMMAND...: what the daemon does meanwhile is in daemon_trace.
trace_daemon() {
	local tracer
	rm -f daemon_trace
	spawn strace -f -qq -o daemon_trace -p "$DAEMON"
	tracer=$LAST
	until_true 60 is_traced
	"$@"
	kill -INT "$tracer"
	until_true 60 is_untraced
}

# From the event until no other client is there.
test_the_daemon_accepts_a_client() {
	need_counts
	start_readyd
	trace_daemon run 0 ping
	between 'epoll_wait(.*= 1$' 'accept4(.*EAGAIN' daemon_trace >accepted
	at_most "accepting a client" accepted 7
	expect "clients" "$(grep -c 'SO_PEERCRED' accepted)" 1
}

# From the request on until the reply.
test_the_daemon_answers_a_query() {
	need_counts
	start_readyd
	spawn_worker
	run 1 status "$PID"
	trace_daemon run 1 status "$PID"
	between 'recvfrom(.*QUERY' 'sendto(' daemon_trace >asked
	at_most "a query of a pending process" asked 13
	mark "$PID"
	run 0 status "$PID"
	trace_daemon run 0 status "$PID"
	between 'recvfrom(.*QUERY' 'sendto(' daemon_trace >asked
	at_most "a query of a ready process" asked 7
}

# One write, so all that is written is one batch, which takes two turns.
ask_at_once() {
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall((sys.argv[2] * 100 + sys.argv[3]).encode())
answers = s.makefile("r")
for line in range(int(sys.argv[4])):
    answers.readline()' "$T/s" "$@"
}
of_batch() { between "recvfrom(.*$1" 'recvfrom(.*= 0$' daemon_trace | select_lines -E 'epoll_ctl|sendto|ktstr-worker-ready'; }

# The look is paid for once, and between two turns the loop waits for the same descriptors.
test_the_daemon_answers_a_hundred_queries_at_once() {
	need_counts
	start_readyd
	spawn_worker
	run 1 status "$PID"
	trace_daemon ask_at_once "QUERY $PID
" "" 100
	of_batch QUERY >asked
	at_most "a hundred queries" asked 4
	expect "answers ($(cat asked))" "$(grep -c sendto asked)" 2
	expect "changes of what the loop waits for" "$(grep -c epoll_ctl asked)" 0
}

test_the_daemon_begins_a_hundred_waits_at_once() {
	need_counts
	start_readyd
	spawn_worker
	run 1 status "$PID"
	trace_daemon ask_at_once "WAIT $PID
" "PING
" 1
	of_batch WAIT >asked
	at_most "a hundred waits" asked 3
	expect "changes of what the loop waits for ($(cat asked))" "$(grep -c epoll_ctl asked)" 0
	expect "answers to all of them" "$(grep -c sendto asked)" 1
}

begin_to_wait() {
	spawn "$READYCTL" wait --timeout 60 "$PID"
	until_true 60 counter_is handed_out 1
}

test_the_daemon_hands_out_a_gate() {
	need_counts
	start_readyd
	spawn_worker
	run 1 status "$PID"
	trace_daemon begin_to_wait
	between 'recvfrom(.*GATE' 'sendmsg(' daemon_trace >asked
	at_most "a gate" asked 18
	grep -q SCM_RIGHTS asked || die "no gate: $(cat asked)"
}

mark_and_await() { # WAITER
	mark "$PID"
	wait "$1" || die "exit status $?"
}

# without_others PID: leaves out the calls that look for new processes, and those on other processes than PID, with
# what follows until the file is closed.
without_others() {
	awk -v own="$1" '
		open != "" { if (index($0, "close(" open ")")) open = ""; next }
		/ kill\(/ { next }
		match($0, /"\/proc(\/[0-9]+)?[\/"]/) && !index($0, "/proc/" own "/") {
			if (/ openat\(/) { open = $NF; if (open !~ /^[0-9]+$/) open = "" }
			next
		}
		{ print }'
}

# Until it waits again, but for calls on other processes. The newest pid shows which are new since the last search for
# those of the same number in other pid namespaces, and there is one search.
test_the_daemon_learns_of_a_marker() {
	need_counts
	start_readyd
	spawn_worker
	begin_to_wait
	trace_daemon mark_and_await "$LAST"
	between 'read(.*ktstr-worker' 'epoll_wait(' daemon_trace >all
	expect "searches ($(cat all))" "$(grep -c '/proc/loadavg' all)" 1
	without_others "$PID" <all >learned
	at_most "a marker" learned 23
}

has_ticked() { [ "$(grep -c 'statfs(' daemon_trace)" -ge "$1" ]; }
await_ticks() { until_true 60 has_ticked 8; }

# calls_of_tick COUNT: with that many waits, the calls on the marker directory. What a tick reads of new processes
# depends on the rest of the machine. Some ticks check a slice of a sweep beside, so the least counts.
calls_of_tick() {
	local i pids=()
	for ((i = 0; i < $1; i++)); do
		spawn sleep 1000
		pids+=("$LAST")
	done
	spawn "$READYCTL" wait "${pids[@]}"
	until_true 60 counter_is waited "$1"
	trace_daemon await_ticks
	CALLS=$(awk '/epoll_wait\(/ { if (tick && (least == 0 || calls < least)) least = calls; calls = tick = 0; next }
		/\/m["\/]/ { calls++ } /statfs\(/ { tick = 1 } END { print least }' daemon_trace)
	kill -KILL "${pids[@]}"
	until_true 60 counter_is waited 0
}

test_a_tick_costs_the_same_for_any_number_of_waits() {
	local one
	need_counts
	start_readyd
	calls_of_tick 1
	one=$CALLS
	calls_of_tick 200
	expect "calls of a tick with 200 waits" "$CALLS" "$one"
	# inotify_add_watch, stat and statfs.
	expect "calls of a tick with one" "$one" 3
}

run_tests "$@"
