/* A user cannot use up the daemon: what each may have of a resource, and that what has gone is not counted.
 */
#include "daemon/quota.h"
#include "tests/unit.h"

enum { OWN = 100, OTHER = 1000, THIRD = 1001, FIRST_OF_MANY = 2000, MANY = 100 };

static struct quota quota;
/* What is tested with each resource: the loop variable of a test. */
static enum quota_resource resource;

static void set_up(void)
{
	quota_init(&quota, OWN, &(struct quota_config){4096 + 64, 1600, 10});
}

static void tear_down(void)
{
	ck_assert_ptr_null(quota.users);
	for (int i = 0; i < QUOTA_RESOURCES; i++) {
		ck_assert_uint_eq(quota.used[i], 0);
		ck_assert_uint_eq(quota.shared_used[i], 0);
		ck_assert_uint_eq(quota.sharers[i], 0);
	}
}

static void share(int i, size_t all, size_t shared)
{
	resource = (enum quota_resource)i;
	quota.limits[resource] = (struct quota_limit){all, shared};
}

/* As much as the user gets, one by one. */
static size_t take_all(uid_t uid)
{
	struct quota_user *user = quota_enter(&quota, uid);
	size_t count = 0;

	while (count < 100000 && quota_charge(&quota, user, resource, 1))
		count++;
	quota_leave(&quota, user);
	return count;
}

static void give_back(uid_t uid, size_t amount)
{
	struct quota_user *user = quota_enter(&quota, uid);

	quota_release(&quota, user, resource, amount);
	quota_leave(&quota, user);
}

static void give_back_all(uid_t uid)
{
	struct quota_user *user = quota_enter(&quota, uid);

	quota_release(&quota, user, resource, user->used[resource]);
	quota_leave(&quota, user);
}

/* For each resource. */
START_TEST(a_user_gets_a_share_of_what_the_others_have_left)
{
	share(_i, 1000, 60);
	ck_assert_uint_eq(take_all(OTHER), 30);
	ck_assert_uint_eq(take_all(THIRD), 10);
	ck_assert_uint_eq(take_all(OTHER), 0);
	give_back_all(OTHER);
	ck_assert_uint_eq(take_all(THIRD), 20);
	give_back_all(THIRD);
}
END_TEST

/* The first amount is not more than what one by one would come to. */
START_TEST(a_share_bounds_the_first_amount_too)
{
	struct quota_user *user = quota_enter(&quota, OTHER);

	share(QUOTA_WAITS, 1000, 60);
	ck_assert(!quota_charge(&quota, user, resource, 31));
	ck_assert(quota_charge(&quota, user, resource, 30));
	quota_release(&quota, user, resource, 30);
	quota_leave(&quota, user);
}
END_TEST

START_TEST(a_share_is_rounded_up)
{
	share(QUOTA_CONNECTIONS, 5, 5);
	ck_assert_uint_eq(take_all(OTHER), 3);
	give_back_all(OTHER);
	share(QUOTA_CONNECTIONS, 1, 1);
	ck_assert_uint_eq(take_all(OTHER), 1);
	give_back_all(OTHER);
}
END_TEST

/* However many users there are. */
START_TEST(an_eighth_stays_for_root_and_the_daemons_user)
{
	size_t taken = 0;

	share(_i, 800, 800);
	for (uid_t uid = FIRST_OF_MANY; uid < FIRST_OF_MANY + MANY; uid++)
		taken += take_all(uid);
	ck_assert_uint_eq(taken, 700);
	ck_assert_uint_eq(take_all(0), 100);
	ck_assert_uint_eq(take_all(OWN), 0);
	give_back(0, 1);
	ck_assert_uint_eq(take_all(OTHER), 0);
	ck_assert_uint_eq(take_all(OWN), 1);
	for (uid_t uid = FIRST_OF_MANY; uid < FIRST_OF_MANY + MANY; uid++)
		give_back_all(uid);
	give_back_all(0);
	give_back_all(OWN);
}
END_TEST

static const uid_t unlimited[] = {0, OWN};

START_TEST(root_and_the_daemons_user_leave_the_others_their_share)
{
	share(QUOTA_WAITS, SIZE_MAX, 60);
	ck_assert_uint_eq(take_all(unlimited[_i]), 100000);
	ck_assert_uint_eq(take_all(OTHER), 30);
	give_back_all(unlimited[_i]);
	give_back_all(OTHER);
}
END_TEST

/* What was refused must not be counted, or the user would lose room for good. */
START_TEST(what_is_given_back_makes_room_for_as_much)
{
	share(_i, 60, 60);
	ck_assert_uint_eq(take_all(OTHER), 30);
	for (size_t i = 1; i < 5; i++) {
		give_back(OTHER, i);
		ck_assert_uint_eq(take_all(OTHER), i);
	}
	give_back_all(OTHER);
}
END_TEST

START_TEST(an_amount_is_charged_whole_or_not_at_all)
{
	struct quota_user *user = quota_enter(&quota, OTHER);

	share(QUOTA_OUTPUT, SIZE_MAX, 200);
	ck_assert(quota_charge(&quota, user, QUOTA_OUTPUT, 60));
	ck_assert(!quota_charge(&quota, user, QUOTA_OUTPUT, 41));
	ck_assert(!quota_charge(&quota, user, QUOTA_OUTPUT, SIZE_MAX));
	ck_assert_uint_eq(user->used[QUOTA_OUTPUT], 60);
	ck_assert(quota_charge(&quota, user, QUOTA_OUTPUT, 40));
	quota_release(&quota, user, QUOTA_OUTPUT, 100);
	quota_leave(&quota, user);
}
END_TEST

START_TEST(a_user_that_uses_nothing_is_not_kept)
{
	struct quota_user *user = quota_enter(&quota, OTHER);

	ck_assert_ptr_eq(quota_enter(&quota, OTHER), user);
	ck_assert(quota_charge(&quota, user, QUOTA_WAITS, 1));
	quota_leave(&quota, user);
	quota_leave(&quota, user);
	ck_assert_ptr_eq(quota.users, user);
	quota_release(&quota, user, QUOTA_WAITS, 1);
	ck_assert_ptr_null(quota.users);
}
END_TEST

START_TEST(the_limits_follow_from_those_of_the_daemon)
{
	ck_assert_uint_eq(quota.limits[QUOTA_CONNECTIONS].all, 1600);
	ck_assert_uint_eq(quota.limits[QUOTA_CONNECTIONS].shared, 1600);
	ck_assert_uint_eq(quota.limits[QUOTA_PROCESSES].shared, 1024);
	ck_assert_uint_eq(quota.limits[QUOTA_GATES].shared, 512);
	/* One user alone: 16 times what a client may have. */
	ck_assert_uint_eq(quota.limits[QUOTA_WAITS].shared, 2 * 160);
	ck_assert_uint_eq(quota.limits[QUOTA_OUTPUT].shared, 2 * 16 * QUOTA_OUTPUT_OF_CLIENT);
}
END_TEST

static const size_t descriptor_limits[] = {0, 8, 40, 128, 1024, 65536, SIZE_MAX};

/* A connection and a process take one descriptor, and a gate two for a moment. */
START_TEST(what_is_shared_is_never_more_than_there_is)
{
	const size_t fds = descriptor_limits[_i];
	const struct quota_limit *limits = quota.limits;
	size_t least = fds / 2 + fds / 8;

	quota_init(&quota, OWN, &(struct quota_config){fds, SIZE_MAX, SIZE_MAX});
	ck_assert_uint_le(limits[QUOTA_CONNECTIONS].shared + limits[QUOTA_PROCESSES].shared +
			      2 * limits[QUOTA_GATES].shared,
	    fds);
	ck_assert(fds < 1024 || limits[QUOTA_CONNECTIONS].shared + limits[QUOTA_PROCESSES].shared > least);
	ck_assert_uint_eq(limits[QUOTA_WAITS].shared, SIZE_MAX);
}
END_TEST

/* A context ID, the stream, and a uid of the same number are three; none of them is privileged. */
START_TEST(peers_without_a_uid_are_users)
{
	struct quota_user *stream = quota_enter_peer(&quota, QUOTA_PEER_STREAM, 0);
	struct quota_user *kernel = quota_enter_peer(&quota, QUOTA_PEER_CID, 0);
	struct quota_user *root = quota_enter(&quota, 0);
	size_t room = 0;

	ck_assert_ptr_ne(stream, kernel);
	ck_assert_ptr_ne(kernel, root);
	ck_assert_ptr_eq(quota_enter_peer(&quota, QUOTA_PEER_CID, 0), kernel);
	quota_leave(&quota, kernel);
	while (quota_charge(&quota, kernel, QUOTA_CONNECTIONS, 1))
		room++;
	ck_assert_uint_gt(room, 0);
	ck_assert(quota_charge(&quota, stream, QUOTA_CONNECTIONS, 1));
	ck_assert(quota_charge(&quota, root, QUOTA_CONNECTIONS, 1));
	quota_release(&quota, kernel, QUOTA_CONNECTIONS, room);
	quota_release(&quota, stream, QUOTA_CONNECTIONS, 1);
	quota_release(&quota, root, QUOTA_CONNECTIONS, 1);
	quota_leave(&quota, kernel);
	quota_leave(&quota, stream);
	quota_leave(&quota, root);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("quota");
	TCase *tcase = unit_case(s, "quota");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, a_user_gets_a_share_of_what_the_others_have_left, 0, QUOTA_RESOURCES);
	tcase_add_test(tcase, peers_without_a_uid_are_users);
	tcase_add_test(tcase, a_share_bounds_the_first_amount_too);
	tcase_add_test(tcase, a_share_is_rounded_up);
	tcase_add_loop_test(tcase, an_eighth_stays_for_root_and_the_daemons_user, 0, QUOTA_RESOURCES);
	tcase_add_loop_test(
	    tcase, root_and_the_daemons_user_leave_the_others_their_share, 0, UNIT_COUNT(unlimited));
	tcase_add_loop_test(tcase, what_is_given_back_makes_room_for_as_much, 0, QUOTA_RESOURCES);
	tcase_add_test(tcase, an_amount_is_charged_whole_or_not_at_all);
	tcase_add_test(tcase, a_user_that_uses_nothing_is_not_kept);
	tcase_add_test(tcase, the_limits_follow_from_those_of_the_daemon);
	tcase_add_loop_test(
	    tcase, what_is_shared_is_never_more_than_there_is, 0, UNIT_COUNT(descriptor_limits));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
