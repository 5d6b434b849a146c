/* What libreadyd says to a caller that asks for what cannot be, and where the kernel refuses it what it
 * needs. */
#include <errno.h>
#include <time.h>

#include "readyd/readyd.h"
#include "tests/refuse.h"
#include "tests/unit.h"

static char dir[UNIT_PATH_SIZE], path[UNIT_PATH_SIZE + 8];
static struct readyd_options options;
static struct readyd_answer answer;

/* Nothing listens. */
static void set_up(void)
{
	unit_dir(dir);
	ck_assert_int_eq(chdir(dir), 0);
	snprintf(path, sizeof(path), "%s/s", dir);
	options = (struct readyd_options){.size = sizeof(options), .socket = path, .dir = dir};
	answer = (struct readyd_answer)READYD_ANSWER_INIT;
}

static void expect_error(int result, int error)
{
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(errno, error);
}

/* A program that was built for another version, or did not initialise what it passes. */
START_TEST(sizes_are_checked)
{
	struct readyd_waiter *waiter = readyd_waiter_new(&options);
	struct readyd_explanation explanation = READYD_EXPLANATION_INIT;
	struct readyd_monitor *monitor = readyd_monitor_new(&options, NULL);
	struct readyd_event event = READYD_EVENT_INIT;

	ck_assert_ptr_nonnull(waiter);
	ck_assert_ptr_nonnull(monitor);
	ck_assert_int_eq(readyd_waiter_add(waiter, getpid()), 0);
	answer.size = explanation.size = event.size = 1;
	expect_error(readyd_query(&options, getpid(), &answer), EINVAL);
	expect_error(readyd_wait(&options, getpid(), NULL, &answer), EINVAL);
	expect_error(readyd_query_set(&options, &answer, 1), EINVAL);
	expect_error(readyd_waiter_next(waiter, &answer), EINVAL);
	expect_error(readyd_waiter_peek(waiter, getpid(), &answer), EINVAL);
	expect_error(readyd_waiter_explain(waiter, getpid(), &explanation), EINVAL);
	expect_error(readyd_monitor_next(monitor, &event), EINVAL);
	readyd_waiter_free(waiter);
	readyd_monitor_free(monitor);
}
END_TEST

static void bad_size(void)
{
	options.size = 1;
}

static void bad_backend(void)
{
	options.backend = (enum readyd_backend)77;
}

static void negative_backend(void)
{
	options.backend = (enum readyd_backend) - 1;
}

static void (*const faults[])(void) = {bad_size, bad_backend, negative_backend};

START_TEST(options_are_checked)
{
	faults[_i]();
	expect_error(readyd_query(&options, getpid(), &answer), EINVAL);
	answer.pid = getpid();
	expect_error(readyd_query_set(&options, &answer, 1), EINVAL);
	expect_error(readyd_wait(&options, getpid(), NULL, &answer), EINVAL);
	expect_error(readyd_ping(&options), EINVAL);
	ck_assert_ptr_null(readyd_waiter_new(&options));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(readyd_monitor_new(&options, NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(pids_are_checked)
{
	struct readyd_waiter *waiter = readyd_waiter_new(&options);

	answer.pid = 0;
	expect_error(readyd_query_set(&options, &answer, 1), EINVAL);
	expect_error(readyd_query(&options, -1, &answer), EINVAL);
	expect_error(readyd_wait(&options, 0, NULL, &answer), EINVAL);
	expect_error(readyd_waiter_add(waiter, 0), EINVAL);
	expect_error(readyd_waiter_peek(waiter, getpid(), &answer), ENOENT);
	expect_error(readyd_waiter_cancel(waiter, getpid()), ENOENT);
	readyd_waiter_free(waiter);
}
END_TEST

/* A deadline that has passed, one that is far, and none; the process has ended, so that each wait ends. */
START_TEST(deadlines)
{
	const struct timespec past = {0}, far = {.tv_sec = INT32_MAX};
	pid_t child = unit_spawn_ending(3, 0);

	ck_assert_int_eq(readyd_wait(&options, getpid(), &past, &answer), 0);
	ck_assert_int_eq(answer.reason, READYD_REASON_DEADLINE);
	unit_await_zombie(child);
	ck_assert_int_eq(readyd_wait(&options, child, &far, &answer), 0);
	ck_assert_int_eq(answer.verdict, READYD_DIED);
	ck_assert_int_eq(readyd_wait(&options, child, NULL, &answer), 0);
	ck_assert_int_eq(answer.verdict, READYD_DIED);
}
END_TEST

START_TEST(no_memory_for_a_monitor)
{
	struct unit_memory memory = unit_use_up_memory();
	struct readyd_monitor *monitor = readyd_monitor_new(&options, NULL);
	int error = errno;

	unit_give_back_memory(&memory);
	ck_assert_ptr_null(monitor);
	ck_assert_int_eq(error, ENOMEM);
}
END_TEST

/* The answer is that of the file then, for any backend but the daemon. */
START_TEST(no_memory_for_a_connection)
{
	struct unit_memory memory;
	int result, error;

	(void)unit_listen("s", 8);
	options.backend = _i == 0 ? READYD_BACKEND_AUTO : READYD_BACKEND_DAEMON;
	memory = unit_use_up_memory();
	result = readyd_query(&options, getpid(), &answer);
	error = errno;
	unit_give_back_memory(&memory);
	ck_assert_int_eq(result, _i == 0 ? 0 : -1);
	if (_i == 0)
		ck_assert_int_eq(answer.verdict, READYD_PENDING);
	else
		ck_assert_int_eq(error, ENOMEM);
}
END_TEST

static const struct {
	long call;
	int error, slept;
} sleeps[] = {
    {SYS_epoll_create1, EMFILE, 0},
    {SYS_timerfd_create, EMFILE, 0},
    {SYS_epoll_ctl, ENOSPC, 0},
    {SYS_epoll_pwait, EINTR, 0},
    {SYS_epoll_pwait, ENOMEM, -1},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, EINTR, 0},
    {SYS_epoll_wait, ENOMEM, -1},
#endif
};

/* Many are polled by epoll, or by poll(2) where there is none. A C library makes one of the two calls. */
START_TEST(sleep_for_many_is_refused)
{
	struct readyd_waiter *waiter;
	pid_t children[40];
	int slept;

	for (size_t i = 0; i < UNIT_COUNT(children); i++)
		children[i] = unit_spawn(NULL);
	options.backend = READYD_BACKEND_FILE;
	waiter = readyd_waiter_new(&options);
	ck_assert_ptr_nonnull(waiter);
	ck_assert_int_eq(refuse(sleeps[_i].call, sleeps[_i].error), 0);
	for (size_t i = 0; i < UNIT_COUNT(children); i++)
		ck_assert_int_eq(readyd_waiter_add(waiter, children[i]), 0);
	slept = readyd_waiter_sleep(waiter, 1);
	ck_assert(slept == 0 || (slept == sleeps[_i].slept && errno == sleeps[_i].error));
	ck_assert_int_eq(readyd_waiter_next(waiter, &answer), slept);
	readyd_waiter_free(waiter);
	for (size_t i = 0; i < UNIT_COUNT(children); i++)
		unit_kill(children[i]);
}
END_TEST

static const long polls[] = {
#ifdef SYS_poll
    SYS_poll,
#endif
    SYS_ppoll,
};

/* It listens, and cannot be waited for. */
START_TEST(question_cannot_sleep)
{
	struct readyd_monitor *monitor;

	(void)unit_listen("s", 8);
	options.backend = READYD_BACKEND_DAEMON;
	monitor = readyd_monitor_new(&options, NULL);
	ck_assert_ptr_nonnull(monitor);
	for (size_t i = 0; i < UNIT_COUNT(polls); i++)
		ck_assert_int_eq(refuse(polls[i], ENOMEM), 0);
	expect_error(readyd_ping(&options), ENOMEM);
	expect_error(readyd_query(&options, getpid(), &answer), ENOMEM);
	expect_error(readyd_monitor_sleep(monitor, 1), ENOMEM);
	readyd_monitor_free(monitor);
}
END_TEST

static const struct {
	long call;
	unsigned argument, bits;
	int error;
} hidden[] = {{SYS_statfs, 0, 0, EIO}, {SYS_openat, 2, O_CLOEXEC, EMFILE}};

/* What cannot be seen is left out. */
START_TEST(explanation_cannot_see_everything)
{
	struct readyd_explanation explanation = READYD_EXPLANATION_INIT;
	struct readyd_waiter *waiter = readyd_waiter_new(&options);

	ck_assert_int_eq(readyd_waiter_add(waiter, getpid()), 0);
	ck_assert_int_eq(refuse_where(hidden[_i].call, hidden[_i].argument, hidden[_i].bits, hidden[_i].bits,
			     hidden[_i].error),
	    0);
	ck_assert_int_eq(readyd_waiter_explain(waiter, getpid(), &explanation), 0);
	ck_assert_str_eq(explanation.directory, "ok");
	readyd_waiter_free(waiter);
}
END_TEST

static void add_refusals(TCase *tcase)
{
	tcase_add_loop_test(tcase, explanation_cannot_see_everything, 0, UNIT_COUNT(hidden));
	tcase_add_loop_test(tcase, sleep_for_many_is_refused, 0, UNIT_COUNT(sleeps));
	tcase_add_test(tcase, question_cannot_sleep);
}

static Suite *suite(void)
{
	const char *why = "no limit of address space";
	Suite *s = suite_create("misuse");
	TCase *tcase = unit_case(s, "misuse");

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, sizes_are_checked);
	tcase_add_loop_test(tcase, options_are_checked, 0, UNIT_COUNT(faults));
	tcase_add_test(tcase, pids_are_checked);
	tcase_add_test(tcase, deadlines);
	unit_add_if(tcase, no_memory_for_a_monitor, unit_can_use_up_memory(), why);
	if (unit_can_use_up_memory())
		tcase_add_loop_test(tcase, no_memory_for_a_connection, 0, 2);
	if (unit_can_refuse())
		add_refusals(tcase);
	else
		printf("# skipped: no filters of system calls\n"), fflush(stdout);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
