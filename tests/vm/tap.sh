# Sourced by the scripts that run in the guest, in busybox's shell: cases are functions test_<words>, as in lib.sh. The
# plan comes first, so that the host notices a guest that ends too early.
# shellcheck shell=dash disable=SC2034

die() { echo "$*"; exit 1; }
note() { echo "note: $*"; }
skip() { echo "$*" >"$T/.skip"; exit 77; }
expect() { [ "$2" = "$3" ] || die "$1: got '$2', want '$3'"; }

expect_exit() {
	want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" -eq "$want" ] || die "exit status of '$*': got $got, want $want"
}

# Milliseconds since boot, in steps of 10.
now_ms() {
	read -r up _ </proc/uptime
	echo $((${up%.*} * 1000 + 1${up#*.} * 10 - 1000))
}

# until_true SECONDS COMMAND...: for states that raise no event. The time counts, not the tries: on an emulated processor a
# command can take longer than the pause.
until_true() {
	end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(now_ms)" -lt "$end" ] || die "still not true: $*"
		usleep 20000
	done
}

# spawn COMMAND...: $LAST is its pid; it is killed when the case ends.
SPAWNED=
spawn() {
	"$@" &
	LAST=$!
	SPAWNED="$SPAWNED $LAST"
}

# spawn_unreaped COMMAND...: $PID is a process that stays a zombie when it ends: the shell reaps its own children before each
# command, and what is told of them then is luck.
spawn_unreaped() {
	spawn sh -c '"$@" & echo $! >unreaped; exec sleep 1000' sh "$@"
	until_true 60 grep -qsx sleep "/proc/$LAST/comm"
	PID=$(cat unreaped)
}

reap_spawned() {
	set +e
	for pid in $SPAWNED; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	rm -f /tmp/ktstr-worker-ready-*
}

run_one() { # NUMBER NAME
	T=/run/guest.$1
	mkdir "$T"
	(
		trap reap_spawned EXIT
		set -eu
		cd "$T"
		"$2"
	) </dev/null >"$T/.log" 2>&1
	code=$?
	if [ $code -eq 0 ]; then
		echo "ok $1 - $2"
		sed -n 's/^note: /# /p' "$T/.log"
	elif [ $code -eq 77 ] && [ -e "$T/.skip" ]; then
		echo "ok $1 - $2 # SKIP $(cat "$T/.skip")"
	else
		echo "not ok $1 - $2 (exit $code)"
		sed 's/^/# /' "$T/.log"
	fi
}

run_tests() {
	names=$(grep -o '^test_[a-z0-9_]*' "$0")
	number=0
	echo "1..$(echo "$names" | wc -l)"
	for name in $names; do
		number=$((number + 1))
		run_one $number "$name"
	done
}
