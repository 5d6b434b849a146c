/* When a wait says that it goes on, and what that looks like. */
#include "client/ctl/progress.h"
#include "src/clock.h"
#include "tests/unit.h"

static struct progress progress;
static char *text;
static size_t length;

static void set_up(void)
{
	text = NULL;
	progress = (struct progress){
	    .file = open_memstream(&text, &length), .on = true, .next = progress_next_note(0)};
	ck_assert_ptr_nonnull(progress.file);
}

static void tear_down(void)
{
	fclose(progress.file);
	free(text);
}

static void wrote(const char *want)
{
	fflush(progress.file);
	ck_assert_str_eq(text != NULL ? text : "", want);
}

START_TEST(notes_become_rarer)
{
	static const int64_t times[] = {10000, 30000, 60000, 120000, 180000, 240000};
	int64_t at = 0;

	for (size_t i = 0; i < UNIT_COUNT(times); i++) {
		at = progress_next_note(at);
		ck_assert_int_eq(at, times[i]);
	}
	ck_assert_int_eq(progress_next_note(9999), 10000);
	ck_assert_int_eq(progress_next_note(29999), 30000);
	ck_assert_int_eq(progress_next_note(59999), 60000);
	ck_assert_int_eq(progress_next_note(3600000), 3660000);
}
END_TEST

/* Each is written when it is due, and what was missed meanwhile is not made up for. */
START_TEST(notes_come_when_they_are_due)
{
	ck_assert_int_eq(progress_left(&progress, 0), 10000);
	ck_assert(!progress_is_due(&progress, 9999));
	ck_assert(progress_is_due(&progress, 10000));
	progress_show(&progress, "nothing has come", 10004);
	wrote("readyctl: still waiting after 10 s: nothing has come\n");
	ck_assert(!progress_is_due(&progress, 29999));
	ck_assert_int_eq(progress_left(&progress, 10004), 19996);
	progress_show(&progress, "still", 200000);
	ck_assert_int_eq(progress_left(&progress, 200000), 40000);
	progress_clear(&progress);
	wrote("readyctl: still waiting after 10 s: nothing has come\nreadyctl: still waiting after 200 s: "
	      "still\n");
}
END_TEST

START_TEST(quiet_is_never_due)
{
	progress.on = false;
	ck_assert_int_eq(progress_left(&progress, 1000000), -1);
	ck_assert(!progress_is_due(&progress, 1000000));
}
END_TEST

/* The file has no window, so COLUMNS counts. */
START_TEST(the_live_line_is_cut_and_cleared)
{
	int64_t now = clock_ms();

	setenv("COLUMNS", "12", 1);
	progress.live = true;
	progress.began = now - 5000;
	progress_show(&progress, "process 1 is sleeping", now);
	wrote("\r5 s: proces\033[K");
	ck_assert_int_le(progress_left(&progress, now), 1000);
	ck_assert(!progress_is_due(&progress, now));
	progress_clear(&progress);
	progress_clear(&progress);
	wrote("\r5 s: proces\033[K\r\033[K");
}
END_TEST

/* What is wider than one column, or controls the terminal, would break the line. */
START_TEST(the_live_line_is_plain)
{
	int64_t now = clock_ms();

	unsetenv("COLUMNS");
	progress.live = true;
	progress.began = now;
	progress_show(&progress, "a\033b\xc3\xa9", now);
	wrote("\r0 s: a?b??\033[K");
}
END_TEST

/* A daemon that does not answer delays each look: it must not fill the time of the wait. */
START_TEST(what_takes_long_is_drawn_more_seldom)
{
	int64_t now = clock_ms() - 250;

	progress.live = true;
	progress.began = now;
	progress_show(&progress, "x", now);
	ck_assert_int_ge(progress.next - now, 20 * 250);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("progress");
	TCase *tcase = unit_case(s, "progress");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, notes_become_rarer);
	tcase_add_test(tcase, notes_come_when_they_are_due);
	tcase_add_test(tcase, quiet_is_never_due);
	tcase_add_test(tcase, the_live_line_is_cut_and_cleared);
	tcase_add_test(tcase, the_live_line_is_plain);
	tcase_add_test(tcase, what_takes_long_is_drawn_more_seldom);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
