/* Programs with smaller or larger structures than the library's. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "client/lib/abi.h"
#include "tests/unit.h"

/* Of an earlier version, which ended here, and of a later one. */
static const size_t first_answer = offsetof(struct readyd_answer, start) + sizeof(uint64_t);
struct later_answer {
	struct readyd_answer answer;
	uint64_t added;
};
struct later_options {
	struct readyd_options options;
	const char *added;
};

START_TEST(sizes_that_cannot_be_are_refused)
{
	static const size_t sizes[] = {0, 1, 8, 4097, SIZE_MAX, (size_t)0xdeadbeefdeadbeef};
	struct readyd_answer answer = {.size = sizes[_i]};
	struct readyd_options options = {.size = sizes[_i]}, known;
	struct readyd_explanation why = {.size = sizes[_i]};

	errno = 0;
	ck_assert_int_eq(abi_check_answer(&answer), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(abi_take_options(&known, &options), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(abi_check_explanation(&why), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(what_the_macros_set_is_accepted)
{
	struct readyd_answer answer = READYD_ANSWER_INIT;
	struct readyd_options options = READYD_OPTIONS_INIT, known;
	struct readyd_explanation why = READYD_EXPLANATION_INIT;

	ck_assert_int_eq(abi_check_answer(&answer), 0);
	ck_assert_int_eq(abi_take_options(&known, &options), 0);
	ck_assert_int_eq(abi_check_explanation(&why), 0);
}
END_TEST

/* One byte less than the first version had. */
START_TEST(nothing_is_smaller_than_the_first_version)
{
	struct readyd_answer answer = {.size = first_answer};

	ck_assert_int_eq(abi_check_answer(&answer), 0);
	answer.size--;
	ck_assert_int_eq(abi_check_answer(&answer), -1);
}
END_TEST

/* What lies behind the caller's structure is not touched. */
START_TEST(an_earlier_program_gets_what_it_has_room_for)
{
	unsigned char room[2 * sizeof(struct readyd_answer)];
	struct readyd_answer answer = {.pid = 5, .start = 7}, *its = (void *)room;

	memset(room, 0x55, sizeof(room));
	its->size = first_answer;
	abi_give_answer(its, &answer);
	ck_assert_uint_eq(its->size, first_answer);
	ck_assert_int_eq(its->pid, 5);
	ck_assert_uint_eq(its->start, 7);
	for (size_t i = first_answer; i < sizeof(room); i++)
		ck_assert_int_eq(room[i], 0x55);
}
END_TEST

START_TEST(a_later_program_gets_0_for_what_is_not_known)
{
	struct later_answer its = {.answer = {.size = sizeof(its)}, .added = 9};
	struct readyd_answer answer = {.pid = 5, .start = 7};

	abi_give_answer(&its.answer, &answer);
	ck_assert_uint_eq(its.answer.size, sizeof(its));
	ck_assert_uint_eq(its.answer.start, 7);
	ck_assert_uint_eq(its.added, 0);
}
END_TEST

START_TEST(a_later_program_steps_over_its_own_elements)
{
	struct later_answer its[2] = {{.answer = {.size = sizeof(its[0])}}, {.answer = {.pid = 6}}};

	ck_assert_ptr_eq(abi_next_answer(&its[0].answer), &its[1].answer);
}
END_TEST

START_TEST(an_option_that_is_not_known_is_refused_where_it_is_set)
{
	struct later_options its = {.options = {.size = sizeof(its), .dir = "/d"}};
	struct readyd_options known;

	ck_assert_int_eq(abi_take_options(&known, &its.options), 0);
	ck_assert_str_eq(known.dir, "/d");
	its.added = "x";
	errno = 0;
	ck_assert_int_eq(abi_take_options(&known, &its.options), -1);
	ck_assert_int_eq(errno, E2BIG);
}
END_TEST

START_TEST(no_options_are_the_defaults)
{
	struct readyd_options known;

	ck_assert_int_eq(abi_take_options(&known, NULL), 0);
	ck_assert_ptr_null(known.socket);
	ck_assert_int_eq(known.backend, READYD_BACKEND_AUTO);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("abi");
	TCase *tcase = unit_case(s, "sizes");

	tcase_add_loop_test(tcase, sizes_that_cannot_be_are_refused, 0, 6);
	tcase_add_test(tcase, what_the_macros_set_is_accepted);
	tcase_add_test(tcase, nothing_is_smaller_than_the_first_version);
	tcase_add_test(tcase, an_earlier_program_gets_what_it_has_room_for);
	tcase_add_test(tcase, a_later_program_gets_0_for_what_is_not_known);
	tcase_add_test(tcase, a_later_program_steps_over_its_own_elements);
	tcase_add_test(tcase, an_option_that_is_not_known_is_refused_where_it_is_set);
	tcase_add_test(tcase, no_options_are_the_defaults);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
