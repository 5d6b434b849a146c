#!/usr/bin/env bash
# What the daemon tells its service manager and its log, and which group its socket has.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"

is_socket() { [ -S "$1" ]; }

# spawn_manager ADDRESS: a service manager, which writes each message to `heard`, its lines divided by blanks.
spawn_manager() {
	need python3
	spawn python3 - "$1" <<-'PY'
		import os, socket, sys

		address = sys.argv[1]
		manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		manager.bind("\0" + address[1:] if address[0] == "@" else address)
		with open("heard", "w") as heard:
		    while True:
		        print(manager.recv(500).decode().replace("\n", " "), file=heard, flush=True)
	PY
	until_true 60 exists heard
	export NOTIFY_SOCKET=$1
}
hears() { grep -sqxE -- "$1" heard; }

# notified SOCKET: the service manager at that address gets the notifications.
notified() {
	spawn_manager "$1"
	start_readyd
	until_true 60 hears 'READY=1 .*'
	kill -TERM "$DAEMON"
	ends 0
	until_true 60 hears STOPPING=1
	expect "notifications" "$(paste -sd, heard)" "READY=1 STATUS=0 processes waited for, 0 connections,STOPPING=1"
	expect "warnings" "$(select_lines -c warning readyd.log)" 0
}

test_notify_socket() { notified "$T/n"; }

test_notify_socket_with_an_abstract_name() { notified "@${T##*/}"; }

test_notify_socket_without_a_receiver() {
	export NOTIFY_SOCKET=$T/missing
	start_readyd
	alive
	expect "warnings" "$(grep -c "warning: cannot notify $T/missing" readyd.log)" 1
}

# spawn_busy_manager: its queue at $T/n is full. It reads once the file `drain` exists, and writes what it gets to `heard`.
spawn_busy_manager() {
	need python3
	rm -f n full drain heard
	spawn python3 - <<-'PY'
		import os, socket, time

		manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		manager.bind("n")
		client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		client.setblocking(False)
		try:
		    while True:
		        client.sendto(b"BUSY=1", "n")
		except BlockingIOError:
		    open("full", "w").close()
		while not os.path.exists("drain"):
		    time.sleep(0.01)
		with open("heard", "w") as heard:
		    while True:
		        print(manager.recv(500).decode().replace("\n", " "), file=heard, flush=True)
	PY
	MANAGER=$LAST
	until_true 60 exists full
	export NOTIFY_SOCKET=$T/n
}

# The service would be restarted again and again. The measurement takes a second.
test_notification_is_not_lost_when_the_queue_is_full() {
	local before
	spawn_busy_manager
	start_readyd
	alive
	until_true 60 grep -q "warning: notification of $T/n is delayed" readyd.log
	before=$(cpu_ticks "$DAEMON")
	sleep 1
	[ $(($(cpu_ticks "$DAEMON") - before)) -le 5 ] || die "clock ticks: $(($(cpu_ticks "$DAEMON") - before))"
	: >drain
	until_true 60 hears 'READY=1 .*'
	until_true 60 grep -q "info: notified $T/n" readyd.log
	expect "warnings" "$(grep -c warning readyd.log)" 1
	kill -TERM "$DAEMON"
	ends 0
	until_true 60 hears STOPPING=1
	expect "notifications" "$(select_lines -vx BUSY=1 heard | cut -d ' ' -f 1 | paste -sd' ')" "READY=1 STOPPING=1"
}

test_notification_ends_with_the_manager() {
	spawn_busy_manager
	start_readyd
	kill_and_reap "$MANAGER"
	until_true 60 grep -q "warning: cannot notify $T/n: Connection refused" readyd.log
	alive
}

test_notification_does_not_delay_the_end() {
	spawn_busy_manager
	start_readyd
	until_true 60 grep -q "warning: notification of $T/n is delayed" readyd.log
	kill -TERM "$DAEMON"
	ends 0
}

# Here the first attempt lacks a descriptor, not room.
test_notification_without_a_descriptor_is_repeated() {
	need_strace
	export ASAN_OPTIONS=detect_leaks=0
	spawn_manager "$T/n"
	# The first socket is the listener.
	UNDER=(strace -D -f -o trace -e trace=socket -e inject=socket:error=EMFILE:when=2..4)
	start_readyd
	until_true 60 hears 'READY=1 .*'
	expect "failed calls" "$(grep -c INJECTED trace)" 3
	expect "warnings" "$(grep -c warning readyd.log)" 1
}

# Twice in the time that the manager allows, from the loop: a daemon that is stopped says nothing.
test_watchdog() {
	local before
	spawn_manager "$T/n"
	WATCHDOG_USEC=100000 start_readyd
	until_true 60 has_more_lines 3 WATCHDOG=1 heard
	freeze_readyd
	before=$(grep -c WATCHDOG=1 heard)
	alive_again_is_told "$before"
}
has_more_lines() { [ "$(grep -csx -- "$2" "$3")" -gt "$1" ]; }
alive_again_is_told() {
	expect "told while it is stopped" "$(grep -c WATCHDOG=1 heard)" "$1"
	kill -CONT "$DAEMON"
	until_true 60 has_more_lines "$1" WATCHDOG=1 heard
}

# sd_watchdog_enabled(3): the variables may be meant for a parent. WATCHDOG_PID is checked before the daemon serves.
test_watchdog_of_another_process() {
	spawn_manager "$T/n"
	export WATCHDOG_USEC=1000 WATCHDOG_PID=1
	start_readyd
	alive
	kill -TERM "$DAEMON"
	ends 0
	until_true 60 hears STOPPING=1
	expect "notifications" "$(cut -d ' ' -f 1 heard | paste -sd' ')" "READY=1 STOPPING=1"
}

# A service of Type=notify-reload: the manager waits for both, in this order, and compares the time.
test_reload() {
	local line
	spawn_manager "$T/n"
	start_readyd
	until_true 60 hears 'READY=1 .*'
	kill -HUP "$DAEMON"
	until_true 60 hears READY=1
	line=$(sed -n 2p heard)
	[[ $line =~ ^RELOADING=1\ MONOTONIC_USEC=([0-9]+)$ ]] || die "the reload is told as '$line'"
	[ "${BASH_REMATCH[1]}" -le "$(awk '{ printf "%.0f", $1 * 1000000 + 20000 }' /proc/uptime)" ] || die "in the future: $line"
	expect "then" "$(sed -n 3p heard)" READY=1
}

# The next message does not overtake the first one.
test_reload_with_a_full_queue() {
	spawn_busy_manager
	start_readyd
	until_true 60 grep -q "warning: notification of $T/n is delayed" readyd.log
	kill -HUP "$DAEMON"
	until_true 60 grep -q "info: SIGHUP" readyd.log
	alive
	: >drain
	until_true 60 hears READY=1
	expect "notifications" "$(select_lines -vx BUSY=1 heard | cut -d ' ' -f 1 | paste -sd' ')" "RELOADING=1 READY=1"
}

# It takes ten seconds: changed numbers are told no more often.
test_status() {
	spawn_manager "$T/n"
	start_readyd
	spawn_worker
	spawn_waiters 2 "$PID"
	wait_for_gates
	until_true 60 hears 'STATUS=1 process waited for, [0-2] connections?'
}

# The journal is told the priority, and adds the name itself.
test_log_in_the_journal() {
	: >readyd.log
	JOURNAL_STREAM=$(stat -c %d:%i readyd.log) start_readyd
	grep -q '^<6>serving ' readyd.log || die "in the log: $(cat readyd.log)"
	expect "lines without a priority" "$(select_lines -cv '^<[3467]>' readyd.log)" 0
}

# The variable is inherited by what a service starts with another standard error.
test_log_that_does_not_lead_to_the_journal() {
	JOURNAL_STREAM=$(stat -c %d:%i /dev/null) start_readyd
	expect "lines with a priority" "$(select_lines -c '^<' readyd.log)" 0
}

# Without the right to change the owner of files, which the daemon gives up before, so also after the name is lost.
test_socket_group() {
	need_root
	start_readyd --socket-group 4321 --socket-mode 0660
	expect "socket" "$(stat -c %g,%a s)" 4321,660
	rm s
	kill -HUP "$DAEMON"
	until_true 60 is_socket s
	expect "socket that was bound again" "$(stat -c %g,%a s)" 4321,660
	alive
}

test_socket_group_beside_a_user() {
	need_root
	chmod 1777 .
	export READYD_TRUST_UID=4000
	start_readyd --user 4000:4001 --socket-group 4321 --socket-mode 0660
	expect "socket" "$(stat -c %u,%g,%a s)" 4000,4321,660
	expect "groups" "$(awk '$1 == "Groups:" { print $2 }' "/proc/$DAEMON/status")" 4001
	alive
}

test_socket_group_that_cannot_be_had() {
	need_root
	need setpriv
	chmod 1777 .
	expect_exit 1 timeout 60 setpriv --reuid=4000 --regid=4000 --clear-groups --inh-caps=-all \
		"$READYD" --socket "$T/s" --dir "$T" --socket-group 4321 2>err
	grep -q "cannot change to the group of --socket-group: Operation not permitted; start readyd as root" err ||
		die "it says: $(cat err)"
	mkdir -m 2755 setgid
	chgrp 1234 setgid
	expect_exit 1 timeout 60 "$READYD" --socket "$T/setgid/s" --dir "$T" --socket-group 4321 2>err
	grep -q "the directory gives its own group" err || die "it says: $(cat err)"
	[ ! -e setgid/s ] || die "the socket is left"
}

run_tests "$@"
