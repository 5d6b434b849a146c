#!/usr/bin/env bash
# Usage: tests/torture/trial.sh SCENARIO PROCESS CALL nth|from N ERRNO|KILL|NULL
#        tests/torture/trial.sh SCENARIO list
# Runs a scenario once while one of its system calls fails, or an allocation (CALL is then `malloc`), or while a process
# is killed, and prints one line: the outcome, the arguments, and for a failure what was seen. With `list`, prints the
# calls that the scenario makes. script/torture exports what this needs: BUILD, RUN, SOCKET. See tests/torture/README.md.
# shellcheck source=/dev/null disable=SC2034,SC2317
set -u
shopt -s extglob
here=${0%/*}
[[ $here == /* ]] || here=$PWD/$here
SCENARIO=$1
WHAT=("${@:2}")
READYD=$BUILD/daemon/readyd
READYCTL=$BUILD/client/readyctl
[ "${END:-0}" -eq 0 ] || [ "$EPOCHSECONDS" -lt "$END" ] || exit 0

T=$RUN/trial.$$
mkdir "$T" "$T/m" && cd "$T" || exit 1
started=()
finish() {
	local pid
	for pid in "${started[@]}"; do kill -KILL "$pid" 2>/dev/null; done
	wait
	cd / && rm -rf "$T" "$MARKER"
}
trap finish EXIT
exec 2>"$T/shell"

outcome() { # WORD [DETAIL]
	local word=$1 detail=${2-}
	[ -z "$detail" ] || detail=" | ${detail//$'\n'/ / }"
	echo "$word $SCENARIO ${WHAT[*]}${detail:0:600}"
	exit 0
}
seen() { echo "$1; $(<"$T/report"); out: ${OUT:0:200}; err: ${ERR:0:300}"; }
fail() { outcome "FAIL:$1" "$(seen "${2-}")"; }

# worker COMMAND...: $PID is a process that runs until it is killed, or this command.
MARKER=/dev/null/none
worker() {
	[ $# -gt 0 ] || set -- sleep 1000
	"$@" &
	PID=$!
	started+=("$PID")
	MARKER=$READYD_DIR/ktstr-worker-ready-$PID
}

# bystanders: OTHERS are eight processes that never have a marker. torture.sh has some for all trials.
bystanders() {
	read -r -a OTHERS <<<"${BYSTANDERS-}"
	while [ ${#OTHERS[@]} -lt 8 ]; do
		worker
		OTHERS+=("$PID")
	done
}

# victim PROGRAM ARGUMENT...: runs it with the fault; the file TOUCH is made when it sleeps.
victim() {
	local inject=("$BUILD/tests/torture/inject" --report "$T/report" --deadline "$DEADLINE")
	[ -z "$TOUCH" ] || inject+=(--touch "$TOUCH")
	case ${WHAT[*]} in
	list) inject+=(--list) ;;
	*malloc*)
		export "MALLOC_${WHAT[2]^^}=${WHAT[3]}"
		inject+=(--call setsid --nth 1000000 --errno EPERM)
		;;
	*KILL) inject+=(--process "${WHAT[0]}" --call "${WHAT[1]}" "--${WHAT[2]}" "${WHAT[3]}" --kill) ;;
	*) inject+=(--process "${WHAT[0]}" --call "${WHAT[1]}" "--${WHAT[2]}" "${WHAT[3]}" --errno "${WHAT[4]}") ;;
	esac
	if [ "$ALLOCATES" = yes ] && [[ ${WHAT[*]} == list || ${WHAT[*]} == *malloc* ]]; then
		inject+=(--preload "$BUILD/tests/torture/failing_malloc.so")
		export MALLOC_COUNT=$T/allocations
	fi
	exec "${inject[@]}" -- "$@"
}

# Builtins: a trial is short, and there are thousands.
read_results() {
	local word
	declare -gA SAID=()
	read -r -a words <"$T/report" || fail no-report "$(cat "$T/shell")"
	for word in "${words[@]}"; do SAID[${word%%=*}]=${word#*=}; done
	OUT=$(<"$T/out")
	ERR=$(<"$T/err")
	mapfile -t LINES <"$T/err"
}
# says REGEX: a line on standard output.
says() { [[ $'\n'$OUT =~ $'\n'($1) ]]; }

is_once() { [ "${WHAT[2]-nth}" = nth ]; }

# What must hold whatever fails.
judge_end() {
	[ "${SAID[cpu_ms]}" -le "$CPU_MS" ] || fail spin
	[ "${SAID[injected]}" -le "$INJECTED" ] || fail spin
	[ "${SAID[late]}" -eq 0 ] || fail hang
	[ "${SAID[left]}" -eq 0 ] || fail left-behind
	[[ ${SAID[signal]} -eq 0 || ${WHAT[*]} == *KILL || ${SIGNAL-} == KILL ]] || fail crash
	[ ${#ERR} -le "$LOG_BYTES" ] || fail log
}

# Only a program that gives the right answer has closed what it need not keep. It may keep KEPT more.
KEPT=0
judge_descriptors() {
	local most
	[ -s "$RUN/$SCENARIO.fds" ] || return
	most=$(($(<"$RUN/$SCENARIO.fds") + KEPT))
	[ "${SAID[fds]}" -le "$most" ] || fail leak "more than $most descriptors"
}

# That the peer has closed a connection is the kernel's word, too.
is_told_of_a_closed_peer() { [[ ${WHAT[1]} =~ ^(write|sendto)$ && ${WHAT[4]} =~ ^(EPIPE|ECONNRESET)$ ]]; }

# That a process does not exist is the kernel's word.
is_told_of_no_process() { [[ ${WHAT[1]} == pidfd_open && ${WHAT[4]} =~ ^(ESRCH|EINVAL)$ ]]; }

# RIGHT_STATUS and RIGHT are the answer; FALSE must never be said, OTHER may be.
judge_client() {
	judge_end
	! is_told_of_no_process || FALSE=${FALSE//@(died|exited)/stale} OTHER='(died|exited|unreachable) '
	! says "$FALSE" || fail contrary
	if [ "$STATUS" -eq "$RIGHT_STATUS" ] && { [ -z "$RIGHT" ] || says "$RIGHT"; }; then
		judge_descriptors
		outcome right "fds=${SAID[fds]}"
	fi
	[ "$STATUS" -ne "$RIGHT_STATUS" ] || fail contrary "the status without its answer"
	[ ${#LINES[@]} -le "$ERR_LINES" ] || fail noisy
	if [ "$STATUS" -eq 124 ]; then
		! is_once || is_told_of_no_process || fail lost
		outcome timed-out
	fi
	! says "$OTHER" || outcome other "$OUT"
	[ ${#LINES[@]} -gt 0 ] || [ "${WHAT[1]}" = write ] || fail silent
	outcome error "$ERR"
}

# A scenario is a file that sets what differs from this, and may replace `prepare`, `play` and `judge`.
# A call that fails only once does not keep the answer back, but the machine may have other work; one that fails from then
# on may.
DEADLINE=8 TIMEOUT=2.5
! is_once || DEADLINE=30 TIMEOUT=20
CPU_MS=400
# What fails is tried again now and then, not at once.
INJECTED=1000
LOG_BYTES=1000 ERR_LINES=1
ALLOCATES=yes
TOUCH=
RIGHT_STATUS=0 RIGHT='ready ' FALSE='(died|exited|stale) ' OTHER='(pending|unreachable) '
export READYD_DIR=$T/m READYD_SOCKET=$SOCKET
unset READYD_BACKEND
prepare() { worker; }
play() { (victim "$READYCTL" "${COMMAND[@]}") >"$T/out" 2>"$T/err"; }
judge() { judge_client; }
by_file() { export READYD_BACKEND=file; }
by_daemon() { export READYD_DIR=$RUN/m; }
. "$here/scenarios/$SCENARIO.sh"

prepare
STATUS=0
play || STATUS=$?
if [ "${WHAT[*]}" = list ]; then
	sed "s/^/$SCENARIO /" "$T/report"
	[ "$ALLOCATES" = no ] || echo "$SCENARIO 0 malloc $(<"$T/allocations")"
	exit 0
fi
read_results
judge
