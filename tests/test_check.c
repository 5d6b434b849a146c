#include <errno.h>
#include <pthread.h>

#include "src/check.h"
#include "src/clock.h"
#include "tests/unit.h"

/* Each differs from the first in one property; same says whether it is still the same file. */
static const struct {
	struct marker_stat seen;
	bool same;
} variants[] = {
    {{MARKER_FILE, 1, 2, 0, 6, {3, 4}, {5, 6}, 0}, true},
    /* Writing after the creation changes the size and, one clock tick later, the mtime. */
    {{MARKER_FILE, 1, 2, 0, 0, {3, 4}, {5, 6}, 0}, true},
    /* A change of owner, mode or links changes the ctime only. */
    {{MARKER_FILE, 1, 2, 0, 6, {3, 4}, {9, 9}, 0}, true},
    {{MARKER_OTHER, 1, 2, 0, 6, {3, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 9, 2, 0, 6, {3, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 1, 9, 0, 6, {3, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 1, 2, 0, 6, {9, 4}, {5, 6}, 0}, false},
    {{MARKER_FILE, 1, 2, 0, 6, {3, 9}, {5, 6}, 0}, false},
};

START_TEST(marker_same_compares_identity)
{
	ck_assert(marker_same(&variants[0].seen, &variants[_i].seen) == variants[_i].same);
	ck_assert(marker_same(&variants[_i].seen, &variants[0].seen) == variants[_i].same);
}
END_TEST

/* A process, its marker, and what is remembered of them. */
struct fixture {
	struct marker_place place;
	struct process process;
	struct history history;
	struct collisions *collisions;
	struct readyd_answer answer;
	char marker[2 * UNIT_PATH_SIZE];
};

static struct fixture fixture;

static void set_up(pid_t pid)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	memset(&fixture, 0, sizeof(fixture));
	fixture.collisions = collisions_lone();
	ck_assert_int_eq(marker_place_init(&fixture.place, dir, "ready-"), 0);
	/* The tests create and remove this directory, so it must be the private one. */
	ck_assert_str_eq(fixture.place.dir, dir);
	snprintf(fixture.marker, sizeof(fixture.marker), "%s/ready-%d", dir, (int)pid);
	process_open(&fixture.process, pid);
}

/* Whether the age is assumed depends on how long ago this process was started: see test_evidence.c. */
static void expect(enum readyd_verdict verdict, enum readyd_reason reason, unsigned flags)
{
	memset(&fixture.answer, 0xff, sizeof(fixture.answer));
	check_process(&fixture.place, &fixture.process, &fixture.history, fixture.collisions,
	    &marker_viewer_direct, &fixture.answer);
	ck_assert_int_eq(fixture.answer.verdict, verdict);
	ck_assert_int_eq(fixture.answer.reason, reason);
	ck_assert_uint_eq(fixture.answer.flags & ~READYD_FLAG_AGE_ASSUMED, flags);
	ck_assert_int_eq(fixture.answer.pid, fixture.process.pid);
	ck_assert_uint_eq(fixture.answer.start, fixture.process.start);
}

static void tear_down(void)
{
	process_close(&fixture.process);
}

START_TEST(pending_until_marker_is_written)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.absent_seen);
	ck_assert(!fixture.history.latched);
	unit_write(fixture.marker, "");
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_EMPTY);
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.latched);
	tear_down();
}
END_TEST

START_TEST(ready_if_marker_exists_at_first_check)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.absent_seen);
	tear_down();
}
END_TEST

START_TEST(ready_stays_when_marker_is_removed)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	ck_assert_int_eq(mkdir(fixture.marker, 0700), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	ck_assert_int_eq(rmdir(fixture.marker), 0);
	ck_assert_int_eq(rmdir(fixture.place.dir), 0);
	expect(READYD_READY, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	tear_down();
}
END_TEST

START_TEST(pending_if_not_a_regular_file)
{
	set_up(getpid());
	ck_assert_int_eq(symlink("/etc/passwd", fixture.marker), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	ck_assert_int_eq(mkfifo(fixture.marker, 0600), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	ck_assert_int_eq(mkdir(fixture.marker, 0700), 0);
	expect(READYD_PENDING, READYD_REASON_NOT_A_FILE, 0);
	/* A name in use is not an absent marker. */
	ck_assert(!fixture.history.absent_seen);
	tear_down();
}
END_TEST

START_TEST(unreachable_without_directory)
{
	set_up(getpid());
	ck_assert_int_eq(rmdir(fixture.place.dir), 0);
	expect(READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, 0);
	unit_write(fixture.place.dir, "");
	expect(READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY, 0);
	ck_assert_int_eq(unlink(fixture.place.dir), 0);
	ck_assert_int_eq(mkdir(fixture.place.dir, 0700), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(died_without_marker)
{
	pid_t child = unit_spawn_ending(7, 0);

	unit_await_zombie(child);
	set_up(child);
	expect(READYD_DIED, READYD_REASON_NONE, 0);
	ck_assert_int_eq(fixture.answer.wait_status, W_EXITCODE(7, 0));
	ck_assert(!fixture.history.absent_seen);
	unit_reap(child);
	expect(READYD_DIED, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(exited_with_marker)
{
	pid_t child = unit_spawn(NULL);

	set_up(child);
	unit_write(fixture.marker, "ready\n");
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	unit_await_zombie(child);
	expect(READYD_EXITED, READYD_REASON_NONE, 0);
	ck_assert_int_eq(fixture.answer.wait_status, SIGKILL);
	unit_reap(child);
	expect(READYD_EXITED, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(exited_when_latched)
{
	pid_t child = unit_spawn(NULL);

	set_up(child);
	unit_write(fixture.marker, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	unit_kill(child);
	expect(READYD_EXITED, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	tear_down();
}
END_TEST

START_TEST(died_if_no_such_process)
{
	set_up(UNIT_UNUSED_PID);
	expect(READYD_DIED, READYD_REASON_NO_PROCESS, 0);
	ck_assert_int_eq(fixture.answer.wait_status, -1);
	/* Its writer must have had the pid. */
	unit_write(fixture.marker, "ready\n");
	expect(READYD_EXITED, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(leftover_is_stale_until_replaced)
{
	char other[sizeof(fixture.marker) + 8];

	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	marker_stat(&fixture.place, fixture.process.pid, &fixture.history.leftover);
	fixture.history.has_leftover = true;
	expect(READYD_STALE, READYD_REASON_OLDER, 0);
	snprintf(other, sizeof(other), "%s.other", fixture.marker);
	unit_write(other, "ready\n");
	ck_assert_int_eq(rename(other, fixture.marker), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

/* Being preempted between the two clock reads makes the offset too small, so the largest of several is used.
 */
static int64_t boot_offset(void)
{
	int64_t best = clock_boot_offset(), next;

	for (int i = 0; i < 10; i++) {
		next = clock_boot_offset();
		best = next > best ? next : best;
	}
	return best;
}

/* The latest start time, in ticks since boot, at which a process may own the marker. */
static uint64_t latest_start(void)
{
	struct marker_stat seen;

	marker_stat(&fixture.place, fixture.process.pid, &seen);
	return (uint64_t)((clock_to_ns(&seen.ctime) - boot_offset() + STAMP_GRAIN_NS) / clock_tick_ns());
}

/* A marker cannot be written before its process exists, so the start time is moved instead. */
START_TEST(marker_older_than_process_is_stale)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start() + 100;
	expect(READYD_STALE, READYD_REASON_OLDER, 0);
	fixture.history = (struct history){0};
	fixture.process.start = latest_start() - 1;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

/* A marker about as old as the process may belong to an earlier holder of the pid. */
START_TEST(unconfirmed_if_marker_is_as_old_as_process)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start() - 1;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.unconfirmed);
	/* Now the verdict is latched, and no longer depends on the marker. */
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.unconfirmed);
	fixture.history.latched = false;
	fixture.process.start -= 100;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.unconfirmed);
	tear_down();
}
END_TEST

START_TEST(confirmed_if_marker_was_seen_to_appear)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start();
	expect(READYD_READY, READYD_REASON_NONE, 0);
	ck_assert(!fixture.history.unconfirmed);
	tear_down();
}
END_TEST

START_TEST(time_stamps_do_not_count_if_marker_was_seen_to_appear)
{
	set_up(getpid());
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(fixture.marker, "ready\n");
	fixture.process.start = latest_start() + 1000000;
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(marker_of_foreign_owner_is_stale)
{
	set_up(getpid());
	unit_write(fixture.marker, "ready\n");
	ck_assert_int_eq(chown(fixture.marker, 4321, (gid_t)-1), 0);
	expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	ck_assert_int_eq(chown(fixture.marker, 0, (gid_t)-1), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

static int progress[2];

static void change_uid(void)
{
	if (setresuid(1001, 1001, 1001) != 0 || write(progress[1], "x", 1) != 1)
		_exit(1);
}

START_TEST(owner_must_be_user_of_process_or_root)
{
	pid_t child;
	char byte;

	ck_assert_int_eq(pipe(progress), 0);
	child = unit_spawn(change_uid);
	ck_assert_int_eq(read(progress[0], &byte, 1), 1);
	set_up(child);
	unit_write(fixture.marker, "ready\n");
	for (uid_t uid = 1000; uid <= 1002; uid++) {
		fixture.history = (struct history){0};
		ck_assert_int_eq(chown(fixture.marker, uid, (gid_t)-1), 0);
		if (uid == 1001)
			expect(READYD_READY, READYD_REASON_NONE, 0);
		else
			expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	}
	ck_assert_int_eq(chown(fixture.marker, 0, (gid_t)-1), 0);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(child);
}
END_TEST

/* The root directory of a child; the marker directory's path leads to another directory below it. */
static char root[UNIT_PATH_SIZE];

static void change_root(void)
{
	if ((geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) || chroot(root) != 0 ||
	    write(progress[1], "x", 1) != 1)
		_exit(1);
}

/* As mkdir -p does. */
static void make_directories(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

/* Spawns a process that changes its root by go(), and returns the path of its marker in that root. */
static pid_t set_up_in_other_root(char marker_in_root[3 * UNIT_PATH_SIZE], void (*go)(void))
{
	char dir[3 * UNIT_PATH_SIZE];
	pid_t child;
	char byte;

	unit_dir(root);
	ck_assert_int_eq(pipe(progress), 0);
	child = unit_spawn(go);
	close(progress[1]);
	ck_assert_int_eq(read(progress[0], &byte, 1), 1);
	close(progress[0]);
	set_up(child);
	snprintf(dir, sizeof(dir), "%s%s", root, fixture.place.dir);
	make_directories(dir);
	snprintf(marker_in_root, 3 * UNIT_PATH_SIZE, "%s%s", root, fixture.marker);
	return child;
}

START_TEST(marker_is_found_in_root_of_process)
{
	char marker_in_root[3 * UNIT_PATH_SIZE];
	pid_t child = set_up_in_other_root(marker_in_root, change_root);

	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.in_other_dir);
	unit_write(fixture.marker, "ready\n");
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(marker_in_root, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	unit_kill(child);
	expect(READYD_EXITED, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	tear_down();
}
END_TEST

/* The marker directory is a symbolic link with an absolute target, which must be resolved in the process's
 * root. */
START_TEST(symlink_is_resolved_in_root_of_process)
{
	char marker_in_root[3 * UNIT_PATH_SIZE], path[4 * UNIT_PATH_SIZE];
	pid_t child = set_up_in_other_root(marker_in_root, change_root);

	snprintf(path, sizeof(path), "%s%s", root, fixture.place.dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("/real/m", path), 0);
	snprintf(path, sizeof(path), "%s/real/m", root);
	make_directories(path);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	snprintf(path, sizeof(path), "%s/real/m%s", root, strrchr(fixture.marker, '/'));
	unit_write(path, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(child);
}
END_TEST

static void *pause_forever(void *arg)
{
	while (pause() < 0)
		continue;
	return arg;
}

static void exit_leader_in_other_root(void)
{
	pthread_t id;

	change_root();
	if (pthread_create(&id, NULL, pause_forever, NULL) != 0)
		_exit(1);
	/* pthread_exit(3) would load a library, which does not exist in this root. */
	syscall(SYS_exit, 0);
}

/* Linux reports no event when the leader exits. */
START_TEST(root_is_found_after_leader_exited)
{
	char marker_in_root[3 * UNIT_PATH_SIZE];
	pid_t child = set_up_in_other_root(marker_in_root, exit_leader_in_other_root);

	while (process_state(&fixture.process) != 'Z')
		sched_yield();
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	ck_assert(fixture.history.in_other_dir);
	unit_write(fixture.marker, "ready\n");
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(marker_in_root, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	unit_kill(child);
	expect(READYD_EXITED, READYD_REASON_NONE, READYD_FLAG_LATCHED);
	tear_down();
}
END_TEST

/* Replaces the marker directory by one with the longest path allowed. */
static void use_longest_path(void)
{
	size_t len = strlen(fixture.place.dir), part;
	char name[32];

	snprintf(name, sizeof(name), "%s", strrchr(fixture.marker, '/'));
	while (len < MARKER_DIR_SIZE - 1) {
		part = MARKER_DIR_SIZE - 1 - len;
		part = part > 100 ? 50 : part;
		memset(fixture.place.dir + len, 'd', part);
		fixture.place.dir[len] = '/';
		len += part;
	}
	fixture.place.dir[len] = '\0';
	make_directories(fixture.place.dir);
	snprintf(fixture.marker, sizeof(fixture.marker), "%.511s%s", fixture.place.dir, name);
}

START_TEST(longest_path_is_found_in_root_of_process)
{
	char marker_in_root[3 * UNIT_PATH_SIZE], path[4 * UNIT_PATH_SIZE];
	pid_t child = set_up_in_other_root(marker_in_root, change_root);

	use_longest_path();
	snprintf(path, sizeof(path), "%s%s", root, fixture.place.dir);
	make_directories(path);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(fixture.marker, "ready\n");
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	snprintf(path, sizeof(path), "%s%s", root, fixture.marker);
	unit_write(path, "ready\n");
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(child);
}
END_TEST

/* Also not after the process has ended and its root cannot be seen any more. */
START_TEST(marker_below_own_root_does_not_count_for_other_root)
{
	char marker_in_root[3 * UNIT_PATH_SIZE];
	pid_t child = set_up_in_other_root(marker_in_root, change_root);

	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	unit_write(fixture.marker, "ready\n");
	unit_kill(child);
	expect(READYD_DIED, READYD_REASON_NONE, 0);
	tear_down();
}
END_TEST

START_TEST(unreachable_if_root_is_inaccessible)
{
	pid_t child = unit_spawn_in_child_ns();

	set_up(child);
	ck_assert_int_eq(chmod(unit_root, 0711), 0);
	ck_assert_int_eq(chmod(fixture.place.dir, 0711), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	expect(READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED, 0);
	ck_assert(!fixture.history.absent_seen);
	ck_assert_int_eq(seteuid(0), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(child);
}
END_TEST

/* Differs from test to test, since several may run at once. */
static pid_t first_ns_pid;

/* Pids are allocated upwards, so a pid that is unused now stays unused for a while. */
static bool is_unused_here(pid_t ns_pid)
{
	return ns_pid >= first_ns_pid && kill(ns_pid, 0) != 0 && errno == ESRCH;
}

/* Moves its children to a new pid namespace and forks there until one has an ns_pid that is not a pid in our
 * namespace; writes the pid of that child. */
static void fork_until_ns_pid_is_unused_here(void)
{
	int flags = CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
	pid_t child;

	if (unshare(flags) != 0 || process_ns_pid_of(unit_spawn(NULL)) != 1)
		_exit(1);
	for (pid_t ns_pid = 2;; ns_pid++) {
		child = unit_spawn(NULL);
		if (is_unused_here(ns_pid))
			break;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	if (write(progress[1], &child, sizeof(child)) != sizeof(child))
		_exit(1);
}

/* The child ends with *parent. */
static pid_t spawn_with_unused_ns_pid(pid_t *parent)
{
	pid_t child;

	first_ns_pid = 20 + getpid() % 500;
	ck_assert_int_eq(pipe(progress), 0);
	*parent = unit_spawn(fork_until_ns_pid_is_unused_here);
	close(progress[1]);
	ck_assert_int_eq(read(progress[0], &child, sizeof(child)), sizeof(child));
	close(progress[0]);
	return child;
}

static void write_marker(pid_t pid)
{
	snprintf(strrchr(fixture.marker, '-'), 16, "-%d", (int)pid);
	unit_write(fixture.marker, "ready\n");
}

START_TEST(marker_name_has_pid_of_child_namespace)
{
	pid_t parent, child = spawn_with_unused_ns_pid(&parent), name = process_ns_pid_of(child);

	set_up(child);
	ck_assert_int_ne(name, child);
	write_marker(child);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(name);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(parent);
}
END_TEST

static void end_and_await(pid_t pid)
{
	struct process p;

	process_open(&p, pid);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	while (!process_gone(&p))
		sched_yield();
	process_close(&p);
}

/* The other process has ended but was not reaped. */
START_TEST(zombie_does_not_collide)
{
	pid_t parents[2], child = spawn_with_unused_ns_pid(&parents[0]),
			  other = spawn_with_unused_ns_pid(&parents[1]);

	ck_assert_int_eq(process_ns_pid_of(child), process_ns_pid_of(other));
	set_up(child);
	end_and_await(other);
	write_marker(process_ns_pid_of(child));
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(parents[0]);
	unit_kill(parents[1]);
}
END_TEST

/* The marker stays ambiguous until it is replaced, even if the other process ends. */
START_TEST(marker_of_two_processes_is_refused)
{
	pid_t parents[2], child = spawn_with_unused_ns_pid(&parents[0]),
			  other = spawn_with_unused_ns_pid(&parents[1]);
	pid_t ns_pid = process_ns_pid_of(child);

	ck_assert_int_eq(process_ns_pid_of(other), ns_pid);
	set_up(child);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(ns_pid);
	expect(READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION, 0);
	ck_assert(!fixture.history.latched);
	end_and_await(other);
	expect(READYD_UNREACHABLE, READYD_REASON_NAME_COLLISION, 0);
	ck_assert_int_eq(unlink(fixture.marker), 0);
	expect(READYD_PENDING, READYD_REASON_NONE, 0);
	write_marker(ns_pid);
	expect(READYD_READY, READYD_REASON_NONE, 0);
	tear_down();
	unit_kill(parents[0]);
	unit_kill(parents[1]);
}
END_TEST

/* Without `collisions` other namespaces are not searched, and the answer is marked as unconfirmed. */
START_TEST(unchecked_ambiguity_is_unconfirmed)
{
	pid_t child = unit_spawn_in_child_ns();
	struct readyd_answer answer;

	set_up(child);
	check_process(
	    &fixture.place, &fixture.process, &fixture.history, NULL, &marker_viewer_direct, &answer);
	ck_assert(!fixture.history.unconfirmed);
	write_marker(1);
	check_process(
	    &fixture.place, &fixture.process, &fixture.history, NULL, &marker_viewer_direct, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert(fixture.history.unconfirmed);
	ck_assert(!fixture.history.latched);
	fixture.history.confirmed = true;
	check_process(
	    &fixture.place, &fixture.process, &fixture.history, NULL, &marker_viewer_direct, &answer);
	ck_assert_int_eq(answer.verdict, READYD_READY);
	ck_assert(!fixture.history.unconfirmed);
	ck_assert(fixture.history.latched);
	tear_down();
	unit_kill(child);
}
END_TEST

/* Without descriptors nothing of the process can be read, so its marker proves nothing. */
START_TEST(unreadable_process_has_no_verdict)
{
	struct rlimit limit;

	set_up(getpid());
	tear_down();
	unit_write(fixture.marker, "ready\n");
	limit = unit_forbid_new_fds();
	process_open(&fixture.process, getpid());
	check_process(&fixture.place, &fixture.process, &fixture.history, fixture.collisions,
	    &marker_viewer_direct, &fixture.answer);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(fixture.answer.verdict, READYD_PENDING);
	ck_assert_int_eq(fixture.answer.reason, READYD_REASON_NO_RESOURCES);
	ck_assert(!fixture.history.latched);
	ck_assert(!fixture.history.absent_seen);
	tear_down();
}
END_TEST

/* The user ids to compare the marker's owner with cannot be read. */
START_TEST(unreadable_owner_has_no_verdict)
{
	struct rlimit limit;

	set_up(getpid());
	process_close(&fixture.process);
	unit_write(fixture.marker, "ready\n");
	ck_assert_int_eq(chown(fixture.marker, 65534, 65534), 0);
	limit = unit_forbid_new_fds();
	check_process(&fixture.place, &fixture.process, &fixture.history, fixture.collisions,
	    &marker_viewer_direct, &fixture.answer);
	unit_restore_fd_limit(&limit);
	ck_assert_int_eq(fixture.answer.reason, READYD_REASON_NO_RESOURCES);
	expect(READYD_STALE, READYD_REASON_FOREIGN_OWNER, 0);
	tear_down();
}
END_TEST

static bool can_change_root(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit((geteuid() == 0 || unshare(CLONE_NEWUSER) == 0) && chroot("/") == 0 ? 0 : 1);
	return waitpid(child, &status, 0) == child && status == 0;
}

/* Whether other users can reach the private directories. */
static bool others_can_reach_directories(void)
{
	struct stat st;
	bool may;

	if (geteuid() != 0 || seteuid(65534) != 0)
		return false;
	may = stat(unit_root, &st) == 0;
	return seteuid(0) == 0 && may;
}

static void add_privileged(TCase *tcase)
{
	const bool is_root = geteuid() == 0, can_create_pid_ns = unit_can_create_pid_ns();

	unit_add_if(tcase, marker_of_foreign_owner_is_stale, is_root, "needs root");
	unit_add_if(tcase, unreadable_owner_has_no_verdict, is_root, "needs root");
	unit_add_if(tcase, owner_must_be_user_of_process_or_root, is_root, "needs root");
	unit_add_if(tcase, unreachable_if_root_is_inaccessible,
	    can_create_pid_ns && others_can_reach_directories(), "needs root and a public TMPDIR");
	unit_add_if(tcase, marker_name_has_pid_of_child_namespace, can_create_pid_ns,
	    "cannot create a pid namespace");
	unit_add_if(tcase, zombie_does_not_collide, can_create_pid_ns, "cannot create a pid namespace");
	unit_add_if(
	    tcase, marker_of_two_processes_is_refused, can_create_pid_ns, "cannot create a pid namespace");
	unit_add_if(
	    tcase, unchecked_ambiguity_is_unconfirmed, can_create_pid_ns, "cannot create a pid namespace");
	unit_add_if(tcase, root_is_found_after_leader_exited, can_change_root(), "chroot(2) is denied");
	unit_add_if(tcase, marker_is_found_in_root_of_process, can_change_root(), "chroot(2) is denied");
	unit_add_if(tcase, symlink_is_resolved_in_root_of_process, can_change_root(), "chroot(2) is denied");
	unit_add_if(
	    tcase, longest_path_is_found_in_root_of_process, can_change_root(), "chroot(2) is denied");
	unit_add_if(tcase, marker_below_own_root_does_not_count_for_other_root, can_change_root(),
	    "chroot(2) is denied");
}

static Suite *suite(void)
{
	Suite *s = suite_create("check");
	TCase *tcase = unit_case(s, "check");

	tcase_add_loop_test(tcase, marker_same_compares_identity, 0, UNIT_COUNT(variants));
	tcase_add_test(tcase, pending_until_marker_is_written);
	tcase_add_test(tcase, ready_if_marker_exists_at_first_check);
	tcase_add_test(tcase, ready_stays_when_marker_is_removed);
	tcase_add_test(tcase, pending_if_not_a_regular_file);
	tcase_add_test(tcase, unreachable_without_directory);
	tcase_add_test(tcase, died_without_marker);
	tcase_add_test(tcase, exited_with_marker);
	tcase_add_test(tcase, exited_when_latched);
	tcase_add_test(tcase, died_if_no_such_process);
	tcase_add_test(tcase, leftover_is_stale_until_replaced);
	tcase_add_test(tcase, marker_older_than_process_is_stale);
	tcase_add_test(tcase, unconfirmed_if_marker_is_as_old_as_process);
	tcase_add_test(tcase, confirmed_if_marker_was_seen_to_appear);
	tcase_add_test(tcase, time_stamps_do_not_count_if_marker_was_seen_to_appear);
	tcase_add_test(tcase, unreadable_process_has_no_verdict);
	add_privileged(tcase);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
