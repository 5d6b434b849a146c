#include "src/escape.h"
#include "tests/unit.h"

static const struct {
	const char *text, *escaped;
} rows[] = {
    {"", ""},
    {"/tmp/a b'\"\\", "/tmp/a b'\"\\"},
    {"a\rb\nc\td", "a\\x0db\\x0ac\\x09d"},
    {"\033[2J", "\\x1b[2J"},
    {"\x01\x1f\x7f", "\\x01\\x1f\\x7f"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0"},
    {"\x9b\xff\xc0\x80", "\\x9b\\xff\\xc0\\x80"},
    {"\xe2\x82", "\\xe2\\x82"},
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
};

START_TEST(escapes)
{
	char buf[64];

	ck_assert_str_eq(escape_text(buf, sizeof(buf), rows[_i].text), rows[_i].escaped);
}
END_TEST

/* Between two characters, never in one. */
START_TEST(cuts_where_the_buffer_is_full)
{
	char buf[8];

	ck_assert_str_eq(escape_text(buf, 5, "abcdef"), "abcd");
	ck_assert_str_eq(escape_text(buf, 5, "\n\n"), "\\x0a");
	ck_assert_str_eq(escape_text(buf, 5, "a\n"), "a");
	ck_assert_str_eq(escape_text(buf, 5, "abc\xc3\xa4"), "abc");
	ck_assert_str_eq(escape_text(buf, 6, "abc\xc3\xa4"), "abc\xc3\xa4");
	ck_assert_str_eq(escape_text(buf, 8, "\xc2\x9b"), "");
	ck_assert_str_eq(escape_text(buf, 1, "a"), "");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("escape");
	TCase *tcase = unit_case(s, "escape");

	tcase_add_loop_test(tcase, escapes, 0, UNIT_COUNT(rows));
	tcase_add_test(tcase, cuts_where_the_buffer_is_full);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
