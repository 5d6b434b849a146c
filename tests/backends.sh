# Sourced after lib.sh by the tests that ask both backends, in namespaces of their own or with another user's
# privileges.
# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154

OTHER_UID=65534

# A change that raises no event is found by the periodic check, which comes more often than once a second.
# Sanitizers make it slower.
SOON=1500
[ ! -x "$READYD" ] || ! is_sanitized || SOON=6000

# within_soon WHAT SINCE: it took at most SOON since then.
within_soon() {
	local took=$(($(now_ms) - $2))
	echo "$1: $took ms"
	[ "$took" -le "$SOON" ] || die "$1 took $took ms, more than $SOON"
}

# --- backends

READY='ready [0-9]+ .*'
PENDING='pending [0-9]+ start=[0-9]+'

# both_backends FUNCTION ARGUMENT...: runs the function for each backend; its first argument is the name of the backend.
both_backends() {
	local function=$1
	shift
	"$function" daemon "$@"
	"$function" file "$@"
}

# start_waiter BACKEND ARGUMENT...: starts `readyctl wait`, and returns when it sleeps; $WAITER is its pid.
start_waiter() {
	local backend=$1
	shift
	READYD_BACKEND=$backend spawn_waiters 1 "$@"
	WAITER=${WAITERS[0]}
	case $backend in
	daemon) until_true 60 each_holds "$GATE" "$WAITER" ;;
	file) until_true 60 each_holds "$INOTIFY" "$WAITER" ;;
	esac
}

# have_checked PID...: of --not-started=wait. A check takes a few microseconds and comes every 50 ms, so readyctl has checked once it has slept
# a few times.
have_checked() {
	local pid
	for pid; do
		[ "$(cat "/proc/$pid/comm")" = readyctl ] || return 1
		[ "$(awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "/proc/$pid/status")" -ge 3 ] || return 1
	done
}

# waiter_ends STATUS REGEX: $WAITER ends with this exit status and line, soon after SINCE.
waiter_ends() {
	all_end "$1" "$WAITER"
	within_soon "end of the waiter" "$SINCE"
	grep -qxE -- "$2" "out.$WAITER" || die "not '$2': $(cat "out.$WAITER" "err.$WAITER")"
}

# marker_ends_a_new_wait BACKEND: for a new worker.
marker_ends_a_new_wait() {
	spawn_worker
	start_waiter "$1" "$PID"
	SINCE=$(now_ms)
	mark "$PID"
	waiter_ends 0 "$READY"
}

# expect_status BACKEND STATUS REGEX PID...: the exit status of `readyctl status`, and a line that it prints.
expect_status() {
	local backend=$1 want=$2 regex=$3 got=0
	shift 3
	READYD_BACKEND=$backend ctl status "$@" >out 2>err || got=$?
	[ "$got" -eq "$want" ] || die "$backend: status $* exits with $got, want $want: $(cat out err)"
	grep -qxE -- "$regex" out || die "$backend: status $* is not '$regex': $(cat out err)"
}

# status_is BACKEND REGEX PID...: whether `readyctl status` prints such a line now.
status_is() {
	local backend=$1 regex=$2
	shift 2
	READYD_BACKEND=$backend ctl status "$@" 2>/dev/null | grep -qxE -- "$regex"
}

# --- namespaces

# in_namespaces FLAGS FUNCTION ARGUMENT...: runs the function of this file in new namespaces, with the same $T. It
# cannot return anything but its exit status.
in_namespaces() {
	local flags=$1 got=0
	shift
	# shellcheck disable=SC2086
	unshare $flags true 2>/dev/null || skip "unshare $flags is not permitted"
	# shellcheck disable=SC2086
	T=$T TEST_INSIDE=1 timeout -k 5 300 unshare $flags bash "$SELF" "$@" || got=$?
	[ "$got" -ne 77 ] || exit 77
	[ "$got" -eq 0 ] || die "'$*' in unshare $flags: exit status $got"
}

empty_directory() { find "$T" -mindepth 1 -not -name .log -delete; }

# The flags of unshare(1) for a mount namespace: other users than root need a user namespace, too.
MOUNTS=-m PIDS=-mpf
[ "$(id -u)" -eq 0 ] || MOUNTS=-Urm PIDS=-Urmpf
in_both_mount_namespaces() {
	in_namespaces "$MOUNTS" "$@"
	[ $MOUNTS = -Urm ] || { empty_directory && in_namespaces -Urm "$@"; }
}

tmpfs() { mkdir -p "$1" && mount -t tmpfs "${@:2}" none "$1"; }

need_pid_choice() {
	unshare $PIDS --mount-proc bash -c 'echo 500 >/proc/sys/kernel/ns_last_pid' 2>/dev/null ||
		skip "ns_last_pid may not be set"
}

# in_pid_namespace FUNCTION ARGUMENT...: in one where no other process forks; $T is empty afterwards.
in_pid_namespace() {
	need_pid_choice
	in_namespaces "$PIDS --mount-proc" "$@"
	empty_directory
}

# spawn_worker_with_pid PID: only inside in_pid_namespace. Below 300, where the kernel starts again after the greatest pid:
# a process outside that had the number could have left the same marker, and be one of another test.
spawn_worker_with_pid() {
	for _ in {1..100}; do
		echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
		spawn_worker
		[ "$PID" != "$1" ] || return 0
		kill_and_reap "$PID"
	done
	die "no worker gets pid $1, the last one has $PID"
}

# is_surely_older FILE: than a process that starts now, whatever the resolution of the timestamps.
is_surely_older() { [ $(($(now_ms) - $(stat -c %.3Y "$1" | tr -d .))) -ge 100 ]; }

start_of() { stat_fields "$1" | awk '{ print $20 }'; }

# --- other users

AS_OTHER_USER=(setpriv "--reuid=$OTHER_UID" "--regid=$OTHER_UID" --clear-groups)
as_other_user() { "${AS_OTHER_USER[@]}" "$@"; }
need_other_user() {
	need_root
	need setpriv
	as_other_user test -x "$READYD" -a -x "$READYCTL" || skip "another user may not run $READYD"
	chmod 755 "$T"
}

start_readyd_as_other_user() {
	mkdir -p run
	chown "$OTHER_UID" run
	export READYD_SOCKET=$T/run/s READYD_TRUST_UID=$OTHER_UID
	UNDER=("${AS_OTHER_USER[@]}")
	start_readyd --socket "$READYD_SOCKET"
	UNDER=()
}
