#include "config.h"

#include "src/clock_steps.h"
#include "tests/unit.h"

#define S     1000000000LL
#define SLACK (S / 25)
#define BASE  (1600000000 * S) /* the offset at first */
#define NOW   (1000 * S)

/* The daemon starts at 100 s; the clock is set forward by an hour at 200 s, and back at 300 s. */
static void arrange(struct clock_steps *steps)
{
	*steps = (struct clock_steps){0};
	clock_steps_note(steps, 100 * S, BASE);
	clock_steps_note(steps, 200 * S, BASE + 3600 * S);
	clock_steps_note(steps, 300 * S, BASE);
}

/* A stamp by its distance from BASE; offsets that may have held, by theirs. */
static const struct {
	const char *what;
	int64_t stamp, least, most;
} stamps[] = {
    {"before the daemon", 50 * S, 0, 0},
    {"between start and first step", 150 * S, 0, 0},
    {"between two steps", 3850 * S, 3600 * S, 3600 * S},
    {"after both", 350 * S, 0, 0},
    {"rounded down across the step", 3800 * S - SLACK / 2, 3600 * S, 3600 * S},
    {"in the future of all", 5000 * S, 0, 0},
};

START_TEST(stamps_between_two_steps_are_converted)
{
	const struct clock_view view = {.now = NOW, .offset = BASE};
	struct clock_steps steps;
	struct clock_offsets found;

	arrange(&steps);
	found = clock_steps_offsets(&steps, &view, BASE + stamps[_i].stamp, SLACK);
	ck_assert_msg(found.least == BASE + stamps[_i].least && found.most == BASE + stamps[_i].most, "%s",
	    stamps[_i].what);
}
END_TEST

/* The clock was set back by so little that a stamp fits twice. */
START_TEST(a_stamp_may_fit_twice)
{
	const struct clock_view view = {.now = NOW, .offset = BASE - 50 * S};
	struct clock_steps steps = {0};
	struct clock_offsets found;

	clock_steps_note(&steps, 100 * S, BASE);
	clock_steps_note(&steps, 200 * S, BASE - 50 * S);
	found = clock_steps_offsets(&steps, &view, BASE + 180 * S, SLACK);
	ck_assert_int_eq(found.least, BASE - 50 * S);
	ck_assert_int_eq(found.most, BASE);
}
END_TEST

/* Without a history, the clock may have been as at boot all the time until now, or as it is now. */
START_TEST(clock_at_boot_may_have_held)
{
	struct clock_view view = {
	    .now = NOW, .offset = BASE + 3600 * S, .was_set = true, .at_boot = {BASE - 2 * S, BASE}};
	struct clock_offsets found = clock_steps_offsets(NULL, &view, BASE + 500 * S, SLACK);

	ck_assert_int_eq(found.least, BASE - 2 * S);
	ck_assert_int_eq(found.most, BASE + 3600 * S);
	view.was_set = false;
	found = clock_steps_offsets(NULL, &view, BASE + 500 * S, SLACK);
	ck_assert_int_eq(found.least, BASE + 3600 * S);
}
END_TEST

/* The clock was set back by an hour before the daemon started, at 100 s. A file from before has a stamp that
 * the clock reaches again at 500 s: it may still be that file. */
START_TEST(a_stamp_that_has_become_due_may_be_from_before)
{
	struct clock_view view = {
	    .now = NOW, .offset = BASE - 3600 * S, .was_set = true, .at_boot = {BASE - 2 * S, BASE}};
	const int64_t stamp = view.offset + 500 * S;
	struct clock_steps steps = {0};
	struct clock_offsets found;

	clock_steps_note(&steps, 100 * S, view.offset);
	found = clock_steps_offsets(&steps, &view, stamp, SLACK);
	ck_assert_int_eq(found.least, view.offset);
	ck_assert_int_eq(found.most, BASE);
	view.now = 400 * S;
	found = clock_steps_offsets(&steps, &view, stamp, SLACK);
	ck_assert_int_eq(found.most, view.offset);
}
END_TEST

/* Not noted yet, since the event has not been read. */
START_TEST(clock_that_was_set_just_now)
{
	const struct clock_view view = {.now = NOW, .offset = BASE + 7 * S};
	struct clock_steps steps = {0};
	struct clock_offsets found;

	clock_steps_note(&steps, 100 * S, BASE);
	found = clock_steps_offsets(&steps, &view, BASE + 950 * S, SLACK);
	ck_assert_int_eq(found.least, BASE);
	ck_assert_int_eq(found.most, BASE + 7 * S);
}
END_TEST

/* What was dropped makes older stamps uncertain, not wrong. */
START_TEST(history_is_bounded)
{
	const struct clock_view view = {.now = NOW, .offset = BASE};
	struct clock_steps steps = {0};
	struct clock_offsets found;

	clock_steps_note(&steps, S, BASE);
	clock_steps_note(&steps, S, BASE + 1);
	ck_assert_uint_eq(steps.count, 1);
	for (int i = 1; i <= CLOCK_STEPS_MOST; i++)
		clock_steps_note(&steps, (100 + i) * S, BASE + i % 2 * 3600 * S);
	ck_assert_uint_eq(steps.count, CLOCK_STEPS_MOST);
	found = clock_steps_offsets(&steps, &view, BASE + 3650 * S, SLACK);
	ck_assert_int_eq(found.least, BASE);
	found = clock_steps_offsets(&steps, &view, BASE + 50 * S, SLACK);
	ck_assert_int_eq(found.least, BASE);
	ck_assert_int_eq(found.most, BASE + 3600 * S);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("clock_steps");
	TCase *tcase = unit_case(s, "clock_steps");

	tcase_add_loop_test(tcase, stamps_between_two_steps_are_converted, 0, UNIT_COUNT(stamps));
	tcase_add_test(tcase, a_stamp_may_fit_twice);
	tcase_add_test(tcase, clock_at_boot_may_have_held);
	tcase_add_test(tcase, a_stamp_that_has_become_due_may_be_from_before);
	tcase_add_test(tcase, clock_that_was_set_just_now);
	tcase_add_test(tcase, history_is_bounded);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
