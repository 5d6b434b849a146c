#!/usr/bin/env bash
# Which listener readyctl believes, and what one that it believes can do at most.
# shellcheck source=tests/lib.sh disable=SC1091,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

HOSTILE=$BUILD/tests/hostile
THIRD_UID=1001
AS_THIRD=(setpriv "--reuid=$THIRD_UID" "--regid=$THIRD_UID" --clear-groups)

# prepare: directories for markers and for the socket, which belongs to another user, and a worker.
prepare() {
	[ -x "$HOSTILE" ] || skip "tests/hostile is not built"
	need_other_user
	as_other_user test -x "$HOSTILE" || skip "another user may not run $HOSTILE"
	mkdir -m 1777 m
	mkdir h
	chown "$OTHER_UID" h
	export READYD_SOCKET=$T/h/s
	spawn_worker
}

serves() { grep -qx serves hostile.out; }

# hostile TEXT [MS [DESCRIPTORS]]: such a listener at READYD_SOCKET, by the command in LISTENER.
LISTENER=("${AS_OTHER_USER[@]}")
hostile() {
	spawn "${LISTENER[@]}" "$HOSTILE" "$READYD_SOCKET" "$@" >hostile.out 2>hostile.err
	until_true 60 serves
}
says_ready() { hostile "ready $PID start=$(start_of "$PID")"$'\nPONG\n'; }

# believed, not_believed COMMAND...: the command asks, as a prefix of readyctl, and there is no marker.
believed() {
	"$@" timeout 60 "$READYCTL" status "$PID" >out 2>err || die "'$*' does not believe it: $(cat out err)"
}
not_believed() {
	local got=0
	"$@" timeout 60 "$READYCTL" status "$PID" >out 2>err || got=$?
	expect "exit status of '$*': $(cat out err)" "$got" 1
	grep -qxE "pending $PID start=[0-9]+ reason=daemon-untrusted" out || die "'$*': $(cat out)"
}

test_another_users_listener_counts_as_absent() {
	local asker
	prepare
	says_ready
	not_believed env
	not_believed "${AS_THIRD[@]}"
	# It is named once.
	run 1 status "$PID" "$PID"
	expect "lines of the explanation" "$(grep -c READYD_TRUST_UID err)" 1
	run 124 wait --json --timeout 0.3 "$PID"
	grep -q '(the daemon is not asked: daemon-untrusted)' err || die "not explained: $(cat err)"
	grep -q '"refusal":"daemon-untrusted"' out || die "no refusal: $(cat out)"
	for asker in "status --no-fallback $PID" "wait --no-fallback $PID" ping stats; do
		# shellcheck disable=SC2086
		refused 125 READYD_TRUST_UID $asker
	done
	mark "$PID"
	quiet_run 0 wait "$PID"
}

test_a_listener_in_a_directory_that_others_can_write_to() {
	prepare
	mkdir -m 1777 shared
	READYD_SOCKET=$T/shared/s
	says_ready
	not_believed "${AS_THIRD[@]}"
	rm shared/s
	chmod 1775 shared
	chgrp "$OTHER_UID" shared
	says_ready
	not_believed "${AS_THIRD[@]}"
}

test_a_listener_in_a_directory_of_root() {
	prepare
	says_ready
	chown 0 h
	believed env
	believed "${AS_THIRD[@]}"
	cd h
	READYD_SOCKET=s believed env
	cd ..
	# A link is not the socket, and may lead anywhere.
	mkdir roots
	chown "$OTHER_UID" h
	ln -s "$T/h/s" roots/s
	READYD_SOCKET=$T/roots/s not_believed env
}

test_a_listener_of_the_user_or_of_root() {
	prepare
	says_ready
	believed "${AS_OTHER_USER[@]}"
	rm h/s
	LISTENER=()
	says_ready
	believed env
	believed "${AS_OTHER_USER[@]}"
	believed "${AS_THIRD[@]}"
}

test_a_listener_of_the_user_that_the_environment_names() {
	prepare
	says_ready
	believed env READYD_TRUST_UID="$OTHER_UID"
	believed "${AS_THIRD[@]}" env READYD_TRUST_UID="$OTHER_UID"
	not_believed env READYD_TRUST_UID="$THIRD_UID"
	export READYD_TRUST_UID
	for READYD_TRUST_UID in x -1 4294967295 0x0; do
		refused 2 "READYD_TRUST_UID '$READYD_TRUST_UID': use the number of a user" ping
	done
}

test_an_abstract_socket_counts_by_its_user() {
	prepare
	READYD_SOCKET=@readyd-test-$$-$RANDOM
	says_ready
	not_believed env
	not_believed "${AS_THIRD[@]}"
	believed "${AS_OTHER_USER[@]}"
	believed env READYD_TRUST_UID="$OTHER_UID"
}

# In a user namespace, all users that it does not map look alike, the asker included.
test_a_user_without_a_number_is_not_trusted() {
	prepare
	LISTENER=("${AS_THIRD[@]}")
	chown "$THIRD_UID" h
	says_ready
	export PID
	as_other_user unshare -U true 2>/dev/null || skip "unshare -U is not permitted"
	as_other_user env T="$T" TEST_INSIDE=1 timeout 60 unshare -U bash "$SELF" unmapped_asks ||
		die "trusted: $(cat "$T/u/out")"
}
unmapped_asks() {
	local got=0
	expect "own user" "$(id -u)" 65534
	timeout 60 env READYD_TRUST_UID=65534 "$READYCTL" status "$PID" || got=$?
	expect "exit status" "$got" 1
}

test_a_program_that_is_set_user_id_ignores_the_environment() {
	prepare
	cp "$READYCTL" ctl
	chown "$OTHER_UID" ctl
	chmod 4755 ctl
	mark "$PID"
	"${AS_THIRD[@]}" env READYD_BACKEND=file "$READYCTL" status "$PID" >out || die "READYD_DIR: $(cat out)"
	[ "$("${AS_THIRD[@]}" ./ctl status --dir "$T/m" --socket "$T/none" "$PID" | cut -c 1-5)" = ready ] ||
		skip "no program can be set-user-ID in $T"
	expect_exit 1 "${AS_THIRD[@]}" ./ctl status --socket "$T/none" "$PID"
	READYD_BACKEND=nonsense expect_exit 1 "${AS_THIRD[@]}" ./ctl status --socket "$T/none" "$PID"
}

# ends_in_time MS STATUS ARGUMENT...: readyctl exits with this status after so many milliseconds at most.
ends_in_time() {
	local most=$1 since
	shift
	since=$(now_ms)
	run "$@"
	[ $(($(now_ms) - since)) -le "$most" ] || die "'readyctl $*' took $(($(now_ms) - since)) ms"
}

# Endless lines, bytes that come one by one, and answers to what was not asked.
test_no_listener_delays_the_time_out() {
	local text ms
	prepare
	export READYD_TRUST_UID=$OTHER_UID
	for ms in 0 20; do
		for text in x $'pending 4194303 start=1\n' $'CANCELLED 1 1\n' $'PONG\n' $'ready 4194303 start=1\n'; do
			rm -f h/s
			hostile "$text" $ms
			ends_in_time 4000 124 wait --timeout 0.3 "$PID"
			ends_in_time 3000 1 status "$PID"
		done
	done
}

# The same of a ready process: an endless conversation does not keep it from being found.
test_no_listener_delays_the_answer() {
	prepare
	export READYD_TRUST_UID=$OTHER_UID
	mark "$PID"
	hostile $'CANCELLED 1 1\n' 0
	ends_in_time 3000 0 status "$PID"
	ends_in_time 4000 0 wait --timeout 0.3 "$PID"
	hostile_ping_and_stats
}

hostile_ping_and_stats() {
	spawn timeout 60 "$READYCTL" ping >ping.out 2>err.ping
	local ping=$LAST since
	since=$(now_ms)
	ends_in_time 8000 125 stats
	all_end 125 "$ping"
	[ $(($(now_ms) - since)) -le 8000 ] || die "ping took $(($(now_ms) - since)) ms"
}

as_json() { python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' <"$1" || die "not JSON: $(cat -v "$1")"; }

test_what_a_listener_says_is_escaped() {
	need python3
	prepare
	export READYD_TRUST_UID=$OTHER_UID
	hostile $'STATS a"b\\=c\\"d a\e[2J=\e[2J n=007 =x y \xff=\xfe\xc2 \t=\r1 z=-1\n'
	run 0 stats --json
	as_json out
	run 0 stats
	! grep -q $'\e' out || die "an escape sequence: $(cat -v out)"
	rm h/s
	hostile $'LIST ready 5 start=1 reason=\e[2J","x":"\nLIST ready 6 age="\e empty=\e\nEND LIST 2\n'
	run 0 list --json
	as_json out
	expect "lines" "$(wc -l <out)" 2
	run 0 list
	! grep -q $'\e' out || die "an escape sequence: $(cat -v out)"
}

count_full() { find "/proc/$1/fd" -lname /dev/full 2>/dev/null | wc -l; }

# Each message may bring one; of those that belong to no line, 16 are kept until the connection ends.
test_surplus_descriptors_are_closed() {
	prepare
	export READYD_TRUST_UID=$OTHER_UID
	hostile $'pending 4194303\n' 5 2 </dev/full
	spawn_waiters 1 "$PID"
	for _ in {1..50}; do
		[ "$(count_full "${WAITERS[0]}")" -le 17 ] || die "descriptors: $(count_full "${WAITERS[0]}")"
		sleep 0.01
	done
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

# --- a daemon that says less

test_a_word_without_a_start_overrules_nothing() {
	prepare
	export READYD_TRUST_UID=$OTHER_UID
	mark "$PID"
	chown "$THIRD_UID" "$(marker "$PID")"
	hostile "ready $PID"$'\nPONG\n'
	run 5 status "$PID"
	run 124 wait --timeout 0.3 "$PID"
}

# hidden_says ANSWER: a daemon that keeps the start from its client.
hidden_says() {
	rm -f h/s
	hostile "$1"$' status=hidden\nPONG\n'
}

test_a_daemon_that_hides_starts_confirms_and_denies() {
	local start
	prepare
	export READYD_TRUST_UID=$OTHER_UID
	start=$(start_of "$PID")
	hidden_says "ready $PID"
	run 0 status "$PID:$start"
	expect "answer" "$(cat out)" "ready $PID start=$start status=hidden"
	run 0 status --json --no-fallback "$PID:$start"
	grep -q "\"start\":$start,\"status\":\"hidden\"" out || die "$(cat out)"
	run 0 wait "$PID"
	expect "answer" "$(cat out)" "ready $PID start=$start status=hidden"
	hidden_says "died $PID reason=pid-reused"
	run 3 status --no-fallback "$PID:$start"
	expect "answer" "$(cat out)" "died $PID start=$start reason=pid-reused status=hidden"
	run 3 wait "$PID:$start"
}

# says_gate KEYS: a gate of the worker with a byte in it, which says that the process was seen ready.
says_gate() {
	rm -f h/s
	hostile "GATE $PID$1"$'\nPONG\n' -1 1 <&8
}

test_a_gate_without_a_start_is_a_hint() {
	prepare
	export READYD_TRUST_UID=$OTHER_UID
	mkfifo gate
	exec 8<>gate
	echo >&8
	says_gate ""
	run 124 wait --timeout 0.3 "$PID"
	says_gate " status=hidden"
	run 0 wait "$PID"
	exec 8<&-
}

run_tests "$@"
