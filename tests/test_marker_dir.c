#include "src/marker_dir.h"
#include "src/dirwatch.h"
#include "tests/unit.h"

#include <errno.h>
#include <sys/inotify.h>
#include <sys/mount.h>

#define PREFIX "ready-"
/* As many symbolic links as the kernel follows: MAXSYMLINKS, include/linux/namei.h */
#define LINKS_MOST 40

static char root[UNIT_PATH_SIZE];
static int started[2];
static uid_t child_uid;

static const char *below(const char *name)
{
	static char path[2 * UNIT_PATH_SIZE];

	snprintf(path, sizeof(path), "%s%s", root, name);
	return path;
}

static void make_link(const char *name, const char *target)
{
	ck_assert_int_eq(symlink(target, below(name)), 0);
}

static void make_dir(const char *name)
{
	ck_assert_int_eq(mkdir(below(name), 0755), 0);
}

/* /link-N needs N links to be followed. */
static void make_chain(void)
{
	char name[32], target[32] = "/run/m";

	for (int i = 1; i <= LINKS_MOST + 5; i++) {
		snprintf(name, sizeof(name), "/link-%d", i);
		make_link(name, target);
		strcpy(target, name);
	}
}

static void make_root(void)
{
	unit_dir(root);
	ck_assert_int_eq(chmod(root, 0755), 0);
	make_dir("/run");
	make_dir("/run/m");
	make_dir("/var");
	make_dir("/private");
	make_dir("/private/m");
	ck_assert_int_eq(chmod(below("/private"), 0700), 0);
	make_link("/var/run", "/run");
	make_link("/var/here", "../run");
	make_link("/run/m/up", "..");
	make_link("/far", "/var/run/m");
	make_link("/out", "../../../../../..");
	make_link("/nowhere", "/none");
	make_link("/top", "/");
	make_link("/loop", "/loop");
	make_link("/run/chain", "/far/up/m");
	unit_write(below("/file"), "");
	make_chain();
}

static void tell(void)
{
	if (write(started[1], "s", 1) != 1)
		_exit(1);
}

static void live_below(void)
{
	if (chroot(root) != 0 || chdir("/") != 0 || setresuid(child_uid, child_uid, child_uid) != 0)
		_exit(1);
	prctl(PR_SET_DUMPABLE, 1);
	tell();
}

static pid_t spawn_and_await(void (*run)(void))
{
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(started), 0);
	pid = unit_spawn(run);
	ck_assert_int_eq(read(started[0], &byte, 1), 1);
	return pid;
}

static void view(const char *dir, pid_t pid, struct marker_view *seen)
{
	struct marker_place place;
	struct process p;
	int fds;

	ck_assert_int_eq(marker_place_init(&place, dir, PREFIX), 0);
	process_open(&p, pid);
	fds = unit_count_fds();
	memset(seen, 0xff, sizeof(*seen));
	marker_view(&place, &p, seen);
	ck_assert_int_eq(unit_count_fds(), fds);
	process_close(&p);
}

static const struct {
	const char *dir, *is; /* what it is below the root; NULL: not a directory there */
} ways[] = {
    {"/run/m", "/run/m"},
    {"/", "/"},
    {"//run///m/", "/run/m"},
    {"/run/./m/.", "/run/m"},
    {"/run/../run/m", "/run/m"},
    {"/../../run", "/run"},
    {"/var/run/m", "/run/m"},
    {"/var/here/m", "/run/m"},
    {"/var/run", "/run"},
    {"/run/m/up", "/run"},
    {"/far", "/run/m"},
    {"/far/../m", "/run/m"},
    {"/out/run", "/run"},
    {"/top/top/run/m", "/run/m"},
    {"/run/chain", "/run/m"},
    {"/private/m", "/private/m"},
    {"/link-40", "/run/m"},
    {"/link-45", NULL},
    {"/none/m", NULL},
    {"/nowhere/m", NULL},
    {"/loop/m", NULL},
    {"/file", NULL},
    {"/file/m", NULL},
};

START_TEST(paths_are_resolved_as_the_process_does)
{
	struct marker_view seen;
	char name[64];
	struct stat st;
	pid_t pid;

	make_root();
	pid = spawn_and_await(live_below);
	view(ways[_i].dir, pid, &seen);
	ck_assert_int_eq(seen.where, MARKER_DIR_OTHER);
	ck_assert_int_eq(seen.marker.kind, ways[_i].is == NULL ? MARKER_NO_DIRECTORY : MARKER_ABSENT);
	if (ways[_i].is == NULL)
		return;
	ck_assert_int_eq(stat(below(ways[_i].is), &st), 0);
	ck_assert(seen.dev == st.st_dev && seen.ino == st.st_ino);
	ck_assert(seen.marker.dev == st.st_dev && seen.marker.ino == st.st_ino);
	snprintf(name, sizeof(name), "%s/" PREFIX "%d", ways[_i].is, pid);
	unit_write(below(name), "ready\n");
	view(ways[_i].dir, pid, &seen);
	ck_assert_int_eq(seen.marker.kind, MARKER_FILE);
	ck_assert_int_eq(seen.marker.size, strlen("ready\n"));
	unit_kill(pid);
}
END_TEST

/* That root is another one, so the directory of that name here says nothing. */
START_TEST(directory_that_may_not_be_searched_is_inaccessible)
{
	struct marker_view seen;
	pid_t pid;

	make_root();
	child_uid = 65534;
	pid = spawn_and_await(live_below);
	ck_assert_int_eq(setresuid(child_uid, child_uid, child_uid), 0);
	view("/run/m", pid, &seen);
	ck_assert_int_eq(seen.where, MARKER_DIR_OTHER);
	view("/private/m", pid, &seen);
	ck_assert_int_eq(seen.where, MARKER_DIR_INACCESSIBLE);
	ck_assert_int_eq(seen.marker.kind, MARKER_UNKNOWN);
}
END_TEST

static void view_without_descriptors(const char *dir, pid_t pid, struct marker_view *seen)
{
	struct marker_place place;
	struct rlimit before;
	struct process p;

	process_open(&p, pid);
	ck_assert_int_eq(marker_place_init(&place, dir, PREFIX), 0);
	before = unit_forbid_new_fds();
	marker_view(&place, &p, seen);
	unit_restore_fd_limit(&before);
}

START_TEST(no_descriptors_is_unknown)
{
	struct marker_view seen;

	make_root();
	view_without_descriptors("/run/m", spawn_and_await(live_below), &seen);
	ck_assert_int_eq(seen.where, MARKER_DIR_UNKNOWN);
	ck_assert_int_eq(seen.marker.kind, MARKER_UNKNOWN);
}
END_TEST

START_TEST(our_own_root_needs_no_descriptor)
{
	struct marker_view seen;

	make_root();
	view_without_descriptors(root, unit_spawn(NULL), &seen);
	ck_assert_int_eq(seen.where, MARKER_DIR_SAME);
	ck_assert_int_eq(seen.marker.kind, MARKER_ABSENT);
}
END_TEST

static void unshare_mounts(void)
{
	if (unshare(CLONE_NEWNS) != 0)
		_exit(1);
	tell();
}

START_TEST(other_mount_namespace_with_the_same_directory)
{
	struct marker_view seen;
	pid_t pid;

	make_root();
	pid = spawn_and_await(unshare_mounts);
	view(below("/var/here/m"), pid, &seen);
	ck_assert_int_eq(seen.where, MARKER_DIR_SAME);
	view(root, pid, &seen);
	ck_assert_int_eq(seen.where, MARKER_DIR_SAME);
	ck_assert_int_eq(seen.marker.kind, MARKER_ABSENT);
}
END_TEST

static void add_watch(const char *dir, void *context)
{
	struct dirwatch *watch = context;
	int number;

	ck_assert(dirwatch_add_extra(watch, dir, &number));
	ck_assert_int_gt(number, 0);
}

static void never(const char *dir, void *context)
{
	(void)dir;
	(void)context;
	ck_abort_msg("visited");
}

static const uint32_t removal[] = {IN_DELETE_SELF, IN_IGNORED};

/* The watch outlives the descriptor that it was added by, and the directory can be removed. */
START_TEST(visited_directory_can_be_watched)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event = (const void *)buffer;
	struct marker_place place;
	struct dirwatch watch;
	struct process p;

	make_root();
	ck_assert_int_eq(rmdir(below("/private/m")), 0);
	process_open(&p, spawn_and_await(live_below));
	ck_assert_int_eq(marker_place_init(&place, "/private", PREFIX), 0);
	dirwatch_init(&watch, &place, NULL, NULL);
	(void)dirwatch_arm(&watch);
	ck_assert_int_eq(marker_dir_visit(&place, &p, add_watch, &watch), MARKER_DIR_OTHER);
	ck_assert_int_eq(rmdir(below("/private")), 0);
	for (size_t i = 0; i < UNIT_COUNT(removal); i++) {
		if (i == 0)
			ck_assert_int_gt(dirwatch_read(&watch, buffer, sizeof(buffer)), 0);
		ck_assert_uint_eq(event->mask & removal[i], removal[i]);
		event = (const void *)((const char *)(event + 1) + event->len);
	}
	ck_assert_int_eq(marker_dir_visit(&place, &p, never, NULL), MARKER_DIR_OTHER);
	ck_assert_int_eq(errno, ENOENT);
	dirwatch_close(&watch);
}
END_TEST

START_TEST(our_own_directory_is_not_visited)
{
	struct marker_place place;
	struct process p;

	make_root();
	ck_assert_int_eq(marker_place_init(&place, root, PREFIX), 0);
	process_open(&p, unit_spawn(NULL));
	ck_assert_int_eq(marker_dir_visit(&place, &p, never, NULL), MARKER_DIR_SAME);
}
END_TEST

static const struct {
	enum marker_dir its, others;
	bool same; /* device and inode number, for OTHER */
	int shared;
} pairs[] = {
    {MARKER_DIR_SAME, MARKER_DIR_SAME, false, 1},
    {MARKER_DIR_SAME, MARKER_DIR_OTHER, false, 0},
    {MARKER_DIR_SAME, MARKER_DIR_OTHER, true, 1},
    {MARKER_DIR_OTHER, MARKER_DIR_OTHER, true, 1},
    {MARKER_DIR_OTHER, MARKER_DIR_SAME, false, 0},
    /* What the first one left is here; the second one, which has no root any more, may have had any. */
    {MARKER_DIR_NONE, MARKER_DIR_SAME, false, 1},
    {MARKER_DIR_HIDDEN, MARKER_DIR_SAME, false, 1},
    {MARKER_DIR_SAME, MARKER_DIR_NONE, false, 0},
    {MARKER_DIR_SAME, MARKER_DIR_HIDDEN, false, 0},
    {MARKER_DIR_SAME, MARKER_DIR_INACCESSIBLE, false, 0},
    {MARKER_DIR_SAME, MARKER_DIR_UNKNOWN, false, -1},
    {MARKER_DIR_SAME, MARKER_DIR_HANGS, false, -1},
};

START_TEST(shared_directory_is_found_by_views)
{
	struct marker_view its = {.where = pairs[_i].its}, others = {.where = pairs[_i].others};
	struct marker_place place;
	struct stat st;

	make_root();
	ck_assert_int_eq(marker_place_init(&place, root, PREFIX), 0);
	ck_assert_int_eq(stat(root, &st), 0);
	its.dev = others.dev = st.st_dev;
	its.ino = st.st_ino;
	others.ino = st.st_ino + !pairs[_i].same;
	if (pairs[_i].its == MARKER_DIR_OTHER && !pairs[_i].same)
		its.ino++;
	ck_assert_int_eq(marker_dir_is_shared(&place, &its, &others), pairs[_i].shared);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("marker_dir");
	TCase *tcase = unit_case(s, "root");

	tcase_add_test(tcase, our_own_root_needs_no_descriptor);
	tcase_add_test(tcase, our_own_directory_is_not_visited);
	tcase_add_loop_test(tcase, shared_directory_is_found_by_views, 0, UNIT_COUNT(pairs));
	if (geteuid() == 0)
		tcase_add_loop_test(tcase, paths_are_resolved_as_the_process_does, 0, UNIT_COUNT(ways));
	else
		printf("# skipped: paths_are_resolved_as_the_process_does: needs root\n");
	unit_add_if(tcase, directory_that_may_not_be_searched_is_inaccessible, geteuid() == 0, "needs root");
	unit_add_if(tcase, no_descriptors_is_unknown, geteuid() == 0, "needs root");
	unit_add_if(tcase, other_mount_namespace_with_the_same_directory, geteuid() == 0, "needs root");
	unit_add_if(tcase, visited_directory_can_be_watched, geteuid() == 0, "needs root");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
