/* check_process() for a process with another root than ours. */
#include <pthread.h>

#include "tests/check_fixture.h"

/* The root directory of a child; the marker directory's path leads to another directory below it. */
static char root[UNIT_PATH_SIZE];

static void change_root(void)
{
	if ((geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) || chroot(root) != 0)
		_exit(1);
	report_progress();
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

	unit_dir(root);
	child = spawn_and_await(go);
	set_up(child);
	snprintf(dir, sizeof(dir), "%s%s", root, fixture.place.dir);
	make_directories(dir);
	snprintf(marker_in_root, 3 * UNIT_PATH_SIZE, "%s%s", root, fixture.marker);
	return child;
}

/* That in its own root counts, not that in ours, also when the process ends. */
static void expect_marker_in_its_root(pid_t child, const char *marker_in_root)
{
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

START_TEST(marker_is_found_in_root_of_process)
{
	char marker_in_root[3 * UNIT_PATH_SIZE];
	pid_t child = set_up_in_other_root(marker_in_root, change_root);

	expect_marker_in_its_root(child, marker_in_root);
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
	expect_marker_in_its_root(child, marker_in_root);
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

static Suite *suite(void)
{
	const bool may = can_change_root();
	Suite *s = suite_create("check_other_root");
	TCase *tcase = unit_case(s, "check_other_root");

	unit_add_if(tcase, unreachable_if_root_is_inaccessible,
	    unit_can_create_pid_ns() && others_can_reach_directories(), "needs root and a public TMPDIR");
	unit_add_if(tcase, marker_is_found_in_root_of_process, may, "chroot(2) is denied");
	unit_add_if(tcase, symlink_is_resolved_in_root_of_process, may, "chroot(2) is denied");
	unit_add_if(tcase, root_is_found_after_leader_exited, may, "chroot(2) is denied");
	unit_add_if(tcase, longest_path_is_found_in_root_of_process, may, "chroot(2) is denied");
	unit_add_if(tcase, marker_below_own_root_does_not_count_for_other_root, may, "chroot(2) is denied");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
