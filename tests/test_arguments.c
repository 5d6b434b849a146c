/* Options are read by their whole names, and what was meant is suggested. */
#include "src/arguments.h"
#include "src/suggest.h"
#include "tests/unit.h"

#define ONE 1u
#define TWO 2u

enum { OPT_SPEED = 300, OPT_SPELL, OPT_OTHER };

static const struct arguments_option options[] = {
    {'q', 'q', "quiet", NULL, "", ONE | TWO},
    {'n', 'n', "number", "N", "", ONE | TWO},
    {OPT_SPEED, 0, "speed", "low|high", "", ONE},
    {OPT_SPELL, 0, "spell", NULL, "", TWO},
    {OPT_OTHER, 0, "speed", "N", "", TWO},
    {0, 0, NULL, NULL, NULL, 0},
};

static struct arguments arguments;

static void start(unsigned commands, char **words)
{
	arguments = (struct arguments){.at = words, .options = options, .commands = commands};
}

static void next_is(int id, const char *value)
{
	ck_assert_int_eq(arguments_next(&arguments), id);
	if (value == NULL)
		ck_assert_ptr_null(arguments.value);
	else
		ck_assert_str_eq(arguments.value, value);
}

static void next_is_wrong(const char *what, const char *hint)
{
	ck_assert_int_eq(arguments_next(&arguments), ARGUMENTS_WRONG);
	ck_assert_str_eq(arguments.what, what);
	ck_assert_str_eq(arguments.hint, hint);
}

START_TEST(all_forms_are_read)
{
	char *words[] = {"-q", "a", "-qn5", "-n", "6", "--number=7", "--number", "8", "--number=", "-qq", "-",
	    "--quiet", "--", "-q", NULL};

	start(ONE, words);
	next_is('q', NULL);
	next_is(ARGUMENTS_WORD, "a");
	next_is('q', NULL);
	next_is('n', "5");
	next_is('n', "6");
	next_is('n', "7");
	next_is('n', "8");
	next_is('n', "");
	next_is('q', NULL);
	next_is('q', NULL);
	next_is(ARGUMENTS_WORD, "-");
	next_is('q', NULL);
	ck_assert_int_eq(arguments_next(&arguments), ARGUMENTS_DASHES);
	ck_assert_ptr_eq(arguments.at, words + 13);
}
END_TEST

/* Of two with one name, that of the command; and one of another command is told apart from an unknown one. */
START_TEST(options_belong_to_commands)
{
	char *words[] = {"--speed=1", "--spell", NULL};

	start(ONE, words);
	next_is(OPT_SPEED, "1");
	ck_assert_uint_eq(arguments.valid, ONE | TWO); /* some option of this name */
	next_is(OPT_SPELL, NULL);
	ck_assert_uint_eq(arguments.valid, TWO);
	ck_assert_int_eq(arguments_next(&arguments), ARGUMENTS_END);
	start(TWO, words);
	next_is(OPT_OTHER, "1");
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
	char *words[] = {"-qxn", "--quiet=1", "--nonsense", "--num=3", "--qiuet", "--sped", "-quiet",
	    "-speed=low", "--", NULL};
	char *no_value[] = {"-n", NULL}, *no_value_long[] = {"--speed", NULL};

	start(ONE, words);
	next_is('q', NULL);
	next_is_wrong("-x", "unknown");
	next_is_wrong("--quiet", "takes no value");
	next_is_wrong("--nonsense", "unknown");
	next_is_wrong("--num", "not a whole name; did you mean --number?");
	next_is_wrong("--qiuet", "unknown; did you mean --quiet?");
	next_is_wrong("--sped", "unknown; did you mean --speed?");
	next_is_wrong("-quiet", "unknown; did you mean --quiet?");
	next_is_wrong("-speed", "unknown; did you mean --speed?");
	start(ONE, no_value);
	next_is_wrong("-n", "requires a value: N");
	start(ONE, no_value_long);
	next_is_wrong("--speed", "requires a value: low|high");
}
END_TEST

/* A name is shown cut, and never read beyond its end. */
START_TEST(long_names_are_cut)
{
	char word[1000] = "--", *words[] = {word, NULL};

	memset(word + 2, 'a', sizeof(word) - 3);
	start(ONE, words);
	ck_assert_int_eq(arguments_next(&arguments), ARGUMENTS_WRONG);
	ck_assert_uint_eq(strlen(arguments.what), sizeof(arguments.what) - 1);
	ck_assert_str_eq(arguments.hint, "unknown");
}
END_TEST

static const struct {
	const char *word, *meant; /* NULL: nothing */
} rows[] = {
    {"wait", "wait"},
    {"wiat", "wait"},
    {"wai", "wait"},
    {"wa", "wait"},
    {"waait", "wait"},
    {"wayt", "wait"},
    {"w", NULL},
    {"", NULL},
    {"wyyt", NULL},
    {"stauts", "status"},
    {"stat", "status"},
    {"statz", "stats"},
    {"lsit", "list"},
    {"nonsense", NULL},
    {"statusstatusstatusstatusstatusstatus", NULL},
};

START_TEST(similar_names_are_suggested)
{
	static const char *const names[] = {"wait", "status", "list", "stats"};
	struct suggestion best = {0};

	for (size_t i = 0; i < UNIT_COUNT(names); i++)
		suggestion_consider(&best, rows[_i].word, names[i]);
	if (rows[_i].meant == NULL)
		ck_assert_ptr_null(best.name);
	else
		ck_assert_str_eq(best.name, rows[_i].meant);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("arguments");
	TCase *tcase = unit_case(s, "arguments");

	tcase_add_test(tcase, all_forms_are_read);
	tcase_add_test(tcase, options_belong_to_commands);
	tcase_add_test(tcase, what_is_wrong_is_named);
	tcase_add_test(tcase, long_names_are_cut);
	tcase_add_loop_test(tcase, similar_names_are_suggested, 0, UNIT_COUNT(rows));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
