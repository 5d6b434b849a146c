/* Events of markers: however many of one user's come, another user's are served in the same pass. */
#include "daemon/arrival.h"
#include "daemon/hints.h"
#include "daemon/loop.h"
#include "daemon/quota.h"
#include "daemon/scouts.h"
#include "daemon/tracker.h"
#include "src/dirwatch.h"
#include "tests/unit.h"

enum { TURN = TURNS_BUDGET / TURNS_EVENT, MANY = 3 * TURN };

static struct loop *loop;
static struct marker_place place;
static struct dirwatch dirs;
static struct scouts *scouts;
static struct quota quota;
static struct tracker tracker;
static struct hints hints;
static unsigned lost;
static const struct scouts_config without_scouts = {.place = &place, .dirs = &dirs, .spawner = -1};

static void ignore(void *context)
{
	(void)context;
}

static void on_lost(void *context)
{
	(void)context;
	lost++;
}

static void set_up(void)
{
	char dir[UNIT_PATH_SIZE];

	unit_dir(dir);
	lost = 0;
	ck_assert_int_eq(marker_place_init(&place, dir, "ready-"), 0);
	loop = loop_new();
	dirwatch_init(&dirs, &place, ignore, NULL);
	scouts = scouts_new(loop, &without_scouts);
	quota_init(&quota, 1, &(struct quota_config){65536, 100, 100});
	tracker_init(&tracker, loop, &place, &dirs, scouts, &quota, ignore, NULL);
	hints_init(&hints, loop, &tracker, on_lost, NULL);
}

static void tear_down(void)
{
	hints_fini(&hints);
	tracker_fini(&tracker);
	scouts_free(scouts);
	loop_free(loop);
	ck_assert_ptr_null(quota.users);
}

static void see(pid_t pid)
{
	unsigned searches = 1;

	hints_seen(&hints, pid, &(struct arrival){.searches = &searches});
}

/* Enters a process, which is gone, for that user. */
static void enter(uid_t uid, pid_t pid)
{
	const struct process process = {.pid = pid, .ns_pid = pid, .fd = -1, .start = 1};
	const struct history history = {.latched = true};
	struct quota_user *user = quota_enter(&quota, uid);

	(void)registry_enter(tracker.registry, &process, &history, user);
	quota_leave(&quota, user);
}

/* A process that has been looked at is known to be gone, and has left the registry. */
static unsigned count_left(pid_t first, unsigned count)
{
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++)
		left += registry_find(tracker.registry, first - (pid_t)i) != NULL;
	return left;
}

START_TEST(a_flood_of_one_user_delays_no_other)
{
	const pid_t its = UNIT_UNUSED_PID, victim = its - MANY;

	for (unsigned i = 0; i < MANY; i++)
		enter(1000, its - (pid_t)i);
	enter(1001, victim);
	for (unsigned i = 0; i < MANY; i++)
		see(its - (pid_t)i);
	ck_assert_uint_eq(count_left(its, MANY), MANY - TURN);
	see(victim);
	ck_assert_ptr_null(registry_find(tracker.registry, victim));
	loop_turn(loop, false);
	ck_assert_uint_eq(count_left(its, MANY), MANY - 2 * TURN);
	loop_turn(loop, false);
	ck_assert_uint_eq(count_left(its, MANY), 0);
}
END_TEST

/* While a hint waits, more for its name add nothing. */
START_TEST(hints_for_one_name_become_one)
{
	for (unsigned i = 0; i < TURN; i++)
		see(UNIT_UNUSED_PID - (pid_t)i);
	ck_assert_uint_eq(hints.unknown_count, 0);
	for (unsigned i = 0; i < 1000; i++) {
		see(UNIT_UNUSED_PID);
		hints_written(&hints, UNIT_UNUSED_PID, i);
	}
	ck_assert_uint_eq(hints.unknown_count, 1);
	loop_settle(loop);
	ck_assert_uint_eq(hints.unknown_count, 0);
}
END_TEST

START_TEST(processes_that_nothing_waits_for_have_a_limit)
{
	for (pid_t i = 0; i < HINTS_MOST + TURN; i++)
		see(UNIT_UNUSED_PID - i);
	ck_assert_uint_eq(hints.unknown_count, HINTS_MOST);
	loop_settle(loop);
	ck_assert_uint_eq(lost, 0);
	for (pid_t i = 0; i < 2 * HINTS_MOST; i++)
		see(UNIT_UNUSED_PID - i);
	ck_assert_uint_eq(lost, 0);
	loop_settle(loop);
	ck_assert_uint_eq(hints.unknown_count, 0);
	ck_assert_uint_eq(lost, 1);
}
END_TEST

/* A waiting hint holds on to its user. */
START_TEST(hints_that_wait_at_the_end)
{
	for (unsigned i = 0; i < MANY; i++) {
		enter(1000, UNIT_UNUSED_PID - (pid_t)i);
		see(UNIT_UNUSED_PID - (pid_t)i);
	}
	ck_assert_uint_eq(HASH_COUNT(quota.users), 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("hints");
	TCase *tcase = unit_case(s, "hints");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_flood_of_one_user_delays_no_other);
	tcase_add_test(tcase, hints_for_one_name_become_one);
	tcase_add_test(tcase, processes_that_nothing_waits_for_have_a_limit);
	tcase_add_test(tcase, hints_that_wait_at_the_end);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
