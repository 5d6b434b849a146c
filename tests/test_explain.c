/* Why a wait has no answer yet, in the words of readyd_waiter_explain(). */
#include <errno.h>

#include "readyd/marker.h"
#include "readyd/readyd.h"
#include "tests/unit.h"

static struct readyd_options options;
static struct readyd_waiter *waiter;
static struct readyd_explanation explanation = READYD_EXPLANATION_INIT;
static char dir[UNIT_PATH_SIZE], sub[UNIT_PATH_SIZE + 8];
static pid_t child;

static void set_up(void)
{
	unsetenv("READYD_BACKEND");
	unit_dir(dir);
	snprintf(sub, sizeof(sub), "%s/m", dir);
	options =
	    (struct readyd_options){.size = sizeof(options), .dir = sub, .backend = READYD_BACKEND_FILE};
	waiter = NULL;
	child = 0;
}

static void tear_down(void)
{
	readyd_waiter_free(waiter);
	if (child != 0)
		unit_kill(child);
	(void)chmod(dir, 0700);
}

static void wait_for(pid_t pid)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;

	waiter = readyd_waiter_new(&options);
	ck_assert_ptr_nonnull(waiter);
	ck_assert_int_eq(readyd_waiter_add(waiter, pid), 0);
	ck_assert_int_eq(readyd_waiter_next(waiter, &answer), 0);
}

static void explain(pid_t pid)
{
	ck_assert_int_eq(readyd_waiter_explain(waiter, pid, &explanation), 0);
}

static void mark(pid_t pid)
{
	char path[UNIT_PATH_SIZE + 64];

	snprintf(path, sizeof(path), "%s/" READYD_MARKER_NAME_PREFIX "%d", sub, (int)pid);
	unit_write(path, "ready\n");
}

START_TEST(what_is_not_waited_for_has_no_explanation)
{
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	child = unit_spawn(NULL);
	wait_for(child);
	ck_assert_int_eq(readyd_waiter_explain(waiter, getpid(), &explanation), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(all_is_well_but_the_marker)
{
	char path[UNIT_PATH_SIZE + 64];

	ck_assert_int_eq(mkdir(sub, 0700), 0);
	child = unit_spawn(NULL);
	wait_for(child);
	explain(child);
	ck_assert_str_eq(explanation.marker, "absent");
	ck_assert_str_eq(explanation.directory, "ok");
	ck_assert_str_eq(explanation.via, "inotify");
	ck_assert_int_eq(explanation.last_event_ms, -1);
	snprintf(path, sizeof(path), "%s/" READYD_MARKER_NAME_PREFIX "%d", sub, (int)child);
	ck_assert_str_eq(explanation.path, path);
	mark(child);
	explain(child);
	ck_assert_str_eq(explanation.marker, "there");
}
END_TEST

/* As the parent of a child of vfork(2) does until that ends; but the child has memory of its own. */
static void sleep_uninterruptible(void)
{
	pid_t parent = getpid();

	if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL) != 0)
		return;
	unit_die_with_parent(parent);
	pause();
	_exit(0);
}

static void stop(void)
{
	raise(SIGSTOP);
}

static void run(void)
{
	for (;;)
		;
}

static const struct {
	void (*run)(void);
	const char *word;
} states[] = {
    {NULL, "sleeping"}, {run, "running"}, {stop, "stopped"}, {sleep_uninterruptible, "uninterruptible"}};

/* Until the child has come so far, it is in another state. */
START_TEST(the_state_of_the_process)
{
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	child = unit_spawn(states[_i].run);
	wait_for(child);
	do {
		explain(child);
		sched_yield();
	} while (strcmp(explanation.process, states[_i].word) != 0);
}
END_TEST

START_TEST(a_process_that_is_gone)
{
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	child = unit_spawn(NULL);
	wait_for(child);
	unit_kill(child);
	explain(child);
	ck_assert_str_eq(explanation.process, "gone");
	child = 0;
}
END_TEST

/* What lies there already cannot be of a process that has not started. */
START_TEST(a_process_that_has_not_started)
{
	ck_assert_int_eq(mkdir(sub, 0700), 0);
	options.flags = READYD_OPTION_AWAIT_START;
	wait_for(UNIT_UNUSED_PID);
	explain(UNIT_UNUSED_PID);
	ck_assert_str_eq(explanation.process, "not-started");
	ck_assert_str_eq(explanation.marker, "absent");
	mark(UNIT_UNUSED_PID);
	explain(UNIT_UNUSED_PID);
	ck_assert_str_eq(explanation.marker, readyd_reason_name(READYD_REASON_OLDER));
}
END_TEST

static void make_nothing(void)
{
}

static void make_file(void)
{
	unit_write(sub, "");
}

static void make_link_to_itself(void)
{
	ck_assert_int_eq(symlink("m", sub), 0);
}

static void make_path_below_a_file(void)
{
	make_file();
	strcat(sub, "/m");
}

/* No mode keeps root out. */
static void be_another_user(void)
{
	ck_assert_int_eq(geteuid() == 0 ? seteuid(65534) : 0, 0);
}

/* It can be examined, but not searched. */
static void make_closed(void)
{
	ck_assert_int_eq(chmod(unit_root, 0711), 0);
	ck_assert_int_eq(chmod(dir, 0711), 0);
	ck_assert_int_eq(mkdir(sub, 0), 0);
	be_another_user();
}

static void make_below_closed(void)
{
	ck_assert_int_eq(mkdir(sub, 0755), 0);
	ck_assert_int_eq(chmod(dir, 0), 0);
	be_another_user();
}

static const struct {
	void (*make)(void);
	const char *word;
} directories[] = {{make_nothing, "missing"}, {make_file, "not-a-directory"},
    {make_link_to_itself, "not-a-directory"}, {make_path_below_a_file, "not-a-directory"},
    {make_closed, "denied"}, {make_below_closed, "denied"}};

/* By another user than root, since no mode keeps root out. The directory is not hidden: the process has our
 * mounts.
 */
START_TEST(the_state_of_the_directory)
{
	uid_t uid = geteuid();

	child = unit_spawn(NULL);
	directories[_i].make();
	waiter = readyd_waiter_new(&options);
	ck_assert_int_eq(readyd_waiter_add(waiter, child), 0);
	explain(child);
	ck_assert_str_eq(explanation.directory, directories[_i].word);
	ck_assert_str_eq(explanation.via, "polling");
	ck_assert_int_eq(seteuid(uid), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("explain");
	TCase *tcase = unit_case(s, "explain");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, what_is_not_waited_for_has_no_explanation);
	tcase_add_test(tcase, all_is_well_but_the_marker);
	/* The last one needs vfork(2), which is fork(2) to qemu-user. */
	tcase_add_loop_test(
	    tcase, the_state_of_the_process, 0, (int)UNIT_COUNT(states) - (unit_is_emulated() ? 1 : 0));
	tcase_add_test(tcase, a_process_that_is_gone);
	tcase_add_test(tcase, a_process_that_has_not_started);
	tcase_add_loop_test(tcase, the_state_of_the_directory, 0, UNIT_COUNT(directories));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
