#!/usr/bin/env bash
# The rows of tests/vectors/verdicts, asked of libreadyd and of the bindings, without a daemon and with one.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031,SC2034,SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

# --- the world

# The marker of the process in question, which may have another pid and another directory for itself.
its_marker() { echo "${ITS_DIR:-$READYD_DIR}/ktstr-worker-ready-${NS_PID:-$PID}"; }

can_choose_pids() { unshare $PIDS --mount-proc bash -c 'echo 500 >/proc/sys/kernel/ns_last_pid' 2>/dev/null; }

# A process that ends as told, with a parent that never reaps it.
make_unreaped() {
	spawn_unreaped "$1"
	until_true 60 is_state Z "$PID"
}

# A worker with the pid of an earlier process that has left its marker, at least so many milliseconds old.
make_leftover() { # MILLISECONDS
	local pid
	spawn_worker
	pid=$PID
	kill_and_reap "$pid"
	mark "$pid"
	until_true 60 is_old_enough "$(marker "$pid")" "$1"
	spawn_worker_with_pid "$pid"
}
is_old_enough() { # FILE MILLISECONDS
	[ $(($(now_ms) - $(stat -c %.3Y "$1" | tr -d .))) -ge "$2" ]
}

# The same, but no older than stamps can tell; the daemon has seen it before the process.
has_more_leftovers() { [ "$(counter leftovers)" -gt "$1" ]; }
make_seen_leftover() {
	local pid before=
	[ "$WITH" = file ] || before=$(counter leftovers)
	spawn_worker
	pid=$PID
	kill_and_reap "$pid"
	mark "$pid"
	[ "$WITH" = file ] || until_true 60 has_more_leftovers "$before"
	spawn_worker_with_pid "$pid"
}

# The daemon must not see it while it is root's.
make_foreign() {
	local marker new
	marker=$(its_marker)
	new=${marker%/*}/new
	: >"$new"
	chown 12345 "$new"
	mv -f "$new" "$marker"
}

# spawn_nested FLAGS COMMAND...: $NESTED is its pid: it is the first process of a pid namespace. Its parent does not reap
# it, and takes it along.
spawn_nested() {
	local flags=$1
	shift
	# shellcheck disable=SC2086
	spawn unshare -pf --kill-child $flags "$@"
	until_true 60 has_sleeping_child "$LAST"
	NESTED=$(child_of "$LAST")
	kill -STOP "$LAST"
	until_true 60 is_stopped "$LAST"
	NS_PID=1
}
child_of() { lookouts "$1"; }
has_sleeping_child() {
	local child
	child=$(child_of "$1")
	[ -n "$child" ] && grep -qsx sleep "/proc/${child% }/comm"
}

OWN_DIRECTORY='mount -t tmpfs none "$READYD_DIR" && exec sleep 1000'
make_rooted() {
	spawn unshare -m sh -c "$OWN_DIRECTORY"
	PID=$LAST
	until_true 60 grep -qsx sleep "/proc/$PID/comm"
	ITS_DIR=/proc/$PID/root$READYD_DIR
}

make() { # STEP
	case $1 in
	process) spawn_worker ;;
	none) PID=$NO_SUCH_PID ;;
	zombie) make_unreaped 'exit 7' ;;
	killed) make_unreaped 'kill -KILL $$' ;;
	reaped) spawn_worker && kill_and_reap "$PID" ;;
	no-directory) rm -rf "$READYD_DIR" ;;
	nested) spawn_nested "" sleep 1000 && PID=$NESTED ;;
	twin) spawn_nested "" sleep 1000 ;;
	twin-elsewhere) spawn_nested -m sh -c "$OWN_DIRECTORY" ;;
	foreign-twin) spawn_nested "" setpriv --reuid=12345 --clear-groups --pdeathsig=KILL sleep 1000 ;;
	rooted) make_rooted ;;
	marker | rewrite) echo ready >"$(its_marker)" ;;
	outer-marker) mark "$PID" ;;
	aged) until_true 60 is_old_enough "$(its_marker)" 200 ;;
	empty) : >"$(its_marker)" ;;
	directory) mkdir "$(its_marker)" ;;
	link) ln -s /dev/null "$(its_marker)" ;;
	fifo) mkfifo "$(its_marker)" ;;
	foreign) make_foreign ;;
	old) : >"$READYD_DIR/old" && until_true 60 is_old_enough "$READYD_DIR/old" 200 ;;
	moved) mv "$READYD_DIR/old" "$(its_marker)" ;;
	linked) : >"$READYD_DIR/new" && ln "$READYD_DIR/new" "$(its_marker)" ;;
	leftover) make_leftover 200 ;;
	seen-leftover) make_seen_leftover ;;
	replace) echo ready >"$READYD_DIR/new" && mv -f "$READYD_DIR/new" "$(marker "$PID")" ;;
	shared) chmod 1777 "$READYD_DIR" ;;
	known) [ "$WITH" = file ] || make_known ;;
	flash) make_flash ;;
	seen) make_seen ;;
	unmark) rm "$(its_marker)" ;;
	successor) make_successor ;;
	now) : >now ;;
	kill) kill -KILL "$PID" ;;
	kill-daemon) [ "$WITH" = file ] || kill_readyd ;;
	freeze-daemon) [ "$WITH" = file ] || freeze_readyd ;;
	start-daemon) [ "$WITH" = file ] || start_readyd ;;
	*) die "no such step: $1" ;;
	esac
}

# The daemon knows the process, and that it was there before the events that follow.
make_known() {
	expect_exit 1 ctl status "$PID"
	until_true 60 is_older_than_a_tick "$PID"
	: >"$READYD_DIR/unrelated"
	alive
}
is_older_than_a_tick() {
	local now
	read -r now _ </proc/uptime
	[ $((${now/./} - $(start_of "$1"))) -gt 2 ]
}

# unobserved COMMAND...: while neither asker nor daemon runs.
unobserved() {
	local stopped=("${ASKERS[@]}") pid
	[ "$WITH" = file ] || stopped+=("$DAEMON")
	for pid in "${stopped[@]}"; do
		kill -STOP "$pid"
		until_true 60 is_stopped "$pid"
	done
	"$@"
	kill -CONT "${stopped[@]}"
	# It reads events before what arrives later.
	[ "$WITH" = file ] || alive
}

# A marker that is created and removed before anything can look at it.
make_flash() {
	# The daemon knows then that the process was there before the events that follow.
	[ "$WITH" = file ] || ! has_waits || until_true 60 has_ticked "$(counter ticks)"
	unobserved mark_and_unmark
}
mark_and_unmark() { mark "$PID" && rm "$(marker "$PID")"; }

make_successor() { unobserved succeed; }
succeed() { kill_and_reap "$PID" && spawn_worker_with_pid "$PID" && mark "$PID"; }

# An event makes what sleeps runnable at once, so what sleeps again has looked.
make_seen() {
	[ "$WITH" = file ] || alive
	until_true 60 is_waiting
}
has_waits() { [ "$(counter waits)" -gt 0 ]; }
has_ticked() { [ "$(counter ticks)" -gt "$1" ]; }

can_chown() { : >.owned && chown 12345 .owned 2>/dev/null; }
can_unshare() { unshare "$@" true 2>/dev/null; }
find_rights() {
	CANNOT=()
	can_chown || CANNOT[foreign]="no other user is mapped"
	[ -n "${CHOOSES_PIDS:-}" ] || CANNOT[leftover]="ns_last_pid may not be set" CANNOT[successor]="ns_last_pid may not be set"
	# Else a process of another namespace that a test has made may have the same number.
	[ -n "${CHOOSES_PIDS:-}" ] || CANNOT[nested]="not alone in a pid namespace"
	can_unshare -pf || CANNOT[nested]="pid namespaces are not permitted"
	can_unshare -m || CANNOT[rooted]="mount namespaces are not permitted"
	can_unshare -pfm || CANNOT[elsewhere]="both namespaces are not permitted"
	[ -n "${CANNOT[nested]:-}" ] || command -v setpriv >/dev/null || CANNOT[foreign-twin]="setpriv is not installed"
}

# why_not STEP...: what is missing to make them; fails if nothing is.
declare -A CANNOT=()
why_not() {
	local word
	for word in "${!CANNOT[@]}"; do
		[[ " $* " != *"$word"* ]] || { echo "${CANNOT[$word]}"; return 0; }
	done
	return 1
}

# A directory without markers. A daemon that has seen it go watches the next one only after a while.
clear_directory() {
	if [ -d "$READYD_DIR" ]; then
		find "$READYD_DIR" -mindepth 1 -delete
		chmod 755 "$READYD_DIR"
	else
		mkdir "$READYD_DIR"
		! has_daemon || kill_readyd
	fi
	[ "$WITH" = file ] || has_daemon || start_readyd
}
has_daemon() { [ -n "${DAEMON:-}" ] && kill -0 "$DAEMON" 2>/dev/null && ! is_stopped "$DAEMON"; }

# All but the askers and a daemon that runs.
reap_row() {
	local pid
	for pid in $(jobs -pr) $(jobs -ps); do
		case " ${ASKERS[*]} " in *" $pid "*) continue ;; esac
		if [ "$pid" != "${DAEMON:-}" ] || ! has_daemon; then kill_and_reap "$pid"; fi
	done
	rm -f now
}

# --- the askers: all that can be run here ask at the same time. Each is one process, which answers row after row.

declare -A ASKERS=() ASK=() ANSWER=()

# start_asker NAME COMMAND...
start_asker() {
	local name=$1 ask answer
	shift
	mkfifo "ask.$name" "answer.$name"
	"$@" <"ask.$name" >"answer.$name" 2>"err.$name" &
	ASKERS[$name]=$!
	exec {ask}>"ask.$name" {answer}<"answer.$name"
	ASK[$name]=$ask ANSWER[$name]=$answer
}

start_askers() {
	export PYTHONPATH=$SRC/bindings/python PYTHONDONTWRITEBYTECODE=1
	[ ! -x "$BUILD/tests/test_vectors" ] || start_asker c "$BUILD/tests/test_vectors"
	! command -v python3 >/dev/null || start_asker python "$(python_program)" "$SRC/tests/vectors/ask.py"
	[ ! -x "$COMPILED/ask" ] || start_asker rust "$COMPILED/ask"
	[ ${#ASKERS[@]} -gt 0 ] || skip "there is no asker"
	echo "askers: ${!ASKERS[*]}"
}

# Not a script that starts it: the asker is stopped by its pid.
python_program() { python3 -c 'import sys; print(sys.executable)'; }

build_rust_asker() {
	[ ! -x "$COMPILED/ask" ] && command -v rustc >/dev/null || return 0
	rustc --edition 2021 -o "$COMPILED/ask" "$SRC/tests/vectors/ask.rs" 2>rustc.log || die "$(cat rustc.log)"
}

# Each asker sleeps: the library has its gate, the bindings their WAIT; without a daemon, it has opened the process. It
# may have no inotify instance, since other programs of the user may hold all.
PIDFD='*pidfd*'
is_asleep() { is_state S "$1"; }
is_waiting() {
	local bindings=0 asker
	case $WITH in
	file)
		each_holds "$PIDFD" "${ASKERS[@]}" || return 1
		for asker in "${ASKERS[@]}"; do is_asleep "$asker" || return 1; done
		;;
	daemon)
		[ -z "${ASKERS[c]:-}" ] || each_holds "$GATE" "${ASKERS[c]}" || return 1
		[ -z "${ASKERS[rust]:-}" ] || bindings=$((bindings + 1))
		[ -z "${ASKERS[python]:-}" ] || bindings=$((bindings + 1))
		counter_is waits "$bindings"
		;;
	esac
}

name_of() { # QUESTION
	case $1 in
	*.own) echo "$PID:$(start_of "$PID")" ;;
	*.other) echo "$PID:$(($(start_of "$PID") + 1))" ;;
	*) echo "$PID:0" ;;
	esac
}

code_of() { # ANSWER
	case $1 in
	ready*) echo 0 ;; *deadline) echo 124 ;; pending*) echo 1 ;; died*) echo 3 ;;
	exited*) echo 4 ;; stale*) echo 5 ;; unreachable*) echo 6 ;;
	esac
}

# check_answer ROW ASKER WANT: the answer and the exit status that belongs to it.
check_answer() {
	local answer got code
	read -r -t 60 answer <&"${ANSWER[$2]}" || die "$1, $2 ($WITH): no answer: $(cat "err.$2")"
	got=${answer% *} code=${answer##* }
	got=${got% daemon} got=${got% file}
	case $3 in
	ANY) ;;
	"died ANY") expect "$1, $2 ($WITH)" "${got%% *}" died ;;
	*) expect "$1, $2 ($WITH)" "$got" "$3" ;;
	esac
	expect "exit status of $1, $2 ($WITH): $answer" "$code" "$(code_of "$got")"
}

# run_row ROW WORLD QUESTION STEPS WANT: the steps are made once all askers sleep.
run_row() {
	local step asker process ITS_DIR='' NS_PID=''
	echo "row: $1"
	clear_directory
	for step in $2; do make "$step"; done
	process=$(name_of "$3")
	for asker in "${!ASKERS[@]}"; do echo "${3%.*} $process" >&"${ASK[$asker]}"; done
	if [ "$4" != - ]; then
		until_true 60 is_waiting
		for step in $4; do make "$step"; done
	fi
	for asker in "${!ASKERS[@]}"; do check_answer "$1" "$asker" "$5"; done
	reap_row
}

# trim VARIABLE...: removes blanks at both ends.
trim() {
	local -n variable
	for variable; do
		variable=${variable#"${variable%%[! ]*}"}
		variable=${variable%"${variable##*[! ]}"}
	done
}

# ask_rows WITH: all rows that can be made here.
ask_rows() {
	local name world question steps file daemon reason rows=0
	WITH=$1
	start_askers
	find_rights
	while IFS='|' read -r name world question steps file daemon; do
		[[ $name =~ ^(#|$) ]] && continue
		trim name world question steps file daemon
		# shellcheck disable=SC2086
		if reason=$(why_not $world $steps); then
			echo "skipped: $name: $reason"
			continue
		fi
		[ "$WITH" = file ] || [ "$daemon" = = ] || file=$daemon
		run_row "$name" "$world" "$question" "$steps" "$file"
		rows=$((rows + 1))
	done <"$SRC/tests/vectors/verdicts"
	[ "$rows" -ge 30 ] || die "only $rows rows were asked"
}

ask_rows_with_pids() {
	CHOOSES_PIDS=1
	ask_rows "$@"
}

ask_all() {
	build_rust_asker
	if can_choose_pids; then
		in_namespaces "$PIDS --mount-proc" ask_rows_with_pids "$@"
	else
		ask_rows "$@"
	fi
}

test_all_answer_as_the_vectors_say_without_a_daemon() {
	export READYD_BACKEND=file
	ask_all file
}

test_all_answer_as_the_vectors_say_with_the_daemon() { ask_all daemon; }

# The tests above ask what there is.
test_libreadyd_is_asked() { [ -x "$BUILD/tests/test_vectors" ] || skip "tests/test_vectors is not built"; }
test_python_is_asked() { need python3; }
test_rust_is_asked() { need rustc; }

# Compiled once for all tests.
if [ -z "${COMPILED:-}" ]; then
	COMPILED=$(mktemp -d "${TMPDIR:-/tmp}/readyd-ask.XXXXXX")
	export COMPILED
	trap 'rm -rf "$COMPILED"' EXIT
fi

run_tests "$@"
