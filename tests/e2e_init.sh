#!/usr/bin/env bash
# What contrib/init gives to service managers, run by them. /init and inittab are what guests boot with.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

INIT=$SRC/contrib/init

# The snippets are run as they are. `readyd` is found by its name, serves in the private directory, and ends with
# its supervisor, whatever becomes of the case.
private_readyd() {
	need setpriv
	mkdir -p m bin
	printf '#!/bin/sh\nexec setpriv --pdeathsig KILL "%s" --socket "%s" --dir "%s" "$@"\n' \
		"$READYD" "$T/s" "$T/m" >bin/readyd
	ln -s "$READYCTL" bin/readyctl
	chmod +x bin/readyd
	export PATH=$T/bin:$PATH
}

is_down() { ! ctl ping >/dev/null 2>&1; }
another_serves() { [ "$(counter pid 2>/dev/null)" != "" ] && [ "$(counter pid)" != "$1" ]; }

# A waiter that is there when the daemon is killed has its answer from the next one or by the file.
survives_a_kill() {
	local old
	old=$(counter pid)
	spawn_worker
	spawn_waiters 5 "$PID"
	wait_for_gates
	kill -KILL "$old"
	until_true 60 another_serves "$old"
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

test_runit() {
	local supervisor
	need runsv
	private_readyd
	cp -r "$INIT/runit" service
	spawn runsv service
	supervisor=$LAST
	until_true 60 [ -p service/supervise/ok ]
	# With `check`, this waits until the daemon serves.
	sv -w 60 start ./service >out
	ctl ping >/dev/null
	survives_a_kill
	sv -w 60 stop ./service >out
	is_down || die "it still serves"
	[ ! -e s ] || die "it has left its socket"
	sv exit ./service
	until_true 60 has_ended "$supervisor"
}

test_s6() {
	need s6-supervise
	private_readyd
	cp -r "$INIT/s6" service
	spawn s6-supervise service
	until_true 60 s6-svok service
	s6-svwait -U -t 60000 service
	ctl ping >/dev/null
	expect "state" "$(s6-svstat -o up,ready service)" "true true"
	survives_a_kill
	s6-svwait -U -t 60000 service
	s6-svc -d service
	s6-svwait -D -t 60000 service
	is_down || die "it still serves"
	[ ! -e s ] || die "it has left its socket"
	s6-svc -x service
	until_true 60 has_ended "$LAST"
}

# And by nothing else: a daemon that is not told of the descriptor is never ready for s6.
test_s6_tells_readiness_by_the_descriptor() {
	need s6-supervise
	private_readyd
	cp -r "$INIT/s6" service
	sed 's/--ready-fd 3//' "$INIT/s6/run" >service/run
	spawn s6-supervise service
	until_true 60 ctl --quiet ping 2>/dev/null
	expect "state" "$(s6-svstat -o up,ready service)" "true false"
	expect "descriptor" "$(cat "$INIT/s6/notification-fd")" 3
	s6-svc -xd service
	until_true 60 has_ended "$LAST"
}

unit_says() { sed -n "s/^$2=//p" "$INIT/systemd/readyd.$1"; }

test_systemd_units_are_valid() {
	need systemd-analyze
	mkdir units
	sed "s|=/usr/sbin/readyd|=$READYD|" "$INIT/systemd/readyd.service" >units/readyd.service
	cp "$INIT/systemd/readyd.socket" units/
	systemd-analyze verify --man=no "$T/units/readyd.service" "$T/units/readyd.socket" >out 2>&1 ||
		die "not valid: $(cat out)"
	# systemd knows this key since version 258, and ignores what it does not know.
	expect "complaints" "$(grep readyd out | grep -v "Unknown key.*AcceptFileDescriptors" || true)" ""
	expect "descriptors" "$(unit_says socket AcceptFileDescriptors)" no
	echo "Nonsense=1" >>units/readyd.service
	systemd-analyze verify --man=no "$T/units/readyd.service" >out 2>&1 || true
	grep -q Nonsense out || die "verify would not notice a fault"
}

# Nothing that would hide the markers of others, or what is mounted over them.
test_systemd_unit_shares_tmp() {
	expect "settings that make a mount namespace" "$(grep -E \
		'^(Private|Protect|ReadOnly|ReadWrite|Inaccessible|Temporary|Bind|Root|Dynamic|Mount)' \
		"$INIT/systemd/readyd.service" || true)" ""
}

# As the units say, with a notification where Type=notify waits for it.
test_systemd_socket_activation() {
	local notified=$T/notified
	need systemd-socket-activate
	need socat
	expect "socket" "$(unit_says socket ListenStream)" /run/readyd.sock
	expect "command" "$(unit_says service ExecStart)" /usr/sbin/readyd
	expect "type" "$(unit_says service Type)" notify
	mkdir m
	spawn socat -u "UNIX-RECV:$notified" OPEN:heard,creat,append
	until_true 60 [ -S "$notified" ]
	spawn systemd-socket-activate --setenv="NOTIFY_SOCKET=$notified" --listen="$T/s" "$READYD" --dir "$T/m"
	until_true 60 [ -S s ]
	[ ! -s heard ] || die "it was started before anybody asked"
	spawn_worker
	spawn_waiters 5 "$PID"
	wait_for_gates
	until_true 60 grep -q READY=1 heard
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	kill -TERM "$(counter pid)"
	until_true 60 grep -q STOPPING=1 heard
	[ -S s ] || die "it has removed the manager's socket"
}

# literals PAGE: the lines of its displays.
literals() { sed -n '/^\.Bd -literal/,/^\.Ed/{/^\./!p}' "$SRC/man/$1"; }

test_the_manual_shows_the_init_that_is_tested() {
	literals readyd-init.7 >shown
	[ "$(wc -l <shown)" -gt 10 ] || die "no lines in the manual"
	expect "lines that are not in contrib/init/init" "$(grep -vxFf "$INIT/init" shown || true)" ""
}

need_strace() {
	need strace
	timeout 10 strace -o /dev/null true || skip "strace may not trace here"
}

# without CALL ERROR COMMAND...: on a kernel that was built without it. Leaks cannot be looked for under strace.
without() {
	local call=$1 error=$2
	local -x ASAN_OPTIONS=detect_leaks=0
	shift 2
	timeout 60 strace -f -o trace -e trace="$call" -e inject="$call:error=$error" "$@" 2>err
}

test_kernel_without_unix_sockets() {
	need_strace
	mkdir m
	spawn_worker
	expect_exit 1 without socket EAFNOSUPPORT "$READYD" -s "$T/s" -d "$T/m"
	grep -q "cannot listen at $T/s" err || die "unclear: $(cat err)"
	expect_exit 124 without socket EAFNOSUPPORT "$READYCTL" wait --timeout 0.3 "$PID"
	grep -q 'waited by inotify' err || die "unclear: $(cat err)"
	grep -q INJECTED trace || die "no socket was asked for"
}

test_kernel_without_timerfd() {
	local pids=()
	need_strace
	mkdir m
	while [ ${#pids[@]} -lt 9 ]; do
		spawn_worker
		mark "$PID"
		pids+=("$PID")
	done
	expect_exit 0 without timerfd_create ENOSYS "$READYCTL" wait --timeout 10 "${pids[@]:0:8}"
	expect_exit 125 without timerfd_create ENOSYS "$READYCTL" wait --timeout 10 "${pids[@]}"
	grep -q 'cannot wait' err || die "unclear: $(cat err)"
	expect_exit 0 without timerfd_create ENOSYS "$READYCTL" status "${pids[@]}"
}

run_tests "$@"
