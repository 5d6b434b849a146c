/* Many processes are divided among several waiters, which behave as one. */
#include "client/ctl/waiters.h"
#include "tests/unit.h"

#define CHILDREN 6

static struct waiters waiters;
static char dir[UNIT_PATH_SIZE];
static pid_t children[CHILDREN];

static void set_up(void)
{
	struct readyd_options options = READYD_OPTIONS_INIT;

	unsetenv("READYD_BACKEND");
	unit_dir(dir);
	options.dir = dir;
	options.backend = READYD_BACKEND_FILE;
	for (int i = 0; i < CHILDREN; i++)
		children[i] = unit_spawn(NULL);
	ck_assert_int_eq(waiters_init(&waiters, &options, 10000), 0);
}

static void tear_down(void)
{
	waiters_free(&waiters);
	for (int i = 0; i < CHILDREN; i++)
		unit_kill(children[i]);
}

/* None has more than a connection to a daemon with the default limit may wait for. */
START_TEST(processes_are_divided)
{
	static size_t had[64];

	ck_assert_uint_gt(waiters.count, 1);
	ck_assert_uint_lt(waiters.count, UNIT_COUNT(had));
	for (pid_t pid = 5; pid < 10005; pid++)
		for (size_t i = 0; i < waiters.count; i++)
			had[i] += waiters_of(&waiters, pid) == waiters.each[i];
	for (size_t i = 0; i < waiters.count; i++) {
		ck_assert_uint_gt(had[i], 0);
		ck_assert_uint_le(had[i], 4096);
	}
}
END_TEST

START_TEST(few_have_one)
{
	struct readyd_options options = READYD_OPTIONS_INIT;
	struct waiters few;

	options.backend = READYD_BACKEND_FILE;
	ck_assert_int_eq(waiters_init(&few, &options, 1), 0);
	ck_assert_uint_eq(few.count, 1);
	waiters_free(&few);
}
END_TEST

static size_t pending(void)
{
	size_t sum = 0;

	for (size_t i = 0; i < waiters.count; i++)
		sum += readyd_waiter_pending(waiters.each[i]);
	return sum;
}

static void take_one(pid_t pid)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	int got;

	while ((got = waiters_next(&waiters, &answer)) == 0)
		ck_assert_int_eq(waiters_sleep(&waiters, 0, NULL, NULL, -1), 0);
	ck_assert_int_eq(got, 1);
	ck_assert_int_eq(answer.pid, pid);
	ck_assert_int_eq(answer.verdict, READYD_READY);
}

START_TEST(any_waiter_wakes)
{
	char path[sizeof(dir) + 64];
	struct readyd_answer answer = READYD_ANSWER_INIT;

	for (int i = 0; i < CHILDREN; i++)
		ck_assert_int_eq(readyd_waiter_add(waiters_of(&waiters, children[i]), children[i]), 0);
	ck_assert_int_eq(waiters_next(&waiters, &answer), 0);
	for (int i = CHILDREN; i-- > 0;) {
		ck_assert_uint_eq(pending(), i + 1);
		snprintf(path, sizeof(path), "%s/ktstr-worker-ready-%d", dir, (int)children[i]);
		unit_write(path, "ready\n");
		take_one(children[i]);
	}
	ck_assert_uint_eq(pending(), 0);
}
END_TEST

/* Asking each of them for every answer would be most of the work. */
START_TEST(only_those_that_were_woken_are_asked)
{
	struct readyd_waiter *woken = waiters_of(&waiters, children[0]);
	struct readyd_answer answer = READYD_ANSWER_INIT;
	char path[sizeof(dir) + 64];

	ck_assert_int_eq(readyd_waiter_add(woken, children[0]), 0);
	ck_assert_int_eq(waiters_next(&waiters, &answer), 0);
	snprintf(path, sizeof(path), "%s/ktstr-worker-ready-%d", dir, (int)children[0]);
	unit_write(path, "ready\n");
	ck_assert_int_eq(waiters_sleep(&waiters, 0, NULL, NULL, -1), 0);
	for (size_t i = 0; i < waiters.count; i++)
		waiters.fds[i].revents = waiters.each[i] == woken ? 0 : POLLIN;
	ck_assert_int_eq(waiters_next(&waiters, &answer), 0);
	take_one(children[0]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("waiters");
	TCase *tcase = unit_case(s, "waiters");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, processes_are_divided);
	tcase_add_test(tcase, few_have_one);
	tcase_add_test(tcase, any_waiter_wakes);
	tcase_add_test(tcase, only_those_that_were_woken_are_asked);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
