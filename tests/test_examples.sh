#!/usr/bin/env bash
# The programs in examples/ compile against the library, and each is told by its event loop.
# shellcheck source=tests/lib.sh disable=SC1091,SC2154
. "$(dirname "$0")/lib.sh"

EXAMPLES=$SRC/examples
LIBRARY=$BUILD/.libs

# compile NAME [PACKAGE]: examples/NAME.c, if pkg-config knows the package.
compile() {
	local flags=()
	[ -e "$LIBRARY/libreadyd.so" ] || skip "there is no shared libreadyd"
	if [ $# -gt 1 ]; then
		need pkg-config
		pkg-config --exists "$2" || skip "$2 is not installed"
		read -ra flags < <(pkg-config --cflags --libs "$2")
	fi
	"${CC:-gcc}" -std=gnu11 -Wall -Wextra -Werror -I"$SRC/include" -o example "$EXAMPLES/$1.c" -L"$LIBRARY" -lreadyd \
		"${flags[@]}" -Wl,-rpath,"$LIBRARY"
}

starts_to_wait() { [ "$(counter waited)" = 1 ] || each_holds "$INOTIFY" "$ASKED"; }

# is_told WANT STATUS COMMAND...: the program sleeps, and then prints this, with this exit status.
is_told() {
	local want=$1 status=$2 event=$3 got=0
	shift 3
	spawn_worker
	"$@" "$PID" >out 2>err </dev/null &
	ASKED=$!
	until_true 60 starts_to_wait
	$event "$PID"
	wait "$ASKED" || got=$?
	expect "output of $1 ($(cat err))" "$(cat out)" "$want $PID"
	expect "exit status of $1" "$got" "$status"
}

end_worker() { kill_and_reap "$1"; }

# Ready with the daemon, dead with it, and ready without it.
loop_works() {
	mkdir -p m
	start_readyd
	is_told ready 0 mark "$@"
	is_told died 1 end_worker "$@"
	kill_readyd
	is_told ready 0 mark "$@"
}

test_epoll() { compile epoll && loop_works ./example; }
test_libevent() { compile libevent libevent_core && loop_works ./example; }
test_libuv() { compile libuv libuv && loop_works ./example; }
test_glib() { compile glib glib-2.0 && loop_works ./example; }
test_sd_event() { compile sd_event libsystemd && loop_works ./example; }

test_poll_in_rust() {
	need rustc
	rustc --edition 2021 -o example "$EXAMPLES/loop.rs"
	loop_works ./example
}

test_asyncio() {
	need python3
	export PYTHONPATH=$SRC/bindings/python PYTHONDONTWRITEBYTECODE=1
	loop_works python3 "$EXAMPLES/loop.py"
}

run_tests "$@"
