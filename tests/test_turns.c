/* Which client is served next: users in turn, however many clients each has, and each within its budget. */
#include "daemon/turns.h"
#include "tests/unit.h"

enum { MOST = 100 };

static struct turns turns;
static struct turns_user users[3];
static struct turns_client clients[MOST];

static void set_up(void)
{
	turns_init(&turns);
	for (size_t i = 0; i < UNIT_COUNT(users); i++)
		turns_user_init(&users[i]);
	memset(clients, 0, sizeof(clients));
}

static void tear_down(void)
{
	for (size_t i = 0; i < MOST; i++)
		turns_cancel(&turns, &clients[i]);
	ck_assert_uint_eq(turns.count, 0);
}

/* The client's number; -1: none is to be served in this pass. */
static int next(uint64_t pass)
{
	struct turns_client *client = turns_next(&turns, pass);

	return client == NULL ? -1 : (int)(client - clients);
}

/* Serves one pass; each client spends `cost` and comes again. Counts what each user spends. */
static void serve(uint64_t pass, unsigned cost, unsigned *spent)
{
	struct turns_user *user;
	int n;

	while ((n = next(pass)) >= 0) {
		user = &users[n % 3];
		spent[n % 3] += cost < user->budget ? cost : user->budget;
		turns_spend(user, cost);
		turns_queue(&turns, user, &clients[n]);
	}
}

START_TEST(users_get_the_same_however_many_clients_they_have)
{
	unsigned spent[3] = {0};

	for (size_t i = 0; i < MOST; i++)
		if (i % 3 == 0 || i < 3)
			turns_queue(&turns, &users[i % 3], &clients[i]);
	for (uint64_t pass = 1; pass <= 10; pass++)
		serve(pass, (unsigned)_i, spent);
	for (size_t i = 0; i < UNIT_COUNT(spent); i++)
		ck_assert_uint_eq(spent[i], 10 * TURNS_BUDGET);
}
END_TEST

START_TEST(clients_of_a_user_come_in_order)
{
	for (int i = 0; i < 4; i++)
		turns_queue(&turns, &users[0], &clients[i]);
	turns_queue(&turns, &users[0], &clients[0]);
	turns_cancel(&turns, &clients[2]);
	ck_assert_int_eq(next(1), 0);
	turns_queue(&turns, &users[0], &clients[0]);
	ck_assert_int_eq(next(1), 1);
	ck_assert_int_eq(next(1), 3);
	ck_assert_int_eq(next(1), 0);
	ck_assert_int_eq(next(1), -1);
}
END_TEST

START_TEST(a_user_without_budget_waits_for_the_next_pass)
{
	turns_queue(&turns, &users[0], &clients[0]);
	turns_queue(&turns, &users[1], &clients[1]);
	ck_assert_uint_eq(turns_budget(&users[0], 1), TURNS_BUDGET);
	turns_spend(&users[0], TURNS_BUDGET + 1);
	ck_assert_uint_eq(turns_budget(&users[0], 1), 0);
	ck_assert_int_eq(next(1), 1);
	ck_assert_int_eq(next(1), -1);
	ck_assert_int_eq(next(2), 0);
}
END_TEST

/* A client is not served before one of its user that waits. */
START_TEST(a_user_is_free_while_no_client_of_it_waits)
{
	ck_assert(turns_is_free(&users[0], 1));
	turns_spend(&users[0], TURNS_BUDGET);
	ck_assert(!turns_is_free(&users[0], 1));
	ck_assert(turns_is_free(&users[0], 2));
	turns_queue(&turns, &users[0], &clients[0]);
	ck_assert(!turns_is_free(&users[0], 2));
	ck_assert(turns_is_free(&users[1], 2));
	ck_assert_int_eq(next(2), 0);
	ck_assert(turns_is_free(&users[0], 2));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("turns");
	TCase *tcase = unit_case(s, "turns");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, users_get_the_same_however_many_clients_they_have, 1, 2 * TURNS_BUDGET);
	tcase_add_test(tcase, clients_of_a_user_come_in_order);
	tcase_add_test(tcase, a_user_without_budget_waits_for_the_next_pass);
	tcase_add_test(tcase, a_user_is_free_while_no_client_of_it_waits);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
