# shellcheck shell=bash disable=SC1091,SC2016,SC2034,SC2153,SC2154
# The daemon serves a client with a gate, one with nine processes on a connection, and one whose process ends. Whatever
# happens to it, the clients get the right answer: it is either served, or has ended, or the clients go on by the file.
by_file
ALLOCATES=no DEADLINE=25 CPU_MS=1000 LOG_BYTES=4000
# It looks at each process of the machine, several times.
EVERY=(/proc/[0-9]*)
INJECTED=$((1000 + 50 * ${#EVERY[@]}))
unset READYD_BACKEND
export READYD_SOCKET=$T/s

prepare() {
	mkfifo "$T/quit" "$T/serves"
	worker sh -c "read -r line <$T/quit"
	ENDING=$PID
	bystanders
	worker
}

start_victim() {
	local line
	(victim "$READYD" --socket "$T/s" --dir "$T/m" --ready-fd 9 9>"$T/serves") 2>"$T/err" &
	VICTIM=$!
	# Returns when it serves or has ended.
	read -r -t 20 line <"$T/serves"
}

client() { # NAME ARGUMENT...
	timeout 15 "$READYCTL" "${@:2}" >"$T/$1" 2>&1 &
	CLIENTS+=($!)
}

play() {
	local client
	CLIENTS=() SIGNAL=TERM
	: >"$T/out"
	start_victim
	client gate wait --timeout 10 "$PID"
	client many wait --any --timeout 10 "${OTHERS[@]}" "$PID"
	client end wait --timeout 10 "$ENDING"
	# Most of the clients are served by then; for the answer it does not matter.
	read -r -t 0.03 <>"$T/serves"
	: >"$MARKER"
	: >"$T/quit"
	for client in "${CLIENTS[@]}"; do wait "$client"; done
	timeout 15 "$READYCTL" status "$PID" "${OTHERS[0]}" >"$T/status" 2>&1
	timeout 15 "$READYCTL" list >"$T/list" 2>&1
	# libevent passes a signal on by writing to its own pipe: without that write, SIGTERM is lost.
	[[ ${WHAT[1]-} != write ]] || SIGNAL=KILL
	# shellcheck disable=SC2046
	kill "-$SIGNAL" $(<"/proc/$VICTIM/task/$VICTIM/children") 2>/dev/null
	wait "$VICTIM"
}

is_answer() { # NAME REGEX
	[[ $(<"$T/$1") =~ ^$2$ ]] || fail client "$1: $(<"$T/$1")"
}

# That no process has a number is the kernel's word, too: a marker that is seen then is a leftover, which a process that
# has the number all the same is taken not to have written.
is_told_of_a_free_number() { [[ ${WHAT[1]} == kill && ${WHAT[4]} == ESRCH ]]; }

judge() {
	local READY='( age=assumed)? start=[0-9]+( empty=1| latched=1)*' OLDER=
	! is_told_of_a_free_number || OLDER='|.* reason=older-than-process.*|.*: older-than-process;.*'
	is_answer end "died $ENDING.*"
	if ! is_told_of_no_process; then
		is_answer gate "(ready $PID$READY$OLDER)"
		is_answer many "(ready $PID$READY$OLDER)"
		is_answer status "(ready $PID$READY$OLDER)"$'\n'"pending ${OTHERS[0]} .*"
	fi
	judge_end
	[ "${SAID[signal]}" -eq 0 ] || outcome killed
	if [ "$STATUS" -eq 0 ]; then
		# The socket of a client that may hold descriptors is left to the end of the process: one for each client.
		[[ ! ${WHAT[1]} =~ ^[gs]etsockopt$ ]] || KEPT=5
		judge_descriptors
		outcome right "fds=${SAID[fds]}"
	fi
	[[ $'\n'$ERR == *$'\n'"readyd: "[!i]* ]] || [ "${WHAT[1]}" = write ] || fail silent "status $STATUS"
	outcome error "$ERR"
}
