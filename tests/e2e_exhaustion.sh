#!/usr/bin/env bash
# Descriptors, memory or processes run out, by real limits: an answer is the right one, or says that the process could
# not be examined, and is right again soon after there is room.
# shellcheck source=tests/lib.sh disable=SC1091,SC2016,SC2031
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/backends.sh
. "$(dirname "$0")/backends.sh"

# limits.so sets limits when the program and its libraries have been loaded.
write_shim() {
	! is_sanitized || skip "no LD_PRELOAD with sanitizers"
	need gcc
	cat >limits.c <<'END_OF_C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The daemon would raise it. */
int prlimit(pid_t pid, enum __rlimit_resource kind, const struct rlimit *limit, struct rlimit *before)
{
	(void)pid;
	(void)kind;
	(void)limit;
	(void)before;
	return 0;
}

static void set(int kind, rlim_t value)
{
	struct rlimit limit;

	getrlimit(kind, &limit);
	limit.rlim_cur = value;
	setrlimit(kind, &limit);
}

/* Without the heap, so that it does not grow before the limit is set. */
static unsigned long size_now(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY);

	if (read(fd, text, sizeof(text) - 1) <= 0)
		abort();
	close(fd);
	return strtoul(text, NULL, 10) * (unsigned long)sysconf(_SC_PAGESIZE);
}

__attribute__((constructor)) static void limit(void)
{
	const char *files = getenv("LIMIT_NOFILE"), *more = getenv("LIMIT_AS");

	unsetenv("LD_PRELOAD");
	if (files != NULL)
		set(RLIMIT_NOFILE, strtoul(files, NULL, 10));
	if (more != NULL)
		set(RLIMIT_AS, size_now() + strtoul(more, NULL, 10));
}
END_OF_C
	gcc -shared -fPIC -o limits.so limits.c || skip "no shared object can be compiled"
}

# exhaust ARGUMENT...: see exhaustion.py.
exhaust() {
	READYD=$READYD READYCTL=$READYCTL LIMIT_SHIM=$T/limits.so timeout 120 python3 -B "$SRC/tests/exhaustion.py" "$@"
}

# in_exhaustion FUNCTION: where pids can be chosen and no other process forks.
in_exhaustion() {
	need python3
	need_root
	mkdir -p m
	in_pid_namespace with_shim "$@"
}
with_shim() {
	write_shim
	mkdir -p m
	"$@"
}

few_descriptors_of_readyctl() { exhaust readers file auto; }
few_descriptors_of_readyctl_beside_a_daemon() {
	start_readyd
	exhaust readers auto daemon
}
few_descriptors_of_readyd() { exhaust start; }
fewer_descriptors_of_readyd() {
	start_readyd
	exhaust lowered "$DAEMON"
}

little_memory_of_readyctl() {
	start_readyd
	exhaust memory file auto daemon
}

little_memory_of_readyd() { exhaust daemon-memory; }
little_memory_in_a_cgroup() { CGROUP=$1 exhaust daemon-cgroup; }

# make_cgroup CONTROLLER: a group of either version of cgroups; $CGROUP is its directory. It is removed by remove_cgroup.
make_cgroup() {
	local parent
	need_root
	for parent in "/sys/fs/cgroup/$1" /sys/fs/cgroup; do
		CGROUP=$parent/readyd-test-$$
		mkdir "$CGROUP" 2>/dev/null || continue
		[ -z "$(find "$CGROUP" -name "$1.max" -o -name "$1.limit_in_bytes")" ] || return 0
		rmdir "$CGROUP"
	done
	skip "no cgroup with the $1 controller can be made"
}
is_removed() { rmdir "$CGROUP" 2>/dev/null; }
remove_cgroup() { until_true 60 is_removed; }

test_few_descriptors_of_readyctl() { in_exhaustion few_descriptors_of_readyctl; }
test_few_descriptors_of_readyctl_beside_a_daemon() { in_exhaustion few_descriptors_of_readyctl_beside_a_daemon; }
test_few_descriptors_of_readyd() { in_exhaustion few_descriptors_of_readyd; }
test_fewer_descriptors_of_readyd_later() { in_exhaustion fewer_descriptors_of_readyd; }
test_little_memory_of_readyctl() { in_exhaustion little_memory_of_readyctl; }
test_little_memory_of_readyd() { in_exhaustion little_memory_of_readyd; }
test_little_memory_of_readyd_in_a_cgroup() {
	make_cgroup memory
	trap 'reap_spawned; remove_cgroup' EXIT
	in_exhaustion little_memory_in_a_cgroup "$CGROUP"
}

# spawn_elsewhere COMMAND...: $PID is a process with a marker directory of its own, where it creates its marker when
# go.PID has a line.
spawn_elsewhere() {
	rm -f elsewhere
	spawn "$@" bash -c 'mount -t tmpfs none m && mkfifo go.$$ && echo $$ >elsewhere && read -r <go.$$ &&
		: >m/ktstr-worker-ready-$$ && exec sleep 1000'
	until_true 60 test -s elsewhere
	PID=$(cat elsewhere)
}

# The process that starts scouts is alone in a group that may have one process.
without_scouts() {
	local spawner
	start_readyd
	spawner=$(cut -d " " -f 1 "/proc/$DAEMON/task/$DAEMON/children")
	echo "$spawner" >"$CGROUP/cgroup.procs"
	echo 1 >"$CGROUP/pids.max"
	spawn_elsewhere unshare -m
	expect_status daemon 6 "unreachable $PID start=[0-9]+ reason=directory-hangs" "$PID"
	grep -q "cannot start a scout: Resource temporarily unavailable" readyd.log || die "no reason: $(cat readyd.log)"
	READYD_BACKEND="daemon" spawn_waiters 1 --timeout 60 "$PID"
	echo go >"go.$PID"
	expect_status daemon 6 "unreachable $PID start=[0-9]+ reason=directory-hangs" "$PID"
	expect "times that this is logged" "$(grep -c "cannot start a scout" readyd.log)" 1
	echo max >"$CGROUP/pids.max"
	SINCE=$(now_ms)
	WAITER=${WAITERS[0]}
	waiter_ends 0 "$READY"
}

test_no_process_is_left_for_scouts() {
	need_root
	make_cgroup pids
	trap 'reap_spawned; remove_cgroup' EXIT
	without_scouts
}

# The limit of processes does not apply to root.
# The leak checker could not start its own process either, and gcov may not write here.
lookout_fails() {
	local got=0
	ASAN_OPTIONS=detect_leaks=0 GCOV_ERROR_FILE=/dev/null READYD_BACKEND="file" "${AS_OTHER_USER[@]}" prlimit --nproc=1 "$READYCTL" "$@" "$PID" >out 2>err || got=$?
	expect "exit status of $1" "$got" 125
	expect "standard output" "$(cat out)" ""
	expect "reason" "$(cat err)" "readyctl: cannot start a process to look in: Resource temporarily unavailable; raise \
the limits of processes and memory"
}

test_no_process_is_left_for_a_look_below_another_root() {
	need_other_user
	need prlimit
	mkdir m
	chmod 777 . m
	spawn_elsewhere "${AS_OTHER_USER[@]}" unshare -Urm
	lookout_fails status
	lookout_fails wait --timeout 60
	as_other_user "$READYCTL" wait --timeout 0.1 "$PID" && die "ready without a marker"
	echo go >"go.$PID"
	as_other_user "$READYCTL" wait --timeout 60 "$PID"
}

run_tests "$@"
