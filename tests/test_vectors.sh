#!/usr/bin/env bash
# The rows of tests/vectors/verdicts, asked of libreadyd and of the bindings, without a daemon and with one.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031,SC2034,SC2154
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

# --- the world

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
is_old_enough() { [ $(($(now_ms) - $(stat -c %.3Y "$1" | tr -d .))) -ge "$2" ]; }

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
	: >"$READYD_DIR/new"
	chown 12345 "$READYD_DIR/new"
	mv -f "$READYD_DIR/new" "$(marker "$PID")"
}

make() { # STEP
	case $1 in
	process) spawn_worker ;;
	none) PID=$NO_SUCH_PID ;;
	zombie) make_unreaped 'exit 7' ;;
	killed) make_unreaped 'kill -KILL $$' ;;
	reaped) spawn_worker && kill_and_reap "$PID" ;;
	no-directory) rm -rf "$READYD_DIR" ;;
	marker | rewrite) echo ready >"$(marker "$PID")" ;;
	empty) mark "$PID" ;;
	directory) mkdir "$(marker "$PID")" ;;
	link) ln -s /dev/null "$(marker "$PID")" ;;
	fifo) mkfifo "$(marker "$PID")" ;;
	foreign) make_foreign ;;
	leftover) make_leftover 200 ;;
	seen-leftover) make_seen_leftover ;;
	replace) echo ready >"$READYD_DIR/new" && mv -f "$READYD_DIR/new" "$(marker "$PID")" ;;
	shared) chmod 1777 "$READYD_DIR" ;;
	flash) make_flash ;;
	kill) kill -KILL "$PID" ;;
	kill-daemon) [ "$WITH" = file ] || kill_readyd ;;
	freeze-daemon) [ "$WITH" = file ] || freeze_readyd ;;
	start-daemon) [ "$WITH" = file ] || start_readyd ;;
	*) die "no such step: $1" ;;
	esac
}

# A marker that is created and removed before anything can look at it.
make_flash() {
	local stopped=("${ASKED[@]}") pid
	if [ "$WITH" = daemon ]; then
		# The daemon knows then that the process was there before the events that follow.
		until_true 60 has_ticked "$(counter ticks)"
		stopped+=("$DAEMON")
	fi
	for pid in "${stopped[@]}"; do
		kill -STOP "$pid"
		until_true 60 is_stopped "$pid"
	done
	mark "$PID"
	rm "$(marker "$PID")"
	kill -CONT "${stopped[@]}"
}
has_ticked() { [ "$(counter ticks)" -gt "$1" ]; }

can_make() { # STEP...
	case " $* " in
	*" foreign "*) [ "$(id -u)" -eq 0 ] ;;
	*leftover*) [ -n "${CHOOSES_PIDS:-}" ] ;;
	esac
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

reap_row() {
	local pid
	for pid in $(jobs -pr) $(jobs -ps); do
		if [ "$pid" != "${DAEMON:-}" ] || ! has_daemon; then kill_and_reap "$pid"; fi
	done
}

# --- the askers: all that can be run here ask at the same time

declare -A ASKER=()
find_askers() {
	export PYTHONPATH=$SRC/bindings/python PYTHONDONTWRITEBYTECODE=1
	[ ! -x "$BUILD/tests/test_vectors" ] || ASKER[c]=$BUILD/tests/test_vectors
	! command -v python3 >/dev/null || ASKER[python]="python3 $SRC/tests/vectors/ask.py"
	[ ! -x ask ] || ASKER[rust]=$T/ask
	[ ${#ASKER[@]} -gt 0 ] || skip "there is no asker"
	echo "askers: ${!ASKER[*]}"
}

build_rust_asker() {
	command -v rustc >/dev/null || return 0
	rustc --edition 2021 -o ask "$SRC/tests/vectors/ask.rs" 2>rustc.log || die "$(cat rustc.log)"
}

# Each asker sleeps: the library has its gate, the bindings their WAIT; without a daemon, it has opened the process. It
# may have no inotify instance, since other programs of the user may hold all.
PIDFD='*pidfd*'
is_asleep() { is_state S "$1"; }
is_waiting() {
	local bindings=0 asked
	case $WITH in
	file)
		each_holds "$PIDFD" "${ASKED[@]}" || return 1
		for asked in "${ASKED[@]}"; do is_asleep "$asked" || return 1; done
		;;
	daemon)
		[ -z "${ASKED[c]:-}" ] || each_holds "$GATE" "${ASKED[c]}" || return 1
		[ -z "${ASKED[rust]:-}" ] || bindings=$((bindings + 1))
		[ -z "${ASKED[python]:-}" ] || bindings=$((bindings + 1))
		counter_is waits "$bindings"
		;;
	esac
}

name_of() { # QUESTION
	case $1 in
	*.own) echo "$PID:$(start_of "$PID")" ;;
	*.other) echo "$PID:$(($(start_of "$PID") + 1))" ;;
	*) echo "$PID" ;;
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
	local got=0 answer
	until_true 30 has_ended "${ASKED[$2]}"
	wait "${ASKED[$2]}" || got=$?
	[ "$got" -eq 0 ] || die "$1, $2 ($WITH): exit status $got: $(cat "err.$2")"
	answer=$(sed -E 's/ (daemon|file) [0-9]+$//' "answer.$2")
	case $3 in
	ANY) [ -n "$(code_of "$answer")" ] || die "$1, $2 ($WITH): '$answer'" ;;
	*) expect "$1, $2 ($WITH)" "$answer" "$3" ;;
	esac
	expect "exit status of $1, $2" "$(sed 's/.* //' "answer.$2")" "$(code_of "$answer")"
}

# run_row ROW WORLD QUESTION STEPS WANT: the steps are made once all askers sleep.
run_row() {
	local step asker
	declare -A ASKED=()
	echo "row: $1"
	clear_directory
	for step in $2; do make "$step"; done
	for asker in "${!ASKER[@]}"; do
		# shellcheck disable=SC2086
		${ASKER[$asker]} "${3%.*}" "$(name_of "$3")" >"answer.$asker" 2>"err.$asker" &
		ASKED[$asker]=$!
	done
	if [ "$4" != - ]; then
		until_true 60 is_waiting
		for step in $4; do make "$step"; done
	fi
	for asker in "${!ASKER[@]}"; do check_answer "$1" "$asker" "$5"; done
	reap_row
}

trim() { sed -E 's/^ +//; s/ +$//' <<<"$1"; }

# ask_rows WITH: all rows that can be made here.
ask_rows() {
	local name world question steps file daemon want rows=0
	WITH=$1
	find_askers
	while IFS='|' read -r name world question steps file daemon; do
		[[ $name =~ ^(#|$) ]] && continue
		world=$(trim "$world") want=$(trim "$file")
		# shellcheck disable=SC2086
		can_make $world || { echo "skipped: $name"; continue; }
		[ "$WITH" = file ] || [ "$(trim "$daemon")" = = ] || want=$(trim "$daemon")
		run_row "$(trim "$name")" "$world" "$(trim "$question")" "$(trim "$steps")" "$want"
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

run_tests "$@"
