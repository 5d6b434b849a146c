#include "daemon/journal.h"
#include "tests/unit.h"

#define SIZE 4

static struct journal journal;

static void add(int64_t time_ms)
{
	(void)journal_add(&journal, &(struct journal_record){.time_ms = time_ms});
}

static void tear_down(void)
{
	journal_fini(&journal);
}

/* Before the first monitor there is no memory for it, and no position that could be missed. */
START_TEST(records_nothing_before_it_starts)
{
	add(1);
	ck_assert_uint_eq(journal.head, 0);
	ck_assert_ptr_null(journal.ring);
	ck_assert(!journal_can_resume(&journal, 0));
	journal_start(&journal, SIZE);
	ck_assert(journal_can_resume(&journal, 0));
	ck_assert(!journal_can_resume(&journal, 1));
}
END_TEST

START_TEST(numbers_ascend_by_one)
{
	journal_start(&journal, SIZE);
	for (uint64_t n = 1; n <= 3 * SIZE; n++) {
		ck_assert_uint_eq(journal_add(&journal, &(struct journal_record){.time_ms = (int64_t)n}), n);
		ck_assert_int_eq(journal_get(&journal, n)->time_ms, (int64_t)n);
	}
}
END_TEST

START_TEST(keeps_the_last_ones)
{
	journal_start(&journal, SIZE);
	for (int i = 1; i <= 10; i++)
		add(i);
	for (uint64_t n = 1; n <= 10 - SIZE; n++)
		ck_assert_ptr_null(journal_get(&journal, n));
	for (uint64_t n = 10 - SIZE + 1; n <= 10; n++)
		ck_assert_int_eq(journal_get(&journal, n)->time_ms, (int64_t)n);
}
END_TEST

/* The one at the position need not be there any more, but all behind it. */
START_TEST(resumes_where_nothing_is_lost)
{
	journal_start(&journal, SIZE);
	for (int i = 1; i <= 10; i++)
		add(i);
	ck_assert(!journal_can_resume(&journal, 0));
	ck_assert(!journal_can_resume(&journal, 10 - SIZE - 1));
	for (uint64_t n = 10 - SIZE; n <= 10; n++)
		ck_assert(journal_can_resume(&journal, n));
	ck_assert(!journal_can_resume(&journal, 11));
	ck_assert(!journal_can_resume(&journal, UINT64_MAX));
}
END_TEST

START_TEST(goes_on_when_it_is_started_again)
{
	journal_start(&journal, SIZE);
	add(1);
	journal_start(&journal, 2 * SIZE);
	ck_assert_uint_eq(journal.head, 1);
	ck_assert_uint_eq(journal.size, SIZE);
	ck_assert_int_eq(journal_get(&journal, 1)->time_ms, 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("journal");
	TCase *tcase = unit_case(s, "journal");

	tcase_add_checked_fixture(tcase, NULL, tear_down);
	tcase_add_test(tcase, records_nothing_before_it_starts);
	tcase_add_test(tcase, numbers_ascend_by_one);
	tcase_add_test(tcase, keeps_the_last_ones);
	tcase_add_test(tcase, resumes_where_nothing_is_lost);
	tcase_add_test(tcase, goes_on_when_it_is_started_again);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
