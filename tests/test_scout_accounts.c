#include "daemon/scout_accounts.h"
#include "tests/unit.h"

#define OWN   7
#define USER  1000
#define OTHER 1001

static struct scout_accounts accounts;
static int64_t now;

static void set_up(void)
{
	now = 1000000;
	scout_accounts_init(&accounts, OWN);
}

static void tear_down(void)
{
	scout_accounts_fini(&accounts);
}

static int patience(uid_t uid, pid_t pid)
{
	return scout_accounts_patience(&accounts, uid, pid, 1, now);
}

static void hang(uid_t uid, pid_t pid)
{
	scout_accounts_hung(&accounts, uid, pid, 1, now);
}

static void answer(uid_t uid, pid_t pid)
{
	scout_accounts_freed(&accounts, uid, pid, 1, true);
}

static void end(uid_t uid, pid_t pid)
{
	scout_accounts_freed(&accounts, uid, pid, 1, false);
}

START_TEST(a_user_pays_for_its_own_hangs)
{
	ck_assert_int_eq(patience(USER, 1), SCOUT_PATIENCE_MS);
	for (unsigned i = 1; i <= SCOUT_STUCK_USER; i++)
		hang(USER, (pid_t)i);
	ck_assert_int_eq(patience(USER, 10), 0);
	ck_assert_int_eq(patience(OTHER, 11), SCOUT_PATIENCE_MS);
	end(USER, 1);
	ck_assert_int_gt(patience(USER, 10), 0);
}
END_TEST

/* What one user can make the daemon wait in all: the sum for its first hangs, then 1 ms at a time. */
START_TEST(patience_is_lost_and_comes_back)
{
	int before = SCOUT_PATIENCE_MS, sum = 0;

	for (pid_t pid = 1; pid < 100; pid++) {
		int ms = patience(USER, pid);

		ck_assert_int_ge(ms, 1);
		ck_assert_int_le(ms, before);
		before = ms;
		sum += ms;
		hang(USER, pid);
		end(USER, pid);
	}
	ck_assert_int_eq(before, 1);
	ck_assert_int_le(sum, 2 * SCOUT_PATIENCE_MS + 100);
	now += (SCOUT_HANGS_MOST - 2LL) * SCOUT_FORGIVE_MS;
	ck_assert_int_eq(patience(USER, 200), SCOUT_PATIENCE_MS / 4);
	now += 2LL * SCOUT_FORGIVE_MS;
	ck_assert_int_eq(patience(USER, 200), SCOUT_PATIENCE_MS);
	ck_assert_ptr_null(accounts.users);
}
END_TEST

/* One that answers just before the daemon would give up. */
START_TEST(slow_looks_count_as_well)
{
	int sum = 0;

	for (int i = 0; i < 100; i++) {
		sum += patience(USER, 1);
		scout_accounts_slow(&accounts, USER, now);
	}
	ck_assert_int_le(sum, 2 * SCOUT_PATIENCE_MS + 100);
	ck_assert_uint_eq(accounts.stuck, 0);
	ck_assert_int_eq(patience(OTHER, 2), SCOUT_PATIENCE_MS);
	now += (int64_t)SCOUT_HANGS_MOST * SCOUT_FORGIVE_MS;
	ck_assert_int_eq(patience(USER, 1), SCOUT_PATIENCE_MS);
}
END_TEST

START_TEST(a_process_that_hung_is_tried_again_later_and_later)
{
	int64_t interval = 0;

	for (int i = 0; i < 20; i++) {
		hang(USER, 1);
		end(USER, 1);
		ck_assert_int_eq(patience(USER, 1), 0);
		ck_assert_int_gt(patience(USER, 2), 0);
		now += interval;
		ck_assert(interval == SCOUT_RETRY_MOST_MS || patience(USER, 1) == 0);
		for (; patience(USER, 1) == 0; now++)
			interval++;
		ck_assert_int_le(interval, SCOUT_RETRY_MOST_MS);
	}
	ck_assert_int_eq(interval, SCOUT_RETRY_MOST_MS);
}
END_TEST

START_TEST(an_answer_that_comes_late_forgives_the_process)
{
	hang(USER, 1);
	answer(USER, 1);
	ck_assert_int_gt(patience(USER, 1), 0);
	ck_assert_int_lt(patience(USER, 1), SCOUT_PATIENCE_MS);
}
END_TEST

/* Another process with the pid is not the one that hung. */
START_TEST(the_start_counts)
{
	hang(USER, 1);
	end(USER, 1);
	ck_assert_int_gt(scout_accounts_patience(&accounts, USER, 1, 2, now), 0);
}
END_TEST

START_TEST(many_users_leave_some_for_root_and_the_daemon)
{
	for (unsigned i = 0; i < SCOUT_STUCK_OTHERS; i++)
		hang(USER + i, (pid_t)i + 1);
	ck_assert_int_eq(patience(USER + SCOUT_STUCK_OTHERS, 100), 0);
	ck_assert_int_eq(patience(0, 101), SCOUT_PATIENCE_MS);
	ck_assert_int_eq(patience(OWN, 102), SCOUT_PATIENCE_MS);
	hang(0, 101);
	hang(OWN, 102);
	ck_assert_int_eq(patience(0, 103), 0);
	ck_assert_int_eq(patience(OWN, 103), 0);
}
END_TEST

/* With more processes that hung than are remembered, the oldest is tried first. */
START_TEST(what_is_remembered_is_bounded)
{
	for (pid_t pid = 1; pid <= SCOUT_HUNG_MOST + 1; pid++) {
		hang(USER, pid);
		end(USER, pid);
	}
	ck_assert_int_gt(patience(USER, 1), 0);
	ck_assert_int_eq(patience(USER, 2), 0);
	ck_assert_int_eq(patience(USER, SCOUT_HUNG_MOST + 1), 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("scout_accounts");
	TCase *tcase = unit_case(suite, "scout_accounts");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_user_pays_for_its_own_hangs);
	tcase_add_test(tcase, patience_is_lost_and_comes_back);
	tcase_add_test(tcase, slow_looks_count_as_well);
	tcase_add_test(tcase, a_process_that_hung_is_tried_again_later_and_later);
	tcase_add_test(tcase, an_answer_that_comes_late_forgives_the_process);
	tcase_add_test(tcase, the_start_counts);
	tcase_add_test(tcase, many_users_leave_some_for_root_and_the_daemon);
	tcase_add_test(tcase, what_is_remembered_is_bounded);
	return suite;
}

int main(void)
{
	return unit_main(suite);
}
