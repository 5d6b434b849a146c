/* The live table of readyctl monitor, as text. */
#include "client/ctl/monitor_print.h"
#include "client/ctl/monitor_table.h"
#include "client/ctl/output.h"
#include "tests/unit.h"

#define NOW 1000000

static struct monitor_table table;
static struct monitor_view view;
static char *text;

/* monitor_print.c escapes names in JSON by output.c, which the table does not use. */
void output_quoted(FILE *file, const char *string)
{
	fprintf(file, "\"%s\"", string);
}

static void set_up(void)
{
	table = (struct monitor_table){0};
	view = (struct monitor_view){80, 24, NOW, false, "/run/readyd.sock", 0};
	text = NULL;
}

static void tear_down(void)
{
	monitor_table_free(&table);
	free(text);
}

static void take(enum readyd_change change, pid_t pid, enum readyd_verdict verdict)
{
	struct readyd_event event = READYD_EVENT_INIT;

	event.change = change;
	event.pid = pid;
	event.verdict = verdict;
	event.time_ms = NOW - 5000 - pid;
	snprintf(event.name, sizeof(event.name), "p%d", (int)pid);
	ck_assert_int_eq(monitor_table_take(&table, &event), 0);
}

/* Without what moves the cursor. */
static const char *draw(void)
{
	size_t size, kept = 0;
	FILE *file;

	free(text);
	text = NULL;
	file = open_memstream(&text, &size);
	monitor_table_draw(&table, &view, file);
	ck_assert_int_eq(fclose(file), 0);
	for (size_t i = 0; i < size; i++) {
		if (strncmp(text + i, "\033[K", 3) == 0)
			i += 2;
		else if (text[i] != '\r')
			text[kept++] = text[i];
	}
	text[kept] = '\0';
	return text;
}

/* The pids in the order of the rows. */
static void expect_rows(const char *pids)
{
	char got[256] = "", *line, *rest;
	long pid;

	(void)draw();
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		if (line[0] != ' ' || (pid = strtol(line, NULL, 10)) == 0)
			continue;
		snprintf(
		    got + strlen(got), sizeof(got) - strlen(got), "%s%ld", got[0] != '\0' ? " " : "", pid);
	}
	ck_assert_str_eq(got, pids);
}

START_TEST(shows_each_process)
{
	take(READYD_CHANGE_STATE, 7, READYD_READY);
	ck_assert_str_eq(draw(),
	    "1 ready, 0 pending  /run/readyd.sock\n"
	    "       PID  NAME              STATE                              SINCE  WAITERS\n"
	    "         7  p7                ready                                5 s        0\n"
	    "q: quit");
}
END_TEST

START_TEST(shows_that_there_is_nothing_yet)
{
	ck_assert_str_eq(draw(),
	    "0 ready, 0 pending  /run/readyd.sock\n"
	    "       PID  NAME              STATE                              SINCE  WAITERS\n"
	    "q: quit");
}
END_TEST

START_TEST(what_is_missing_comes_first)
{
	take(READYD_CHANGE_READY, 1, READYD_READY);
	take(READYD_CHANGE_EXITED, 2, READYD_EXITED);
	take(READYD_CHANGE_WAITED, 3, READYD_PENDING);
	take(READYD_CHANGE_READY, 4, READYD_READY);
	take(READYD_CHANGE_STALE, 5, READYD_STALE);
	expect_rows("3 5 1 4 2");
}
END_TEST

START_TEST(a_snapshot_replaces_what_was_known)
{
	take(READYD_CHANGE_READY, 1, READYD_READY);
	take(READYD_CHANGE_READY, 2, READYD_READY);
	take(READYD_CHANGE_SNAPSHOT, 0, READYD_PENDING);
	take(READYD_CHANGE_STATE, 2, READYD_READY);
	take(READYD_CHANGE_READY, 3, READYD_READY);
	expect_rows("1 2 3");
	take(READYD_CHANGE_LIVE, 0, READYD_PENDING);
	expect_rows("2 3");
}
END_TEST

START_TEST(forgotten_and_ended_processes_leave)
{
	take(READYD_CHANGE_WAITED, 1, READYD_PENDING);
	take(READYD_CHANGE_WAITED, 2, READYD_PENDING);
	take(READYD_CHANGE_FORGOTTEN, 1, READYD_PENDING);
	expect_rows("2");
	take(READYD_CHANGE_DIED, 2, READYD_DIED);
	expect_rows("2");
	view.now_ms += MONITOR_TABLE_ENDED_MS;
	expect_rows("");
}
END_TEST

START_TEST(a_named_process_keeps_its_row)
{
	ck_assert_int_eq(monitor_table_name(&table, 9), 0);
	ck_assert_ptr_nonnull(strstr(draw(), "not followed"));
	take(READYD_CHANGE_READY, 9, READYD_READY);
	ck_assert_ptr_null(strstr(draw(), "not followed"));
	take(READYD_CHANGE_FORGOTTEN, 9, READYD_READY);
	ck_assert_ptr_nonnull(strstr(draw(), "not followed"));
	expect_rows("9");
}
END_TEST

/* Every size of terminal: no line is too long, and there are not too many. */
START_TEST(fits_into_the_terminal)
{
	size_t lines, length;

	for (pid_t pid = 1; pid <= 100; pid++)
		take(READYD_CHANGE_READY, pid, READYD_READY);
	take(READYD_CHANGE_LOST, 0, READYD_PENDING);
	for (view.lines = 1; view.lines <= 120; view.lines += 7) {
		view.columns = 3 * view.lines;
		lines = 1;
		length = 0;
		for (const char *at = draw(); *at != '\0'; at++) {
			length = *at == '\n' ? 0 : length + 1;
			lines += *at == '\n';
			ck_assert_uint_le(length, (size_t)view.columns);
		}
		ck_assert_uint_le(lines, (size_t)view.lines);
		if (view.lines > 3 && view.lines < 100)
			ck_assert_ptr_nonnull(strstr(text, " of 100"));
	}
}
END_TEST

/* What is narrow has all columns that fit whole: a number that is cut would be another one. */
static const struct {
	int columns;
	const char *head, *row;
} widths[] = {
    {200, "       PID  NAME              STATE                              SINCE  WAITERS",
	"         7  a-name-of-all-15  ready (marker removed)               5 s     1234"},
    {66, "       PID  NAME              STATE                 SINCE  WAITERS",
	"         7  a-name-of-all-15  ready (marker rem       5 s     1234"},
    {50, "    PID  NAME      STATE            SINCE  WAITERS",
	"      7  a-name-o  ready (marke       5 s     1234"},
    {42, "    PID  NAME    STATE      SINCE  WAITERS", "      7  a-name  ready (m     5 s     1234"},
    {41, "    PID  NAME      STATE            SINCE", "      7  a-name-o  ready (marke       5 s"},
    {33, "    PID  NAME    STATE      SINCE", "      7  a-name  ready (m     5 s"},
    {32, "     PID  NAME      STATE       ", "       7  a-name-o  ready (marke"},
};

START_TEST(narrow_columns_fit)
{
	struct readyd_event event = {sizeof(event), READYD_CHANGE_READY, .pid = 7, .time_ms = NOW - 5000,
	    .flags = READYD_FLAG_LATCHED, .waiters = 1234, .name = "a-name-of-all-15"};
	char want[256];

	ck_assert_int_eq(monitor_table_take(&table, &event), 0);
	view.columns = widths[_i].columns;
	snprintf(want, sizeof(want), "\n%s\n%s\nq: quit", widths[_i].head, widths[_i].row);
	ck_assert_str_eq(strchr(draw(), '\n'), want);
}
END_TEST

START_TEST(scrolls_to_rows_that_there_are)
{
	for (pid_t pid = 1; pid <= 9; pid++)
		take(READYD_CHANGE_READY, pid, READYD_READY);
	view.lines = 7;
	ck_assert_uint_eq(monitor_table_page(&view), 4);
	expect_rows("1 2 3 4");
	view.first = 3;
	expect_rows("4 5 6 7");
	ck_assert_ptr_nonnull(strstr(draw(), "4-7 of 9  q: quit, arrows, space, b: scroll"));
	view.first = 1000;
	expect_rows("6 7 8 9");
	ck_assert_uint_eq(view.first, 5);
	view.lines = 30;
	expect_rows("1 2 3 4 5 6 7 8 9");
	view.lines = 3;
	ck_assert_ptr_nonnull(strstr(draw(), "\n0 of 9  q: quit"));
}
END_TEST

START_TEST(what_is_seldom_is_counted_where_there_is_some)
{
	take(READYD_CHANGE_DIED, 1, READYD_DIED);
	take(READYD_CHANGE_STALE, 2, READYD_STALE);
	ck_assert(strncmp(draw(), "0 ready, 0 pending, 1 stale, 1 ended  /", 39) == 0);
}
END_TEST

/* A name is of its process's making. */
START_TEST(a_name_cannot_control_the_terminal)
{
	struct readyd_event event = {
	    sizeof(event), READYD_CHANGE_READY, .pid = 5, .name = "\033[2J\x9b\n\xc3\xa4"};

	ck_assert_int_eq(monitor_table_take(&table, &event), 0);
	ck_assert_ptr_nonnull(strstr(draw(), "  ?[2J????  "));
}
END_TEST

START_TEST(colours_only_where_they_are_wanted)
{
	take(READYD_CHANGE_READY, 1, READYD_READY);
	ck_assert_ptr_null(strstr(draw(), "\033["));
	view.colours = true;
	ck_assert_ptr_nonnull(strstr(draw(), "\033[32mready"));
}
END_TEST

/* The table says how long it has been ready, not since when its marker is missing. */
START_TEST(a_removed_marker_does_not_change_the_age)
{
	struct readyd_event event = {sizeof(event), READYD_CHANGE_READY, .pid = 5, .time_ms = NOW - 120000};

	ck_assert_int_eq(monitor_table_take(&table, &event), 0);
	event.change = READYD_CHANGE_REMOVED;
	event.flags = READYD_FLAG_LATCHED;
	event.time_ms = NOW;
	ck_assert_int_eq(monitor_table_take(&table, &event), 0);
	ck_assert_ptr_nonnull(strstr(draw(), "ready (marker removed)"));
	ck_assert_ptr_nonnull(strstr(text, "   2 min  "));
}
END_TEST

static const struct {
	enum readyd_change change;
	const char *text, *json;
} lines[] = {
    {READYD_CHANGE_LIVE, "live token=5:7\n",
	"{\"change\":\"live\",\"epoch\":5,\"seq\":7,\"token\":\"5:7\",\"reason\":null}\n"},
    {READYD_CHANGE_DIED,
	"died 12 start=34 status=3 waiters=2 time=2025-11-27T13:10:00.123Z token=5:7 name=a\\x1bb\n",
	"{\"change\":\"died\",\"epoch\":5,\"seq\":7,\"token\":\"5:7\",\"time_ms\":1764249000123,\"pid\":12,"
	"\"start\":34,\"verdict\":\"died\",\"reason\":null,\"status\":3,\"waiters\":2,\"name\":\"a\033b\"}"
	"\n"},
};

START_TEST(lines_are_written_exactly_so)
{
	struct readyd_event event = {sizeof(event), lines[_i].change, 5, 7, .wait_status = -1};
	size_t size;
	FILE *file;

	if (event.change == READYD_CHANGE_DIED)
		event = (struct readyd_event){sizeof(event), READYD_CHANGE_DIED, 5, 7, 1764249000123, 12, 34,
		    READYD_DIED, READYD_REASON_NONE, 0, 3 << 8, 2, "a\033b"};
	for (int json = 0; json < 2; json++) {
		free(text);
		file = open_memstream(&text, &size);
		(json ? monitor_print_json : monitor_print_text)(file, &event);
		ck_assert_int_eq(fclose(file), 0);
		ck_assert_str_eq(text, json ? lines[_i].json : lines[_i].text);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("monitor_table");
	TCase *tcase = unit_case(s, "monitor_table");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, shows_each_process);
	tcase_add_test(tcase, shows_that_there_is_nothing_yet);
	tcase_add_test(tcase, what_is_missing_comes_first);
	tcase_add_test(tcase, a_snapshot_replaces_what_was_known);
	tcase_add_test(tcase, forgotten_and_ended_processes_leave);
	tcase_add_test(tcase, a_named_process_keeps_its_row);
	tcase_add_test(tcase, fits_into_the_terminal);
	tcase_add_loop_test(tcase, narrow_columns_fit, 0, UNIT_COUNT(widths));
	tcase_add_test(tcase, scrolls_to_rows_that_there_are);
	tcase_add_test(tcase, what_is_seldom_is_counted_where_there_is_some);
	tcase_add_test(tcase, a_name_cannot_control_the_terminal);
	tcase_add_test(tcase, colours_only_where_they_are_wanted);
	tcase_add_test(tcase, a_removed_marker_does_not_change_the_age);
	tcase_add_loop_test(tcase, lines_are_written_exactly_so, 0, UNIT_COUNT(lines));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
