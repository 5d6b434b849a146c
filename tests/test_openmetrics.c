#include "client/ctl/openmetrics.h"
#include "tests/unit.h"

static char *text;

static void print(const char *stats)
{
	size_t size;
	FILE *to = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(to);
	openmetrics_print(to, stats);
	ck_assert_int_eq(fclose(to), 0);
}

static void expect(const char *line)
{
	ck_assert_msg(strstr(text, line) != NULL, "'%s' is not in: %s", line, text);
}

static void expect_none(const char *word)
{
	ck_assert_msg(strstr(text, word) == NULL, "'%s' is in: %s", word, text);
}

/* A counter's sample ends in _total, a gauge's does not. */
START_TEST(counters_and_gauges_have_their_form)
{
	print("clients=3 refused=18446744073709551615");
	expect("# TYPE readyd_connections gauge\n# HELP readyd_connections Connections now.\n"
	       "readyd_connections 3\n");
	expect("# TYPE readyd_refused_connections counter\n");
	expect("\nreadyd_refused_connections_total 18446744073709551615\n");
	free(text);
}
END_TEST

START_TEST(time_is_in_seconds)
{
	print("uptime_ms=61005");
	expect("# UNIT readyd_uptime_seconds seconds\n");
	expect("\nreadyd_uptime_seconds 61.005\n");
	free(text);
}
END_TEST

START_TEST(words_are_labels)
{
	print("version=1.2 procfs=ok sandbox=on rights=sys_ptrace");
	expect("# TYPE readyd info\n");
	expect("\nreadyd_info{version=\"1.2\",procfs=\"ok\",sandbox=\"on\",rights=\"sys_ptrace\"} 1\n");
	free(text);
}
END_TEST

/* Of an untrusted or newer daemon. A key is not found inside another one. */
START_TEST(what_is_not_known_is_left_out)
{
	print("clients=many dropped=-1 other=5 notlooks=4 looks= version=a\"b\\c\x1b");
	expect_none("connections");
	expect_none("other");
	expect_none("looks");
	expect("version=\"a\\\"b\\\\c\\\\x1b\"");
	expect_none("\x1b");
	free(text);
}
END_TEST

START_TEST(the_end_is_marked)
{
	print("");
	ck_assert_str_eq(text + strlen(text) - strlen("# EOF\n"), "# EOF\n");
	free(text);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("openmetrics");
	TCase *tcase = unit_case(s, "openmetrics");

	tcase_add_test(tcase, counters_and_gauges_have_their_form);
	tcase_add_test(tcase, time_is_in_seconds);
	tcase_add_test(tcase, words_are_labels);
	tcase_add_test(tcase, what_is_not_known_is_left_out);
	tcase_add_test(tcase, the_end_is_marked);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
