/* A user cannot use up the daemon: how many clients and waits each may have, and that what has gone is not
 * counted. */
#include "daemon/quota.h"
#include "tests/unit.h"

enum { OWN = 100, OTHER = 1000, THIRD = 1001 };

static struct quota quota;

static void set_up(void)
{
	quota_init(&quota, OWN, 5, 2);
}

static void tear_down(void)
{
	quota_fini(&quota);
	ck_assert_ptr_null(quota.users);
}

static void enter(uid_t uid, int times)
{
	for (int i = 0; i < times; i++)
		ck_assert_ptr_nonnull(quota_enter(&quota, uid));
}

START_TEST(one_user_has_half_rounded_up)
{
	enter(OTHER, 3);
	ck_assert_ptr_null(quota_enter(&quota, OTHER));
	enter(THIRD, 3);
	ck_assert_ptr_null(quota_enter(&quota, THIRD));
}
END_TEST

START_TEST(root_and_the_daemons_user_have_no_limit)
{
	enter(0, 100);
	enter(OWN, 100);
}
END_TEST

/* A client that was refused must not be counted, or the user would lose room for good. */
START_TEST(a_client_that_leaves_makes_room_for_one)
{
	struct quota_user *user;

	enter(OTHER, 3);
	user = quota_enter(&quota, OTHER);
	ck_assert_ptr_null(user);
	user = quota.users;
	quota_leave(&quota, user);
	ck_assert_ptr_eq(quota_enter(&quota, OTHER), user);
	ck_assert_ptr_null(quota_enter(&quota, OTHER));
}
END_TEST

START_TEST(a_user_without_clients_is_not_kept)
{
	struct quota_user *user = quota_enter(&quota, OTHER);

	ck_assert_ptr_eq(quota_enter(&quota, OTHER), user);
	quota_leave(&quota, user);
	ck_assert_ptr_eq(quota.users, user);
	quota_leave(&quota, user);
	ck_assert_ptr_null(quota.users);
}
END_TEST

START_TEST(waits_of_sixteen_clients_are_the_limit_of_a_user)
{
	struct quota_user *user = quota_enter(&quota, OTHER);

	user->waits = 2 * 16 - 1;
	ck_assert(quota_may_wait(&quota, user));
	user->waits++;
	ck_assert(!quota_may_wait(&quota, user));
	ck_assert(quota_may_wait(&quota, quota_enter(&quota, THIRD)));
}
END_TEST

static const uid_t unlimited[] = {0, OWN};

START_TEST(waits_of_root_and_the_daemons_user_have_no_limit)
{
	struct quota_user *user = quota_enter(&quota, unlimited[_i]);

	user->waits = 1000000;
	ck_assert(quota_may_wait(&quota, user));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("quota");
	TCase *tcase = unit_case(s, "quota");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, one_user_has_half_rounded_up);
	tcase_add_test(tcase, root_and_the_daemons_user_have_no_limit);
	tcase_add_test(tcase, a_client_that_leaves_makes_room_for_one);
	tcase_add_test(tcase, a_user_without_clients_is_not_kept);
	tcase_add_test(tcase, waits_of_sixteen_clients_are_the_limit_of_a_user);
	tcase_add_loop_test(
	    tcase, waits_of_root_and_the_daemons_user_have_no_limit, 0, UNIT_COUNT(unlimited));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
