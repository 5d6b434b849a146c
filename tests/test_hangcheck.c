/* The warning of a marker directory that may hang, in a mount namespace of the test. */
#include "daemon/hangcheck.h"
#include "tests/unit.h"

#include <sys/mount.h>

static char dir[UNIT_PATH_SIZE];
static int logged;

static void set_up(void)
{
	char name[2 * UNIT_PATH_SIZE];

	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	unit_dir(dir);
	snprintf(name, sizeof(name), "%s.log", dir);
	logged = open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(logged, 0);
	ck_assert_int_ge(dup2(logged, STDERR_FILENO), 0);
}

static int lines_of_log(void)
{
	return unit_count_lines(logged);
}

static int fuse;

/* No process answers its requests, and none is made: only the mount table is read. */
static void mount_fuse(const char *where)
{
	char options[128];

	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fuse, 0);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	ck_assert_int_eq(mount("none", where, "fuse", 0, options), 0);
}

static void unmount(const char *where)
{
	ck_assert_int_eq(umount2(where, MNT_DETACH), 0);
	close(fuse);
}

/* Whenever it comes to be so, and not again while it stays. */
START_TEST(a_directory_that_may_hang_is_named_once)
{
	struct hangcheck check = {0};

	hangcheck_run(&check, dir);
	ck_assert_int_eq(lines_of_log(), 0);
	mount_fuse(dir);
	hangcheck_run(&check, dir);
	hangcheck_run(&check, dir);
	ck_assert(check.warned);
	ck_assert_int_eq(lines_of_log(), 1);
	unmount(dir);
	hangcheck_run(&check, dir);
	ck_assert(!check.warned);
	mount_fuse(dir);
	hangcheck_run(&check, dir);
	ck_assert_int_eq(lines_of_log(), 2);
	unmount(dir);
}
END_TEST

START_TEST(a_directory_on_the_way_counts)
{
	struct hangcheck check = {0};
	char below[2 * UNIT_PATH_SIZE];

	snprintf(below, sizeof(below), "%s/below", dir);
	mount_fuse(dir);
	hangcheck_run(&check, below);
	ck_assert_int_eq(lines_of_log(), 1);
	unmount(dir);
}
END_TEST

static Suite *suite(void)
{
	const char *why = "needs root and /dev/fuse";
	Suite *s = suite_create("hangcheck");
	TCase *tcase = unit_case(s, "hangcheck");
	const bool can = geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0;

	if (can)
		tcase_add_checked_fixture(tcase, set_up, NULL);
	unit_add_if(tcase, a_directory_that_may_hang_is_named_once, can, why);
	unit_add_if(tcase, a_directory_on_the_way_counts, can, why);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
