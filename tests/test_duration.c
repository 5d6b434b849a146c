#include <errno.h>

#include "src/duration.h"
#include "tests/unit.h"

static const struct {
	const char *text;
	int64_t ms; /* -1: refused */
} rows[] = {
    {"0", 0},
    {"5", 5000},
    {"5s", 5000},
    {"500ms", 500},
    {"2m", 120000},
    {"1h", 3600000},
    {"0.5", 500},
    {".5", 500},
    {"5.", 5000},
    {"0.5m", 30000},
    {"1.5h", 5400000},
    {"1.25s", 1250},
    {"007", 7000},
    {"0.001", 1},
    {"0.0001", 1},
    {"0.0011", 2},
    {"0.000000001", 1},
    {"1.00000000000000", 1000},
    {"0.1ms", 1},
    {"1.1ms", 2},
    {"0.000000001h", 1},
    {"1m30s", 90000},
    {"1h2m3s4ms", 3723004},
    {"1h30s", 3630000},
    {"1.5h0.5m", 5430000},
    {"0h0m0s0ms", 0},
    {"1000h", 3600000000},
    {"999h60m", 3600000000},
    {"60000m", 3600000000},
    {"3600000", 3600000000},
    {"3600000s", 3600000000},
    {"3600000000ms", 3600000000},
    {"00000000000000000000000005", 5000},
    {"1000.0000001h", -1},
    {"1001h", -1},
    {"60001m", -1},
    {"3600001", -1},
    {"3600000001ms", -1},
    {"3600000.001", -1},
    {"9223372036854775807", -1},
    {"9223372036854775808ms", -1},
    {"99999999999999999999999999", -1},
    {"99999999999999999999999999ms", -1},
    {"", -1},
    {".", -1},
    {"s", -1},
    {"ms", -1},
    {".s", -1},
    {"1..5", -1},
    {"1.5.5", -1},
    {"-1", -1},
    {"+1", -1},
    {" 1", -1},
    {"1 ", -1},
    {"1 s", -1},
    {"1d", -1},
    {"1S", -1},
    {"1sec", -1},
    {"1mss", -1},
    {"1m30", -1},
    {"1m30.", -1},
    {"5.30s1ms", 5301},
    {"30s1m", -1},
    {"1m1m", -1},
    {"1m 30s", -1},
    {"1h-1m", -1},
    {"1mm30s", -1},
    {"1e3", -1},
    {"0x10", -1},
    {"1,5", -1},
    {"inf", -1},
    {"nan", -1},
    {"\xd9\xa1", -1},
};

START_TEST(parses)
{
	int64_t ms = 0;

	ck_assert_int_eq(duration_parse(rows[_i].text, &ms), rows[_i].ms < 0 ? -1 : 0);
	if (rows[_i].ms >= 0)
		ck_assert_int_eq(ms, rows[_i].ms);
}
END_TEST

/* A wait that is meant to be short must not become none at all. */
START_TEST(rounds_up_whatever_the_digits)
{
	char text[64] = "0.";
	int64_t ms;

	for (int zeros = 0; zeros < 30; zeros++) {
		strcpy(text + 2 + zeros, "1");
		ck_assert_int_eq(duration_parse(text, &ms), 0);
		ck_assert_msg(ms > 0, "%s is no time", text);
		text[2 + zeros] = '0';
	}
}
END_TEST

/* A message can then name the limit. */
START_TEST(says_what_is_out_of_range)
{
	static const char *const too_much[] = {"1001h", "3600001", "1000h1ms", "99999999999999999999999999"};
	int64_t ms;

	for (size_t i = 0; i < UNIT_COUNT(too_much); i++) {
		ck_assert_int_eq(duration_parse(too_much[i], &ms), -1);
		ck_assert_msg(errno == ERANGE, "%s: %s", too_much[i], strerror(errno));
	}
	ck_assert_int_eq(duration_parse("1d", &ms), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(duration_parse("", &ms), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("duration");
	TCase *tcase = unit_case(s, "duration");

	tcase_add_loop_test(tcase, parses, 0, UNIT_COUNT(rows));
	tcase_add_test(tcase, says_what_is_out_of_range);
	tcase_add_test(tcase, rounds_up_whatever_the_digits);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
