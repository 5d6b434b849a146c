# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2153,SC2154
# readyd-mqtt tells a broker that its node is online, that a process is ready and has ended, and at its end that the node
# is offline; the calls of libmosquitto count as its own. However it ends, the broker does not say any more that the node
# is online.
DEADLINE=30 CPU_MS=1500 LOG_BYTES=2000
# How long it may take, if the fault lasts, and if it does not: until then it connects again.
PATIENCE=3
! is_once || PATIENCE=20
# The broker keeps what is said of a node: no other trial has this name, though it may have the pids of this one.
NODE=t$$-${EPOCHREALTIME//[!0-9]/}
export READYD_SOCKET=$T/s

prepare() {
	mkfifo "$T/serves" "$T/heard"
	exec 7<>"$T/heard"
	"$READYD" --socket "$T/s" --dir "$T/m" --ready-fd 9 9>"$T/serves" 2>"$T/daemon" &
	started+=($!)
	read -r -t 20 <"$T/serves"
	mosquitto_sub -h 127.0.0.1 -p "$BROKER_PORT" -q 1 -t "readyd/1/$NODE/#" -F '%t %p' >&7 2>>"$T/shell" &
	started+=($!)
	worker
}

start_victim() {
	(
		status=0
		(victim "$BUILD/fleet/readyd-mqtt" --broker "127.0.0.1:$BROKER_PORT" --node "$NODE") 2>"$T/err" 7>&- || status=$?
		echo "ended $status" >&7
	) &
	VICTIM=$!
}

# Its parent is inject, and that of inject the shell.
end_victim() {
	local inject
	inject=$(<"/proc/$VICTIM/task/$VICTIM/children")
	# shellcheck disable=SC2046
	kill -TERM $(<"/proc/${inject% }/task/${inject% }/children")
} 2>/dev/null

# Each step follows from the line before. True: it is to be ended.
step() { # LINE
	case $1 in
	"readyd/1/$NODE/status "*'"online"'*) : >"$MARKER" ;;
	"readyd/1/$NODE/process/$PID:"*'"ready"'*) kill -KILL "$PID" ;;
	"readyd/1/$NODE/process/$PID:"*'"exited"'*) return 0 ;;
	esac
	return 1
}

# The next whole line is $LINE. False: there is none after these seconds, and what came of it is kept.
PART=
next_line() { # SECONDS
	local part status=0
	LINE=
	read -r -t "$1" -u 7 part || status=$?
	PART+=$part
	[ "$status" -eq 0 ] || return
	LINE=$PART PART=
}

# Until it has ended; it is asked to when all has been told, or if that takes too long.
follow() {
	local until=$((SECONDS + PATIENCE)) asked=
	LINE=
	while [[ $LINE != ended\ * ]]; do
		! next_line 1 || echo "$LINE" >&8
		if step "$LINE" || { [ "$SECONDS" -gt "$until" ] && [ -z "$asked" ]; }; then
			asked=yes
			end_victim
		fi
	done
	STATUS=${LINE#ended }
}

# Of its node, as the broker has it.
last_status() { tac "$T/out" | sed -n "s|^readyd/1/$NODE/status ||p;T;q"; }

is_online() { [[ $(last_status) == *'"online"'* ]]; }

play() {
	local tries=10
	start_victim
	follow 8>"$T/out"
	# The will comes when the broker sees that the connection has ended.
	while is_online && [ $((tries--)) -gt 0 ] && next_line 2; do echo "$LINE" >>"$T/out"; done
	return "$STATUS"
}

# $LINE says that the process was never ready.
tells_false() {
	while read -r LINE; do
		[[ $LINE != "readyd/1/$NODE/process/$PID:"*'"'@(died|stale)'"'* ]] || return 0
	done <"$T/out"
	return 1
}

judge() {
	judge_end
	! tells_false || is_told_of_no_process || fail contrary "the broker has: $LINE"
	! is_online || fail contrary "the broker has: $(last_status)"
	[ "${SAID[signal]}" -eq 0 ] || outcome killed
	if [ "$STATUS" -ne 0 ]; then
		[ ${#LINES[@]} -gt 0 ] || [ "${WHAT[1]}" = write ] || fail silent
		outcome error "$ERR"
	fi
	if says "readyd/1/$NODE/process/$PID:[^ ]* .*\"exited\".*"; then
		judge_descriptors
		outcome right "fds=${SAID[fds]}"
	fi
	! is_told_of_a_closed_peer || outcome other "$ERR"
	! is_once || fail lost
	[ ${#LINES[@]} -gt 0 ] || [ "${WHAT[1]}" = write ] || fail silent
	outcome timed-out
}
