#!/usr/bin/env bash
# runit, s6, OpenRC and systemd start, watch and stop readyd with the files of contrib/init. Guests boot with /init and
# inittab.
# shellcheck source=tests/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh disable=SC1091
. "$(dirname "$0")/backends.sh"

INIT=$SRC/contrib/init

# The files are used unchanged. They find `readyd` in PATH; here it serves in the private directory, and ends with its
# supervisor even if the case fails.
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

# A wait during which the daemon is killed gets its answer from the next daemon or the file.
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
	is_down || die "the daemon still serves"
	[ ! -e s ] || die "the daemon has left its socket"
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
	is_down || die "the daemon still serves"
	[ ! -e s ] || die "the daemon has left its socket"
	s6-svc -x service
	until_true 60 has_ended "$LAST"
}

# And by nothing else: without --ready-fd, the daemon is never ready for s6.
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

# What OpenRC creates in /run when it boots a system; it is nowhere else.
boot_openrc() {
	tmpfs /run
	mkdir -p /run/openrc/{daemons,exclusive,failed,hotplugged,inactive,options,scheduled,started,starting,stopping,tmp,wasinactive}
	: >/run/openrc/softlevel
}
rc_readyd() { timeout 60 openrc-run "$T/readyd" "$1" >out 2>&1 || die "$1: $(cat out)"; }
under_openrc() {
	local old
	boot_openrc
	private_readyd
	sed "s|^command=/usr/sbin/readyd$|command=$T/bin/readyd|" "$INIT/openrc/readyd" >readyd
	! cmp -s "$INIT/openrc/readyd" readyd || die "another command: $(cat readyd)"
	chmod +x readyd
	rc_readyd start
	until_true 60 ctl --quiet ping 2>/dev/null
	rc_readyd status
	old=$(counter pid)
	rc_readyd reload
	expect "daemon after the reload" "$(counter pid)" "$old"
	survives_a_kill
	rc_readyd stop
	is_down || die "the daemon still serves"
	[ ! -e s ] || die "the daemon has left its socket"
}
test_openrc() {
	need_root
	need openrc-run
	need setpriv
	in_namespaces "-mpf --mount-proc" under_openrc
}

bridge_says() { timeout 60 openrc-run "$T/init.d/readyd-mqtt" "$1" >out 2>&1 || die "$1: $(cat out)"; }
bridges() { [ "$(wc -l <starts)" -ge "$1" ]; }
under_openrc_with_a_bridge() {
	boot_openrc
	# It tells how it was started, and as which user.
	cat >bridge <<-END
		#!/bin/sh
		echo \$\$ >"$T/bridge.pid"
		echo "\$(id -un) \$*" >>"$T/starts"
		exec sleep 1000
	END
	mkdir init.d conf.d
	touch starts bridge.pid
	chmod 755 .
	chmod 666 starts bridge.pid
	chmod 755 bridge
	sed "s|^command=/usr/sbin/readyd-mqtt$|command=$T/bridge|; s|^command_user=.*|command_user=nobody:nogroup|; s|^respawn_delay=.*|respawn_delay=1|" \
		"$INIT/openrc/readyd-mqtt" >init.d/readyd-mqtt
	expect "lines that differ" "$(diff "$INIT/openrc/readyd-mqtt" init.d/readyd-mqtt | grep -c '^>')" 3
	chmod +x init.d/readyd-mqtt
	echo 'READYD_MQTT_OPTIONS="--broker mq --node a"' >conf.d/readyd-mqtt
	bridge_says start
	until_true 60 bridges 1
	bridge_says status
	kill -KILL "$(cat bridge.pid)"
	until_true 60 bridges 2
	bridge_says stop
	expect "how it was started" "$(sort -u starts)" "nobody --broker mq --node a"
}
test_openrc_with_a_bridge() {
	need_root
	need openrc-run
	in_namespaces "-mpf --mount-proc" under_openrc_with_a_bridge
}

# Debian 12 has no dinit. The words are those of dinit-service(5), and the descriptor of its pipe is that of the command.
test_the_description_for_dinit() {
	sed '/^#/d' "$INIT/dinit/readyd" >description
	expect "other lines" "$(select_lines -vE '^[a-z-]+ = [^ ].*$' description)" ""
	expect "other words" "$(sed 's/ =.*//' description |
		select_lines -vxE 'type|command|ready-notification|restart|smooth-recovery|log-type')" ""
	expect "type" "$(sed -n 's/^type = //p' description)" process
	expect "pipe" "$(sed -n 's/^ready-notification = pipefd://p' description)" \
		"$(sed -n 's/^command = .* --ready-fd //p' description)"
	[ "$(wc -l <description)" -eq 6 ] || die "lines: $(cat description)"
	private_readyd
	mkfifo up
	exec 3<>up
	# shellcheck disable=SC2046 # its words
	spawn $(sed -n 's|^command = /usr/sbin/||p' description)
	read -r -t 60 -u 3
	ctl ping >/dev/null
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
	expect "complaints" "$(select_lines readyd out | select_lines -v "Unknown key.*AcceptFileDescriptors")" ""
	expect "descriptors" "$(unit_says socket AcceptFileDescriptors)" no
	echo "Nonsense=1" >>units/readyd.service
	systemd-analyze verify --man=no "$T/units/readyd.service" >out 2>&1 || echo "exit status $?"
	grep -q Nonsense out || die "verify would not notice an error"
}

# No setting that would hide markers, or what is mounted over them.
test_systemd_unit_shares_tmp() {
	expect "settings that create a mount namespace" "$(select_lines -E \
		'^(Private|Protect|Proc|ReadOnly|ReadWrite|Exec|NoExec|Inaccessible|Temporary|Bind|Root|Dynamic|Mount)' \
		"$INIT/systemd/readyd.service" | select_lines -vE '^(ExecStart|ExecReload|PrivateNetwork|ProtectClock|ProtectHostname)=')" \
		PrivateMounts=no
	# It denies openat2(2).
	expect "settings that hide other roots" "$(select_lines '^RestrictSUIDSGID' "$INIT/systemd/readyd.service")" ""
}

# The bridge is believed by its daemon only where both see one marker directory.
test_the_unit_of_the_bridge_is_valid_and_shares_tmp() {
	local unit=$INIT/systemd/readyd-mqtt.service
	need systemd-analyze
	mkdir units
	sed "s|=/usr/sbin/readyd-mqtt|=$READYD|" "$unit" >units/readyd-mqtt.service
	systemd-analyze verify --man=no "$T/units/readyd-mqtt.service" >out 2>&1 || die "not valid: $(cat out)"
	expect "complaints" "$(select_lines readyd-mqtt out)" ""
	expect "settings that create a mount namespace" "$(select_lines -E \
		'^(Private|Protect|Proc|ReadOnly|ReadWrite|Exec|NoExec|Inaccessible|Temporary|Bind|Root|Dynamic|Mount)' \
		"$unit" | select_lines -v '^ExecStart=')" ""
}

test_systemd_unit_is_hardened() {
	local offline=--offline=yes
	need systemd-analyze
	systemd-analyze security --help | grep -q -- --offline || skip "systemd-analyze is older than systemd 250"
	systemd-analyze security "$offline" --threshold=30 "$INIT/systemd/readyd.service" >out 2>&1 || die "$(cat out)"
	# Without the settings, it is not.
	sed '/^[A-Z]*=/d; /^User=\|^Restrict\|^SystemCall/d' "$INIT/systemd/readyd.service" >readyd.service
	! systemd-analyze security "$offline" --threshold=30 readyd.service >out 2>&1 || die "any unit passes: $(cat out)"
}

# The user, the rights and the limits of the unit, as far as they can be set without systemd.
test_daemon_runs_with_the_rights_of_the_systemd_unit() {
	local rights=-all,+sys_ptrace,+dac_read_search
	need_root
	need setpriv
	setpriv --bounding-set -all,+sys_ptrace true 2>/dev/null || skip "the bounding set cannot be changed"
	expect "rights" "$(unit_says service AmbientCapabilities)" "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"
	expect "bounds" "$(unit_says service CapabilityBoundingSet)" "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"
	expect "what is killed" "$(unit_says service KillMode)" process
	chmod 1777 .
	export READYD_TRUST_UID=1234
	UNDER=(setpriv --reuid 1234 --regid 1234 --clear-groups --no-new-privs --inh-caps "$rights" --ambient-caps "$rights"
		--bounding-set "$rights")
	start_readyd
	expect "rights" "$(counter rights)" sys_ptrace
	spawn_worker
	spawn_waiters 1 "$PID"
	wait_for_gates
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
}

# As in the units, with the notification that Type=notify waits for.
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
	[ ! -s heard ] || die "the daemon started before a client connected"
	spawn_worker
	spawn_waiters 5 "$PID"
	wait_for_gates
	until_true 60 grep -q READY=1 heard
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	kill -TERM "$(counter pid)"
	until_true 60 grep -q STOPPING=1 heard
	[ -S s ] || die "the daemon has removed the manager's socket"
}

# literals PAGE: the lines of its literal displays.
literals() { sed -n '/^\.Bd -literal/,/^\.Ed/{/^\./!p}' "$SRC/man/$1"; }

test_the_manual_shows_the_init_that_is_tested() {
	literals readyd-init.7 >shown
	[ "$(wc -l <shown)" -gt 10 ] || die "no lines in the manual"
	expect "lines that are not in contrib/init/init" "$(select_lines -vxFf "$INIT/init" shown)" ""
}

# without CALL ERROR COMMAND...: as on a kernel that was built without the call. LeakSanitizer does not work under strace.
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
	grep -q 'waiting via inotify' err || die "unclear: $(cat err)"
	grep -q INJECTED trace || die "no socket was requested"
}

test_kernel_without_timerfd() {
	local pids=()
	need_strace
	mkdir m
	while [ ${#pids[@]} -lt 30 ]; do
		spawn_worker
		[ ${#pids[@]} -ge 8 ] || mark "$PID"
		pids+=("$PID")
	done
	expect_exit 0 without timerfd_create ENOSYS "$READYCTL" wait --timeout 10 "${pids[@]:0:8}"
	# So many that are pending would take an epoll and its timer; without it the rest is rechecked now and then.
	expect_exit 124 without timerfd_create ENOSYS "$READYCTL" wait --timeout 1 "${pids[@]}"
	for PID in "${pids[@]}"; do mark "$PID"; done
	expect_exit 0 without timerfd_create ENOSYS "$READYCTL" wait --timeout 60 "${pids[@]}"
	expect_exit 0 without timerfd_create ENOSYS "$READYCTL" status "${pids[@]}"
}

run_tests "$@"
