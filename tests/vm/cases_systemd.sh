#!/bin/sh
# Run in a guest with systemd as init: the units of contrib/init start, confine, restart and stop readyd, as its user.
# shellcheck source=tests/vm/tap.sh disable=SC1091,SC2030,SC2031
. /guest/tap.sh

WORKER=/usr/libexec/ktstr-jemalloc-alloc-worker
MARKER=/tmp/ktstr-worker-ready
OTHER_UID=1000
# Bits of linux/capability.h: CAP_SYS_PTRACE, and CAP_DAC_READ_SEARCH with it.
LOOP_RIGHTS=0000000000080000 SCOUT_RIGHTS=0000000000080004

counter() { readyctl stats 2>/dev/null | sed -n "s/^$1=//p"; }
counter_is() { [ "$(counter "$1")" = "$2" ]; }
show() { systemctl show --value -p "$1" readyd.service; } # PROPERTY
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; } # PID NAME
children() { cat "/proc/$1/task/$1/children"; }
is() { [ "$(show ActiveState)" = "$1" ]; }
is_mounted() { grep -q " $1 " /proc/self/mounts; }
has_ended() { [ ! -e "/proc/$1" ]; }
# The values are with units: "1min 30s".
seconds_of() { systemd-analyze timespan "$1" | awk '/μs:/ { print int($2 / 1000000) }'; }

# systemd logs to the kernel's log.
explain() { dmesg | grep -E 'systemd|readyd' | tail -n 20; systemctl status readyd.service || :; }
restart() { systemctl restart readyd.service || { explain; die "the unit cannot be restarted"; }; }

spawn_worker() {
	rm -f go
	mkfifo go
	# shellcheck disable=SC2016
	spawn sh -c 'read -r _ <go; exec "$@"' worker "$WORKER" 4096
	PID=$LAST
}

spawn_waits() { # COUNT PID
	WAITS=''
	for _ in $(seq "$1"); do
		spawn readyctl -q wait --timeout 60 "$2"
		WAITS="$WAITS $LAST"
	done
}
all_are_told() { for pid in $WAITS; do expect_exit 0 wait "$pid"; done; }

# The first case: no process of the daemon runs until a client connects. /tmp is mounted before it starts.
test_the_socket_starts_the_service() {
	systemctl enable --now readyd.socket 2>enabled || { cat enabled; explain; die "the socket cannot be started"; }
	expect "state" "$(show ActiveState)" inactive
	! is_mounted /tmp || die "/tmp is mounted without the service"
	readyctl ping || { explain; die "no answer"; }
	until_true 60 is active
	is_mounted /tmp || die "/tmp is not mounted"
	expect "restarts" "$(show NRestarts)" 0
	expect "its process" "$(show MainPID)" "$(counter pid)"
}

test_a_wait_is_told_of_a_marker() {
	spawn_worker
	spawn_waits 5 "$PID"
	until_true 60 counter_is gates 1
	echo >go
	all_are_told
	expect_exit 0 readyctl status --no-fallback "$PID"
}

# Without its notification, the service never becomes active.
test_the_service_is_up_when_it_says_so() {
	mkdir -p /run/systemd/system/readyd.service.d
	cat >/run/systemd/system/readyd.service.d/mute.conf <<-'END'
		[Service]
		ExecStart=
		ExecStart=/usr/sbin/readyd --log-level error
		UnsetEnvironment=NOTIFY_SOCKET
		TimeoutStartSec=3
		Restart=no
	END
	systemctl daemon-reload
	! systemctl restart readyd.service 2>failed || die "it is up without a word"
	grep -q 'a timeout was exceeded' failed || { explain; die "$(cat failed)"; }
	rm -r /run/systemd/system/readyd.service.d
	systemctl daemon-reload
	systemctl reset-failed
	restart
	expect "state" "$(show ActiveState)" active
}

# What readyd(8) states in TRUST.
test_the_processes_have_the_rights_of_the_manual() {
	spawn_below_another_root
	expect_exit 0 readyctl status --no-fallback "$PID"
	loop=$(counter pid)
	expect "rights" "$(counter rights)" sys_ptrace
	expect "filter" "$(counter sandbox)" on
	# shellcheck disable=SC2046
	set -- $(children "$loop")
	spawner=$1
	scout=$(children "$spawner" | tr -d ' ')
	[ -n "$scout" ] || die "no scout has looked below another root"
	uid=$(sed -n 's/^readyd:[^:]*:\([0-9]*\):.*/\1/p' /etc/passwd)
	[ -n "$uid" ] || die "there is no user readyd"
	for pid in "$loop" "$spawner" "$scout"; do
		expect "users of $pid" "$(field "$pid" Uid)" "$(printf '%s\t%s\t%s\t%s' "$uid" "$uid" "$uid" "$uid")"
		expect "filter of $pid" "$(field "$pid" Seccomp)" 2
		expect "no_new_privs of $pid" "$(field "$pid" NoNewPrivs)" 1
		for set in CapInh CapAmb; do expect "$set of $pid" "$(field "$pid" $set)" 0000000000000000; done
		# The unit has no right to empty it.
		expect "bounds of $pid" "$(field "$pid" CapBnd)" $SCOUT_RIGHTS
	done
	expect "rights of the loop" "$(field "$loop" CapEff) $(field "$loop" CapPrm)" "$LOOP_RIGHTS $LOOP_RIGHTS"
	expect "rights of a scout" "$(field "$scout" CapEff) $(field "$scout" CapPrm)" "$SCOUT_RIGHTS $SCOUT_RIGHTS"
}

# Another user's process, whose directory is closed to all others; $PID has a marker in it.
spawn_below_another_root() {
	mkdir -p jail
	chown $OTHER_UID jail
	# shellcheck disable=SC2016
	spawn /guest/under uid $OTHER_UID unshare -Urm --propagation private sh -c '
		mount -t tmpfs -o mode=700 none /tmp && : >"$0-$$" && : >jail/up && exec sleep 1000' $MARKER
	PID=$LAST
	until_true 60 test -e jail/up
}

test_the_service_sees_the_tmp_of_all() {
	expect "PrivateTmp" "$(show PrivateTmp)" no
	expect "mount namespace" "$(readlink "/proc/$(counter pid)/ns/mnt")" "$(readlink /proc/1/ns/mnt)"
	mount -t tmpfs over /tmp
	spawn_worker
	spawn_waits 1 "$PID"
	until_true 60 counter_is gates 1
	echo >go
	all_are_told
	umount /tmp
}

test_the_exposure_is_low() {
	systemd-analyze security --no-pager --threshold=30 readyd.service >rated || { cat rated; die "exposed"; }
	note "$(grep Overall rated | sed 's/[^0-9A-Za-z.: ]//g')"
}

another_serves() { now=$(counter pid) && [ -n "$now" ] && [ "$now" != "$1" ]; }

# The socket stays with systemd, so no client is refused meanwhile.
test_a_restart_in_mid_wait() {
	spawn_worker
	spawn_waits 5 "$PID"
	until_true 60 counter_is gates 1
	old=$(counter pid)
	restart
	another_serves "$old" || die "the same process serves"
	until_true 60 counter_is gates 1
	echo >go
	all_are_told
}

test_the_service_is_started_again_after_its_death() {
	spawn_worker
	spawn_waits 5 "$PID"
	until_true 60 counter_is gates 1
	old=$(counter pid)
	kill -KILL "$old"
	until_true 60 another_serves "$old"
	echo >go
	all_are_told
	until_true 60 is active
	expect "restarts" "$(show NRestarts)" 1
}

# --- a scout that is stuck

load_modules() {
	for module; do
		grep -qE "[[:space:]]$module\$" /proc/filesystems && continue
		[ -e "/guest/modules/$module.ko" ] || skip "the kernel has no module $module here"
		insmod "/guest/modules/$module.ko"
	done
}

# Another user's process: the marker directory is an overlay over a file system of that user that can stop. $PID
spawn_hostile() {
	[ -x /guest/clockfs ] || skip "built without fuse3"
	load_modules fuse overlay
	chmod 666 /dev/fuse
	mkdir hung
	chown $OTHER_UID hung
	spawn /guest/under uid $OTHER_UID unshare -Urm --propagation private sh -c '
		set -e
		cd hung
		mount -t tmpfs none /mnt
		mkdir /mnt/lower /mnt/upper /mnt/work
		/guest/clockfs /mnt/lower >out 2>log &
		echo $! >fs
		until grep -q " /mnt/lower " /proc/self/mounts; do usleep 20000; done
		mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work,userxattr none /tmp
		: >up
		exec sleep 1000' 2>hostile
	PID=$LAST
	until_true 60 is_up_or_not
	[ -e hung/up ] || die "$(cat hostile hung/log)"
	SPAWNED="$SPAWNED $(cat hung/fs)"
	kill -USR1 "$(cat hung/fs)"
	until_true 60 grep -q hangs hung/out
}
is_up_or_not() { [ -e hung/up ] || has_ended "$PID"; }

# A look of readyctl's own would hang.
ask() { printf 'QUERY %s\n' "$1" | nc -w 5 local:/run/readyd.sock | head -n 1; }
is_killed() { [ $((0x$(field "$1" ShdPnd) & 0x100)) -ne 0 ]; }

# Its file system has the request, so SIGKILL does not end it. The unit does not wait for it.
test_a_restart_although_a_scout_is_stuck() {
	spawn_hostile
	expect_exit 6 readyctl status --no-fallback "$PID" >told
	grep -q 'reason=directory-hangs' told || die "$(cat told)"
	old=$(counter pid)
	# shellcheck disable=SC2046
	set -- $(children "$old")
	scout=$(children "$1" | tr -d ' ')
	until_true 60 is_killed "$scout"
	since=$(now_ms)
	restart
	took=$(($(now_ms) - since))
	! has_ended "$scout" || die "the scout is not stuck"
	another_serves "$old" || die "the same process serves"
	limit=$(seconds_of "$(show TimeoutStopUSec)")
	note "restarted in $took ms; the time-out is $limit s"
	[ $took -lt $((limit * 1000)) ] || die "it took $took ms"
	expect "result" "$(show Result) $(show ActiveState)" "success active"
	spawn_worker
	spawn_waits 1 "$PID"
	until_true 60 counter_is gates 1
	echo >go
	all_are_told
	kill -USR2 "$(cat hung/fs)"
	until_true 60 has_ended "$scout"
}

# Stopped for good, socket and all.
test_the_service_stops() {
	systemctl stop readyd.socket readyd.service
	expect "state" "$(show ActiveState) $(show Result)" "inactive success"
	! readyctl ping 2>/dev/null || die "a daemon answers"
}

export PATH=/usr/sbin:/usr/bin
systemd-sysusers || echo "# cannot create the user readyd"
run_tests
sync
poweroff -f
