#!/usr/bin/env bash
# Marker directories on file systems that do not answer.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031,SC2119
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

CLOCKFS=$BUILD/tests/fs/clockfs
THIRD_UID=65533
HANGS='unreachable [0-9]+ start=[0-9]+ reason=directory-hangs'

# One marker of a third user takes less than 1 ms, and up to 40 ms while the daemon waits for two looks that hang. On a
# machine that runs other tests as well, either process may get no CPU for longer than that.
TOLD_MEDIAN_MS=50 TOLD_MOST_MS=1000
! is_sanitized || TOLD_MEDIAN_MS=200 TOLD_MOST_MS=5000

# /dev/fuse may be for root only: everybody gets one in the mount namespace.
need_clockfs() {
	[ -x "$CLOCKFS" ] || skip "built without fuse3"
	[ -w /dev/fuse ] || skip "/dev/fuse is missing or may not be opened"
	need setpriv
	mkdir -p m hung
	chmod 1777 m
	[ -e fuse ] || mknod -m 666 fuse c 10 229
}

# hang: every look into the file system sleeps from now on, until answer.
hang() { kill -USR1 "$CLOCKFS_PID" && until_true 60 grep -q hangs hung/clockfs.out; }
answer() { kill -USR2 "$CLOCKFS_PID" && until_true 60 grep -q answers hung/clockfs.out; }

# spawn_hostile COUNT: another user makes so many mount namespaces, each with an overlay over one file system of its own
# on the marker directory, and a process in each, which creates its marker when something is written to go.PID. HOSTILE
# are their pids. The user may stop its file system, and with it the looks of root; a plain FUSE file system would
# refuse root at once.
spawn_hostile() {
	local count=$1
	need_other_user
	need_clockfs
	chown "$OTHER_UID" hung
	spawn unshare -m --propagation private bash -c 'mount --bind "$0" /dev/fuse && exec "$@"' "$T/fuse" \
		"${AS_OTHER_USER[@]}" unshare -Urm --propagation private bash -c '
		set -e
		cd hung
		mount -t tmpfs none /mnt
		mkdir /mnt/lower
		setpriv --pdeathsig KILL "$0" /mnt/lower >clockfs.out 2>clockfs.log &
		echo $! >clockfs.pid
		until mountpoint -q /mnt/lower; do kill -0 $!; done
		for ((i = 0; i < $1; i++)); do
			mkdir /mnt/u$i /mnt/w$i
			setpriv --pdeathsig KILL unshare -m bash -c "
				mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/u$i,workdir=/mnt/w$i,userxattr none $2/m &&
				mkfifo go.\$\$ && echo \$\$ >>pids && read -r <go.\$\$ &&
				: >$2/m/ktstr-worker-ready-\$\$ && exec sleep 1000" &
		done
		wait' "$CLOCKFS" "$count" "$T" 2>hostile.log
	until_true 60 hostile_are "$count" "$LAST"
	has_lines hung/pids "$count" || skip "no such file system can be mounted: $(cat hostile.log hung/clockfs.log)"
	mapfile -t HOSTILE <hung/pids
	CLOCKFS_PID=$(cat hung/clockfs.pid)
}
hostile_are() { { [ -e hung/pids ] && has_lines hung/pids "$1"; } || has_ended "$2"; }


daemon_says() { status_is daemon "$@"; }
children() { cat "/proc/$1/task/$1/children"; }
# The first child of the daemon starts scouts.
spawner() { children "$DAEMON" | cut -d ' ' -f 1; }

# ask_all PID...: the daemon is asked about all of them; the answers are in out. A look of readyctl's own would hang.
ask_all() {
	python "$@" >out <<-'EOF'
	client = Client()
	for pid in sys.argv[1:]:
	    print(client.ask(f"QUERY {pid}"))
	EOF
}

# The attack: one user asks about its 20 directories as fast as it can, and waits for them.
test_others_are_told_although_directories_hang() {
	local median=$TOLD_MEDIAN_MS most=$TOLD_MOST_MS
	start_for_python
	spawn_hostile 20
	hang
	spawn_python "$OTHER_UID" "${HOSTILE[@]}" <<-'EOF'
	os.setuid(int(sys.argv[1]))
	clients = [(Client(), pid) for pid in sys.argv[2:]]
	rounds = 0
	while True:
	    for client, pid in clients:
	        client.send(f"QUERY {pid}\nWAIT {pid} 1\n")
	    for client, pid in clients:
	        client.line()
	        client.line()
	    rounds += 1
	    if rounds == 10:
	        open("hung/attacked", "w").close()
	EOF
	until_true 60 exists hung/attacked
	WORKERS=()
	for _ in {1..200}; do
		spawn setpriv "--reuid=$THIRD_UID" --clear-groups sleep 1000
		WORKERS+=("$LAST")
	done
	python "$THIRD_UID" "$median" "$most" "${WORKERS[@]}" <<-'EOF'
	os.setuid(int(sys.argv[1]))
	median, most = int(sys.argv[2]), int(sys.argv[3])
	workers = sys.argv[4:]
	client = Client()
	client.send("".join(f"WAIT {pid}\n" for pid in workers) + "PING\n")
	same(client.line(), "PONG")
	took = []
	for pid in workers:
	    began = time.monotonic()
	    open(f"m/ktstr-worker-ready-{pid}", "w").close()
	    same(client.line().split()[:2], ["ready", pid])
	    took.append((time.monotonic() - began) * 1000)
	took.sort()
	print(f"told after {took[100]:.1f} ms (median), {took[-1]:.1f} ms (most)")
	assert took[100] <= median and took[-1] <= most, took
	EOF
	ctl stats | grep -E '^scouts'
	expect "stuck scouts" "$(counter scouts_stuck)" 2
}

# The third process is not looked at, since two looks are stuck; when the file system answers, all are.
test_late_looks_are_taken() {
	start_for_python
	spawn_hostile 3
	hang
	ask_all "${HOSTILE[@]}"
	expect "answers" "$(grep -cxE "$HANGS" out)" 3
	expect "stuck scouts" "$(counter scouts_stuck)" 2
	answer
	until_true 60 counter_is scouts_stuck 0
	for PID in "${HOSTILE[@]}"; do
		until_true 60 asked_is "$PID" "pending $PID .*"
	done
}
asked_is() { ask_all "$1" && grep -qxE "$2" out; }

# A wait is not ended by the directory that hangs, and told when the marker comes.
test_a_wait_goes_on_while_the_directory_hangs() {
	start_for_python
	spawn_hostile 1
	PID=${HOSTILE[0]}
	hang
	spawn_python "$PID" <<-'EOF'
	client = Client()
	client.send(f"WAIT {sys.argv[1]}\nPING\n")
	same(client.line(), "PONG")
	open("waits", "w").close()
	print(client.line(), file=open("told.new", "w"), flush=True)
	os.rename("told.new", "told")
	EOF
	until_true 60 exists waits
	until_true 60 counter_is scouts_stuck 1
	answer
	until_true 60 counter_is scouts_stuck 0
	expect "told" "$(ls told 2>/dev/null)" ""
	echo >"hung/go.$PID"
	until_true 60 exists told
	grep -qxE "ready $PID$AGE start=[0-9]+.*" told || die "told: $(cat told)"
}

# SIGKILL is pending for it.
is_killed() { [ $((0x$(awk '$1 == "ShdPnd:" { print $2 }' "/proc/$1/status") & 0x100)) -ne 0 ]; }

# The inode of the socket in /proc/net/unix that listens at the path.
listening_inode() { awk -v path="$T/s" '$8 == path && $4 == "00010000" { print $7 }' /proc/net/unix; }
# open_in LINK PID...: which of them and the daemon have such a descriptor.
open_in() {
	local link=$1 pid
	shift
	for pid in "$DAEMON" "$@"; do
		[ -z "$(find "/proc/$pid/fd" -lname "$link")" ] || echo "$pid"
	done
}

# stop_with_a_stuck_scout SIGNAL: the scout has been killed, but the file system has its request, so it stays. The daemon
# ends within a second, and another one can be started.
stop_with_a_stuck_scout() {
	local since scout starter took
	ask_all "${HOSTILE[0]}"
	grep -qxE "$HANGS" out || die "$(cat out)"
	starter=$(spawner)
	scout=$(children "$starter" | tr -d ' ')
	until_true 60 is_killed "$scout"
	expect "processes that hold the lock" "$(open_in "$T/s.lock" "$starter" "$scout")" "$DAEMON"
	expect "processes that hold the socket" "$(open_in "socket:\\[$(listening_inode)\\]" "$starter" "$scout")" "$DAEMON"
	since=$(now_ms)
	kill "-$1" "$DAEMON"
	until_true 60 has_ended "$DAEMON"
	took=$(($(now_ms) - since))
	echo "end by SIG$1: $took ms"
	[ $took -le 1000 ] || die "the daemon took $took ms to end"
	until_true 60 has_ended "$starter"
	! has_ended "$scout" || die "the scout is not stuck"
	since=$(now_ms)
	start_readyd
	alive
	took=$(($(now_ms) - since))
	echo "start after SIG$1: $took ms"
	[ $took -le 1000 ] || die "the daemon took $took ms to start"
	marker_ends_a_new_wait daemon
	SCOUTS+=("$scout")
}

test_the_daemon_ends_and_starts_although_a_scout_is_stuck() {
	local scout
	start_for_python
	spawn_hostile 1
	hang
	SCOUTS=()
	stop_with_a_stuck_scout TERM
	stop_with_a_stuck_scout KILL
	ask_all "${HOSTILE[0]}"
	grep -qxE "$HANGS" out || die "$(cat out)"
	answer
	for scout in "${SCOUTS[@]}"; do
		until_true 60 has_ended "$scout"
	done
	until_true 60 asked_is "${HOSTILE[0]}" "pending ${HOSTILE[0]} .*"
}

# What a stuck scout holds would stay open beyond the daemon: the lock, sockets, pipes of the supervisor.
test_a_scout_holds_nothing_that_matters() {
	local scout
	start_for_python
	spawn_hostile 1
	expect "scouts" "$(children "$(spawner)")$(counter scouts)" 0
	hang
	ask_all "${HOSTILE[0]}"
	scout=$(children "$(spawner)" | tr -d ' ')
	expect "files of the spawner" "$(files_of "$(spawner)")" "$(printf '%s\n' /dev/null /dev/null "$T/readyd.log" socket)"
	# It also holds the directory that it looks at.
	expect "files of the scout" "$(files_of "$scout" | grep -vx "$T/m")" \
		"$(printf '%s\n' /dev/null /dev/null "$T/readyd.log" pidfd socket)"
	find "/proc/$DAEMON/fd" -lname 'socket:*' -printf '%l\n' | sort >daemons
	find "/proc/$scout/fd" -lname 'socket:*' -printf '%l\n' | sort >scouts
	expect "sockets of the daemon that the scout holds" "$(comm -12 daemons scouts)" ""
	answer
	until_true 60 counter_is scouts 0
	expect "scouts" "$(children "$(spawner)")" ""
}
files_of() { find "/proc/$1/fd" -type l -printf '%l\n' | sed 's/^socket:.*/socket/; s/^anon_inode:\[\(.*\)\]/\1/' | sort; }

# In a mount namespace without a hostile file system.
spawn_in_mounts() {
	spawn "$@" unshare "$MOUNTS" --propagation private bash -c 'mount -t tmpfs none "$0/m" && : >"$0/up" && exec sleep 1000' "$T"
	PID=$LAST
	until_true 60 exists up
}

test_a_spawner_that_is_killed_is_missed() {
	need_root
	start_for_python
	spawn_in_mounts
	expect_status daemon 1 "$PENDING" "$PID"
	kill -KILL "$(spawner)"
	until_true 60 grep -q 'the process that starts scouts has ended' readyd.log
	ask_all "$PID"
	grep -qxE "$HANGS" out || die "$(cat out)"
	marker_ends_a_new_wait daemon
}

# RLIMIT_NPROC does not count for root.
test_a_daemon_that_cannot_fork_says_so() {
	need_other_user
	need prlimit
	need python3
	: >wire.py
	chmod 1777 .
	export READYD_TRUST_UID=$OTHER_UID
	UNDER=("${AS_OTHER_USER[@]}" prlimit --nproc=1)
	start_for_python
	UNDER=()
	grep -q 'cannot start the process that starts scouts: .*; processes with another root are unreachable' readyd.log ||
		die "$(cat readyd.log)"
	expect "children" "$(children "$DAEMON")" ""
	MOUNTS=-Urm spawn_in_mounts "${AS_OTHER_USER[@]}"
	ask_all "$PID"
	grep -qxE "$HANGS" out || die "$(cat out)"
	marker_ends_a_new_wait daemon
}

# --- readyctl

# mount_clockfs: on m, in a mount namespace of the test.
mount_clockfs() {
	need_clockfs
	spawn "$CLOCKFS" m >hung/clockfs.out 2>hung/clockfs.log
	CLOCKFS_PID=$LAST
	until_true 60 is_mounted_or_over
	mountpoint -q m || skip "no FUSE file system can be mounted here: $(cat hung/clockfs.log)"
}
is_mounted_or_over() { mountpoint -q m || has_ended "$CLOCKFS_PID"; }

in_mounts() {
	need_root
	in_namespaces -m "$@"
}

# ends_after MS COMMAND...: the exit status is in GOT, the output in out and err. What is more than the time is that of
# starting and ending processes on a busy machine.
ends_after() {
	local ms=$1 since took
	shift
	since=$(now_ms)
	GOT=0
	timeout -s KILL 60 "$@" >out 2>err || GOT=$?
	took=$(($(now_ms) - since))
	echo "$*: exit status $GOT after $took ms"
	if [ $took -lt "$ms" ] || [ $took -gt $((ms + 5000)) ]; then die "it took $took ms: $(cat out err)"; fi
}

owes_an_answer() { # PID
	grep -qxE "unreachable $1 reason=directory-hangs" out || die "no answer for $1: $(cat out err)"
	grep -q "^readyctl: process $1 is unreachable: the file system of its marker directory does not answer" err ||
		die "no explanation for $1: $(cat out err)"
}

time_out_holds() {
	mount_clockfs
	spawn_workers 2
	hang
	ends_after 1000 "$READYCTL" wait --timeout 1 "${WORKERS[@]}"
	expect "exit status of wait" "$GOT" 124
	owes_an_answer "${WORKERS[0]}"
	owes_an_answer "${WORKERS[1]}"
	expect "explanations" "$(grep -c '^readyctl: timed out after 1000 ms' err)" 2
	ends_after 5000 "$READYCTL" status "${WORKERS[0]}"
	expect "exit status of status" "$GOT" 6
	owes_an_answer "${WORKERS[0]}"
	answer
	ends_after 0 "$READYCTL" wait --timeout 0.2 "${WORKERS[0]}"
	expect "exit status of wait, which looks again" "$GOT" 124
	grep -qxE "pending ${WORKERS[0]} start=[0-9]+ reason=deadline" out || die "$(cat out err)"
}
test_the_time_out_holds_although_the_directory_hangs() { in_mounts time_out_holds; }

# What the child has printed before it hangs is not printed again.
one_is_told() {
	mount_clockfs
	spawn_workers 2
	spawn_waiters 1 --any --timeout 3 "${WORKERS[0]}" "${WORKERS[1]}"
	wait_for_watches
	kill_and_reap "${WORKERS[0]}"
	until_true 60 grep -q '^died' "out.${WAITERS[0]}"
	hang
	all_end 124 "${WAITERS[@]}"
	expect "answers" "$(cut -d ' ' -f 1,2 "out.${WAITERS[0]}")" "died ${WORKERS[0]}
unreachable ${WORKERS[1]}"
}
test_what_was_told_before_the_hang_is_not_told_again() { in_mounts one_is_told; }

# Bash has a job in the background ignore SIGINT.
spawn_waiter_with_signals() {
	AS=(env --default-signal=INT)
	spawn_waiters 1 "$PID"
	AS=()
}
lookout() { lookouts "${WAITERS[0]}" | tr -d ' '; }
is_in_fuse() { grep -qsE 'request_wait_answer|fuse' "/proc/$(lookout)/wchan"; }

signals_pass() {
	local number child stuck=
	mount_clockfs
	spawn_worker
	for number in 1 2 15; do
		spawn_waiter_with_signals
		wait_for_watches
		child=$(lookout)
		kill "-$number" "${WAITERS[@]}"
		all_end $((128 + number)) "${WAITERS[@]}"
		until_true 60 has_ended "$child"
	done
	hang
	for number in 1 2 15; do
		spawn_waiter_with_signals
		until_true 60 is_in_fuse
		: "${stuck:=$(lookout)}"
		kill "-$number" "${WAITERS[@]}"
		all_end $((128 + number)) "${WAITERS[@]}"
		# The file system has read the request of the first one only.
		! has_ended "$stuck" || die "the child does not hang"
	done
	answer
	until_true 60 has_ended "$stuck"
}
test_signals_reach_a_command_that_hangs() { in_mounts signals_pass; }

run_passes() {
	mount_clockfs
	hang
	run 124 run --timeout 1 --print json -- sh -c 'echo $$ >pid; exec sleep 1000'
	grep -q "its marker directory does not answer" err || die "$(cat err)"
	grep -q '"exit":124,"exit_from":"verdict".*"signal":15' out || die "$(cat out)"
	# Whether it had been ready is in that directory alone.
	run 6 run -- sh -c 'exit 1'
	grep -q "ended with exit status 1; its marker directory does not answer; exit code 6" err || die "$(cat err)"
	spawn_worker
	run 125 mark "$PID"
	grep -q "the marker directory does not answer" err || die "$(cat err)"
	answer
}
test_a_run_in_a_directory_that_hangs_ends_in_time() { in_mounts run_passes; }

status_passes() {
	mount_clockfs
	spawn_worker
	spawn_waiters 2 "$PID"
	wait_for_watches
	mark "$PID"
	all_end 0 "${WAITERS[@]}"
	expect_status file 0 "ready $PID .*" "$PID"
	kill_and_reap "$PID"
	expect_status file 4 "exited $PID .*" "$PID"
}
test_the_exit_status_passes_through_the_child() { in_mounts status_passes; }

# Root looks where another user has stopped the file system.
test_the_time_out_holds_for_a_hostile_process() {
	start_readyd
	spawn_hostile 1
	hang
	ends_after 1000 "$READYCTL" wait --timeout 1 "${HOSTILE[0]}"
	expect "exit status" "$GOT" 124
	owes_an_answer "${HOSTILE[0]}"
}

warnings() { select_lines -c "warning: $T/m may be on a network or FUSE file system" readyd.log; }

# The daemon looks at its own directory by itself: it says so, once, whenever such a file system comes to be there.
directory_of_the_daemon_may_hang() {
	mkdir m
	start_readyd
	expect "warnings about a local directory" "$(warnings)" 0
	mount_clockfs
	until_true 60 counter_is scans 2
	expect "warnings after the mount" "$(warnings)" 1
	kill -HUP "$DAEMON"
	until_true 60 counter_is scans 3
	kill_readyd
	expect "warnings after SIGHUP" "$(warnings)" 1
	start_readyd
	expect "warnings with that of the next daemon" "$(warnings)" 2
}
test_a_directory_of_the_daemon_that_may_hang_is_named() { in_mounts directory_of_the_daemon_may_hang; }

run_tests "$@"
