#include "src/process_root.h"
#include "tests/unit.h"

#include <pthread.h>
#include <sys/mount.h>

static char root[UNIT_PATH_SIZE];
static int started[2];

static void tell(void)
{
	if (write(started[1], "s", 1) != 1)
		_exit(1);
}

static void live_below(void)
{
	if (chroot(root) != 0)
		_exit(1);
	tell();
}

static void live_in_other_mount_namespace(void)
{
	if (unshare(CLONE_NEWNS) != 0)
		_exit(1);
	tell();
}

static void *tell_and_pause(void *arg)
{
	tell();
	while (pause() < 0)
		continue;
	return arg;
}

/* pthread_exit(3) would load a library, which does not exist below the other root. */
static void leave_a_thread(void)
{
	pthread_t id;

	if (pthread_create(&id, NULL, tell_and_pause, NULL) != 0)
		_exit(1);
	syscall(SYS_exit, 0);
}

static void leave_a_thread_below(void)
{
	if (chroot(root) != 0)
		_exit(1);
	leave_a_thread();
}

static void spawn_and_await(struct process *p, void (*run)(void))
{
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(started), 0);
	pid = unit_spawn(run);
	ck_assert_int_eq(read(started[0], &byte, 1), 1);
	process_open(p, pid);
}

static void spawn_without_leader(struct process *p, void (*run)(void))
{
	spawn_and_await(p, run);
	while (process_state(p) != 'Z')
		sched_yield();
}

static void expect(const struct process *p, enum process_root expected)
{
	struct process_root_ours ours = {0};
	char path[PROCESS_ROOT_SIZE];

	ck_assert_int_eq(process_root_find_nowait(p, &ours), expected);
	/* Now it is known. */
	ck_assert_int_eq(process_root_find_nowait(p, &ours), expected);
	ck_assert_int_eq(process_root_find(p, path), expected);
}

START_TEST(root_is_found_without_a_descriptor)
{
	struct process ours, below, ended;
	struct rlimit before;

	unit_dir(root);
	process_open(&ours, unit_spawn(NULL));
	spawn_and_await(&below, live_below);
	process_open(&ended, unit_spawn_ending(0, 0));
	unit_await_zombie(ended.pid);
	before = unit_forbid_new_fds();
	expect(&ours, PROCESS_ROOT_OURS);
	expect(&below, PROCESS_ROOT_OTHER);
	expect(&ended, PROCESS_ROOT_NONE);
	unit_restore_fd_limit(&before);
}
END_TEST

/* The pid may be another process's by now. */
START_TEST(process_without_a_start_has_no_root)
{
	struct process p;

	process_open(&p, getpid());
	p.start_known = false;
	expect(&p, PROCESS_ROOT_NONE);
	process_close(&p);
	process_open(&p, UNIT_UNUSED_PID);
	expect(&p, PROCESS_ROOT_NONE);
}
END_TEST

START_TEST(root_in_another_mount_namespace_is_not_ours)
{
	struct process p;

	spawn_and_await(&p, live_in_other_mount_namespace);
	expect(&p, PROCESS_ROOT_OTHER);
}
END_TEST

static void enter_private_mounts(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

/* Proves that the names are equal, so that they alone would call it ours. */
static void expect_name_of_our_root(const struct process *p)
{
	char path[PROCESS_ROOT_SIZE], name[16] = "";

	snprintf(path, sizeof(path), "/proc/%d/root", (int)p->pid);
	ck_assert_int_eq(readlink(path, name, sizeof(name) - 1), 1);
	ck_assert_str_eq(name, "/");
}

START_TEST(root_above_ours_is_not_ours)
{
	char proc[UNIT_PATH_SIZE + 8];
	struct process p;

	unit_dir(root);
	snprintf(proc, sizeof(proc), "%s/proc", root);
	ck_assert_int_eq(mkdir(proc, 0755), 0);
	enter_private_mounts();
	ck_assert_int_eq(mount("proc", proc, "proc", 0, NULL), 0);
	process_open(&p, unit_spawn(NULL));
	expect(&p, PROCESS_ROOT_OURS);
	ck_assert_int_eq(chroot(root), 0);
	expect_name_of_our_root(&p);
	expect(&p, PROCESS_ROOT_OTHER);
}
END_TEST

START_TEST(root_in_a_detached_mount_is_not_ours)
{
	struct process p;

	unit_dir(root);
	enter_private_mounts();
	ck_assert_int_eq(mount("none", root, "tmpfs", 0, NULL), 0);
	spawn_and_await(&p, live_below);
	ck_assert_int_eq(umount2(root, MNT_DETACH), 0);
	expect_name_of_our_root(&p);
	expect(&p, PROCESS_ROOT_OTHER);
}
END_TEST

START_TEST(root_of_other_threads_counts_after_leader_exited)
{
	struct process ours, below;

	unit_dir(root);
	spawn_without_leader(&ours, leave_a_thread);
	spawn_without_leader(&below, leave_a_thread_below);
	expect(&ours, PROCESS_ROOT_OURS);
	expect(&below, PROCESS_ROOT_OTHER);
}
END_TEST

/* The threads cannot be listed then. */
START_TEST(root_of_other_threads_is_unknown_without_descriptors)
{
	struct rlimit before;
	struct process p;

	spawn_without_leader(&p, leave_a_thread);
	before = unit_forbid_new_fds();
	expect(&p, PROCESS_ROOT_UNKNOWN);
	unit_restore_fd_limit(&before);
}
END_TEST

START_TEST(root_of_another_user_is_closed)
{
	struct process p;

	process_open(&p, unit_spawn(NULL));
	ck_assert_int_eq(seteuid(65534), 0);
	expect(&p, PROCESS_ROOT_CLOSED);
	ck_assert_int_eq(seteuid(0), 0);
	expect(&p, PROCESS_ROOT_OURS);
}
END_TEST

START_TEST(path_is_resolved_below_the_root_that_was_found)
{
	char path[PROCESS_ROOT_SIZE];
	struct stat below, opened;
	struct process p;
	int fd;

	unit_dir(root);
	spawn_without_leader(&p, leave_a_thread_below);
	ck_assert_int_eq(process_root_find(&p, path), PROCESS_ROOT_OTHER);
	fd = process_root_open(path, "/..");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(stat(root, &below), 0);
	ck_assert_int_eq(fstat(fd, &opened), 0);
	ck_assert(below.st_dev == opened.st_dev && below.st_ino == opened.st_ino);
	close(fd);
}
END_TEST

static bool can_mount(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
			  ? 0
			  : 1);
	return waitpid(child, &status, 0) == child && status == 0;
}

static Suite *suite(void)
{
	const bool is_root = geteuid() == 0, may_mount = can_mount();
	Suite *s = suite_create("process_root");
	TCase *tcase = unit_case(s, "process_root");

	tcase_add_test(tcase, process_without_a_start_has_no_root);
	tcase_add_test(tcase, root_of_other_threads_is_unknown_without_descriptors);
	unit_add_if(tcase, root_is_found_without_a_descriptor, is_root, "needs root");
	unit_add_if(tcase, root_of_other_threads_counts_after_leader_exited, is_root, "needs root");
	unit_add_if(tcase, path_is_resolved_below_the_root_that_was_found, is_root, "needs root");
	unit_add_if(tcase, root_of_another_user_is_closed, is_root, "needs root");
	unit_add_if(tcase, root_in_another_mount_namespace_is_not_ours, may_mount, "mount(2) is denied");
	unit_add_if(tcase, root_above_ours_is_not_ours, may_mount, "mount(2) is denied");
	unit_add_if(tcase, root_in_a_detached_mount_is_not_ours, may_mount, "mount(2) is denied");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
