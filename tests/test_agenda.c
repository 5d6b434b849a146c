/* What is polled is due at each tick within its user's share, and what is due is served by turns; and the
 * index that finds items by directory and name. */
#include "daemon/agenda.h"
#include "daemon/name_index.h"
#include "tests/unit.h"

enum { MANY = 3 * AGENDA_OF_TICK };

static struct agenda agenda;
static struct agenda_user users[2];
static struct agenda_item items[MANY];

static void set_up(void)
{
	agenda_init(&agenda);
	for (size_t i = 0; i < UNIT_COUNT(users); i++)
		agenda_user_init(&users[i]);
	memset(items, 0, sizeof(items));
}

static void tear_down(void)
{
	for (size_t i = 0; i < MANY; i++)
		agenda_drop(&agenda, &items[i]);
	ck_assert_uint_eq(agenda.polled, 0);
	ck_assert(!agenda_is_due(&agenda));
}

/* Serves all that is due, and counts how often each item is. */
static unsigned serve(unsigned *counts)
{
	struct agenda_item *item;
	unsigned served = 0;

	for (uint64_t pass = 1; agenda_is_due(&agenda); pass++)
		while ((item = agenda_next(&agenda, pass)) != NULL) {
			counts[item - items]++;
			served++;
		}
	return served;
}

START_TEST(each_tick_takes_the_next_ones)
{
	unsigned counts[MANY] = {0};

	for (size_t i = 0; i < MANY; i++)
		agenda_poll(&agenda, &users[0], &items[i], true);
	ck_assert_uint_eq(agenda.polled, MANY);
	for (unsigned tick = 1; tick <= 3; tick++) {
		agenda_tick(&agenda);
		ck_assert_uint_eq(serve(counts), AGENDA_OF_TICK);
	}
	for (size_t i = 0; i < MANY; i++)
		ck_assert_uint_eq(counts[i], 1);
}
END_TEST

START_TEST(few_are_due_once_a_tick)
{
	unsigned counts[MANY] = {0};

	agenda_poll(&agenda, &users[0], &items[0], true);
	agenda_poll(&agenda, &users[0], &items[0], true);
	agenda_poll(&agenda, &users[1], &items[1], true);
	agenda_tick(&agenda);
	agenda_tick(&agenda);
	agenda_queue(&agenda, &users[1], &items[1]);
	ck_assert_uint_eq(serve(counts), 2);
	ck_assert_uint_eq(counts[1], 1);
	agenda_poll(&agenda, &users[0], &items[0], false);
	agenda_tick(&agenda);
	ck_assert_uint_eq(serve(counts), 1);
	ck_assert_uint_eq(counts[1], 2);
}
END_TEST

/* A user with thousands takes nothing from another one. */
START_TEST(users_take_turns)
{
	struct agenda_item *item;
	unsigned n = 0;

	for (size_t i = 0; i + 1 < MANY; i++)
		agenda_queue(&agenda, &users[0], &items[i]);
	agenda_queue(&agenda, &users[1], &items[MANY - 1]);
	do {
		item = agenda_next(&agenda, 1);
		ck_assert_ptr_nonnull(item);
		n++;
	} while (item != &items[MANY - 1]);
	ck_assert_uint_le(n, 2);
}
END_TEST

START_TEST(item_changes_its_user)
{
	unsigned counts[MANY] = {0};

	agenda_poll(&agenda, &users[0], &items[0], true);
	agenda_queue(&agenda, &users[0], &items[0]);
	agenda_move(&agenda, &users[1], &items[0]);
	agenda_move(&agenda, &users[1], &items[1]);
	ck_assert(TAILQ_EMPTY(&users[0].polled));
	ck_assert_ptr_eq(items[0].user, &users[1]);
	ck_assert_ptr_eq(items[0].due.user, &users[1].turns);
	ck_assert_uint_eq(serve(counts), 1);
	ck_assert_uint_eq(counts[0], 1);
}
END_TEST

static struct name_index names;
static struct name_item named[3];

static unsigned count_named(int wd, pid_t ns_pid)
{
	unsigned count = 0;

	for (struct name_item *item = name_index_first(&names, (struct name_key){wd, ns_pid}); item != NULL;
	     item = name_index_next(item))
		count++;
	return count;
}

START_TEST(names_are_found_by_directory)
{
	name_index_set(&names, &named[0], (struct name_key){0, 7});
	name_index_set(&names, &named[1], (struct name_key){1, 7});
	name_index_set(&names, &named[2], (struct name_key){1, 7});
	ck_assert_uint_eq(count_named(0, 7), 1);
	ck_assert_uint_eq(count_named(1, 7), 2);
	ck_assert_uint_eq(count_named(1, 0), 0);
	ck_assert_uint_eq(count_named(7, 1), 0);
	name_index_set(&names, &named[1], (struct name_key){2, 7});
	ck_assert_uint_eq(count_named(1, 7), 1);
	ck_assert_int_eq(name_index_key(&named[1]).wd, 2);
	for (size_t i = 0; i < UNIT_COUNT(named); i++) {
		name_index_remove(&names, &named[i]);
		name_index_remove(&names, &named[i]);
	}
	ck_assert_ptr_null(names.lists);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("agenda");
	TCase *tcase = unit_case(s, "agenda");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, each_tick_takes_the_next_ones);
	tcase_add_test(tcase, few_are_due_once_a_tick);
	tcase_add_test(tcase, users_take_turns);
	tcase_add_test(tcase, item_changes_its_user);
	tcase_add_test(tcase, names_are_found_by_directory);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
