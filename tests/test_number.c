#include "src/number.h"
#include "tests/unit.h"

static const struct {
	const char *text;
	uint64_t max;
	int result;
	uint64_t value;
} inputs[] = {
    {"0", 0, 0, 0},
    {"7", 9, 0, 7},
    {"00", 9, 0, 0},
    {"007", 9, 0, 7},
    {"255", 255, 0, 255},
    {"256", 255, -1, 0},
    {"1000", 255, -1, 0},
    {"2147483647", 2147483647, 0, 2147483647},
    {"2147483648", 2147483647, -1, 0},
    {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
    {"18446744073709551616", UINT64_MAX, -1, 0},
    {"18446744073709551625", UINT64_MAX, -1, 0},
    {"99999999999999999999", UINT64_MAX, -1, 0},
    {"184467440737095516150", UINT64_MAX, -1, 0},
    {"000000000000000000000000001", UINT64_MAX, 0, 1},
    {"", UINT64_MAX, -1, 0},
    {" 1", UINT64_MAX, -1, 0},
    {"1 ", UINT64_MAX, -1, 0},
    {"+1", UINT64_MAX, -1, 0},
    {"-1", UINT64_MAX, -1, 0},
    {"-0", UINT64_MAX, -1, 0},
    {"0x1", UINT64_MAX, -1, 0},
    {"1e3", UINT64_MAX, -1, 0},
    {"1.0", UINT64_MAX, -1, 0},
    {"1\n", UINT64_MAX, -1, 0},
    {"/", UINT64_MAX, -1, 0},
    {":", UINT64_MAX, -1, 0},
    {"\xb2", UINT64_MAX, -1, 0},
    {"\xff", UINT64_MAX, -1, 0},
};

START_TEST(decimal_numbers_are_parsed)
{
	uint64_t value = 0;

	ck_assert_int_eq(number_parse(inputs[_i].text, strlen(inputs[_i].text), inputs[_i].max, &value),
	    inputs[_i].result);
	if (inputs[_i].result == 0)
		ck_assert_uint_eq(value, inputs[_i].value);
}
END_TEST

START_TEST(parsing_stops_at_the_length)
{
	uint64_t value;

	ck_assert_int_eq(number_parse("12x", 2, 99, &value), 0);
	ck_assert_uint_eq(value, 12);
	ck_assert_int_eq(number_parse("1\0002", 3, UINT64_MAX, &value), -1);
}
END_TEST

START_TEST(maximum_is_enforced)
{
	const uint64_t max = (uint64_t)_i;
	uint64_t value;
	char text[8];

	for (uint64_t n = 0; n < 300; n++) {
		snprintf(text, sizeof(text), "%u", (unsigned)n);
		ck_assert_msg((number_parse(text, strlen(text), max, &value) == 0) == (n <= max),
		    "%s of at most %u", text, (unsigned)max);
	}
}
END_TEST

START_TEST(put_writes_decimal)
{
	static const uint64_t numbers[] = {
	    0, 1, 9, 10, 11, 99, 100, 4194304, INT32_MAX, UINT64_MAX - 1, UINT64_MAX};
	char text[21], want[32];

	for (size_t i = 0; i < UNIT_COUNT(numbers); i++) {
		number_put(text, numbers[i]);
		snprintf(want, sizeof(want), "%llu", (unsigned long long)numbers[i]);
		ck_assert_str_eq(text, want);
	}
}
END_TEST

static const struct {
	const char *text;
	size_t count;
	uint32_t values[3];
} lists[] = {
    {"         0     100000      65536\n", 3, {0, 100000, 65536}},
    {"\t0\t1\t4294967295\t7", 3, {0, 1, 4294967295}},
    {"1 2", 2, {1, 2}},
    {"1 4294967296 3", 1, {1}},
    {"1 -2 3", 1, {1}},
    {"x", 0, {0}},
    {"", 0, {0}},
};

START_TEST(numbers_with_blanks_between_them_are_read)
{
	uint32_t values[3];

	ck_assert_uint_eq(number_list(lists[_i].text, values, 3), lists[_i].count);
	for (size_t i = 0; i < lists[_i].count; i++)
		ck_assert_uint_eq(values[i], lists[_i].values[i]);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("number");
	TCase *tcase = unit_case(s, "number");

	tcase_add_loop_test(tcase, numbers_with_blanks_between_them_are_read, 0, UNIT_COUNT(lists));
	tcase_add_loop_test(tcase, decimal_numbers_are_parsed, 0, UNIT_COUNT(inputs));
	tcase_add_test(tcase, parsing_stops_at_the_length);
	tcase_add_loop_test(tcase, maximum_is_enforced, 0, 130);
	tcase_add_test(tcase, put_writes_decimal);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
