/* The last 9 descriptors. */
#include "daemon/reserve.h"
#include "tests/unit.h"

START_TEST(the_last_numbers_are_kept)
{
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert(reserve_allows(0));
	ck_assert(reserve_allows(54));
	ck_assert(!reserve_allows(55));
	ck_assert(!reserve_allows(63));
	/* Those of before the limit was lowered. */
	ck_assert(!reserve_allows(1000));
}
END_TEST

START_TEST(a_limit_below_the_reserve_keeps_all)
{
	const struct rlimit files = {4, 4};

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert(!reserve_allows(0));
	ck_assert(!reserve_allows(3));
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
#define HAS_LEAK_CHECKER true
#else
#define HAS_LEAK_CHECKER false
#endif

static Suite *suite(void)
{
	Suite *s = suite_create("reserve");
	TCase *tcase = unit_case(s, "reserve");

	tcase_add_test(tcase, the_last_numbers_are_kept);
	/* It needs descriptors as the process ends. */
	unit_add_if(tcase, a_limit_below_the_reserve_keeps_all, !HAS_LEAK_CHECKER,
	    "the leak checker needs descriptors");
	return s;
}

int main(void)
{
	return unit_main(suite);
}
