#include "fleet/json.h"
#include "fleet/payload.h"
#include "tests/unit.h"

#define PROCESS(members) "{\"verdict\":\"ready\",\"epoch\":1,\"seq\":2" members "}"

START_TEST(writes_a_process)
{
	struct payload_process process = {.verdict = READYD_READY,
	    .wait_status = -1,
	    .epoch = 123,
	    .seq = 7,
	    .time_ms = 1764249000123,
	    .name = "worker"};
	char text[PAYLOAD_SIZE];

	ck_assert_uint_eq(payload_write_process(text, &process), strlen(text));
	ck_assert_str_eq(text,
	    "{\"verdict\":\"ready\",\"reason\":null,\"status\":null,\"epoch\":123,\"seq\":7,"
	    "\"time_ms\":1764249000123,\"name\":\"worker\"}");
}
END_TEST

START_TEST(writes_a_status)
{
	struct payload_status status = {
	    .state = PAYLOAD_ONLINE, .epoch = 123, .time_ms = 5, .version = "0.2.0"};
	char text[PAYLOAD_SIZE];

	ck_assert_uint_eq(payload_write_status(text, &status), strlen(text));
	ck_assert_str_eq(text, "{\"state\":\"online\",\"epoch\":123,\"version\":\"0.2.0\",\"time_ms\":5}");
}
END_TEST

/* Each name that a process may give itself, each end, each number: what is read is what was written. */
START_TEST(reads_what_it_writes)
{
	static const char *const names[] = {"", "worker", "a\"b\\c", "\x01\x1f\x7f", "\xc3\xa4\xe2\x82\xac",
	    "\xf0\x9f\x98\x80", "new\nline",
	    "0123456789012345678901234567890123456789012345678901234567890ab"};
	static const int ends[] = {-1, 0, 0x100, 0xff00, 9, 15};

	for (size_t n = 0; n < UNIT_COUNT(names); n++) {
		for (size_t e = 0; e < UNIT_COUNT(ends); e++) {
			struct payload_process process = {.verdict = READYD_EXITED,
			    .reason = READYD_REASON_OLDER,
			    .wait_status = ends[e],
			    .epoch = UINT64_MAX,
			    .seq = UINT64_MAX - 1,
			    .time_ms = INT64_MAX};
			struct payload_process got;
			char text[PAYLOAD_SIZE];
			size_t length;

			strcpy(process.name, names[n]);
			length = payload_write_process(text, &process);
			ck_assert_uint_lt(length, PAYLOAD_SIZE);
			ck_assert_ptr_null(payload_read_process(text, length, &got));
			ck_assert_int_eq(got.verdict, process.verdict);
			ck_assert_int_eq(got.reason, process.reason);
			ck_assert_int_eq(got.wait_status, process.wait_status);
			ck_assert(got.epoch == process.epoch && got.seq == process.seq);
			ck_assert(got.time_ms == process.time_ms);
			ck_assert_str_eq(got.name, process.name);
		}
	}
}
END_TEST

/* A name is bytes; what is not UTF-8 is replaced, so that every reader of JSON accepts the message. */
START_TEST(writes_valid_utf8)
{
	char text[64];

	ck_assert_uint_eq(json_quote(text, sizeof(text), "a\xff\xc3"), strlen(text));
	ck_assert_str_eq(text, "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
	ck_assert_uint_eq(json_quote(text, sizeof(text), "\xc2\x85"), strlen(text));
	ck_assert_str_eq(text, "\"\\u0085\"");
	ck_assert_uint_eq(json_quote(text, 6, "\x01\x01"), 2);
	ck_assert_str_eq(text, "\"\"");
}
END_TEST

static const struct {
	const char *text;
	const char *why; /* NULL: accepted */
} processes[] = {
    {PROCESS(""), NULL},
    {PROCESS(",\"later\":\"version\",\"x\":null,\"y\":true,\"z\":5"), NULL},
    {" {\t\"seq\" :2,\n\"epoch\": 1 , \"verdict\":\"\\u0072eady\" } \r\n", NULL},
    {PROCESS(",\"reason\":\"of-a-later-version\""), NULL},
    {PROCESS(",\"name\":\"\\ud83d\\ude00\\b\\f\\n\\r\\t\\/\\\\\\\"\""), NULL},
    {PROCESS(",\"status\":\"hidden\""), NULL},
    {PROCESS(",\"status\":null,\"signal\":9,\"core\":true"), NULL},
    {"", "not a flat JSON object"},
    {"null", "not a flat JSON object"},
    {"[]", "not a flat JSON object"},
    {"{", "not a flat JSON object"},
    {"{}", "a member is missing"},
    {"{,}", "not a flat JSON object"},
    {"{\"epoch\":1,}", "not a flat JSON object"},
    {"{\"epoch\":1 \"seq\":2}", "not a flat JSON object"},
    {"{\"epoch\"}", "not a flat JSON object"},
    {"{\"epoch\":}", "not a flat JSON object"},
    {"{epoch:1}", "not a flat JSON object"},
    {"{'epoch':1}", "not a flat JSON object"},
    {PROCESS("") "x", "not a flat JSON object"},
    {PROCESS("") PROCESS(""), "not a flat JSON object"},
    {PROCESS(",\"x\":{}"), "not a flat JSON object"},
    {PROCESS(",\"x\":[1]"), "not a flat JSON object"},
    {PROCESS(",\"x\":-1"), "not a flat JSON object"},
    {PROCESS(",\"x\":1.5"), "not a flat JSON object"},
    {PROCESS(",\"x\":01"), "not a flat JSON object"},
    {PROCESS(",\"x\":18446744073709551616"), "not a flat JSON object"},
    {PROCESS(",\"x\":nul"), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\n\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\xff\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\xc3\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\\u0000\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\\u12\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\\ud83d\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\\ude00\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\\ud83d\\u0041\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"\\x\""), "not a flat JSON object"},
    {PROCESS(",\"x\":\"open"), "not a flat JSON object"},
    {PROCESS(",\"a-key-that-is-longer-than-any-known\":1"), "not a flat JSON object"},
    {PROCESS(",\"epoch\":1"), "a member is there twice"},
    {PROCESS(",\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\""),
	"a member has an impossible value"},
    {PROCESS(",\"status\":256"), "a member has an impossible value"},
    {PROCESS(",\"status\":\"0\""), "a member has an impossible value"},
    {PROCESS(",\"signal\":0"), "a member has an impossible value"},
    {PROCESS(",\"signal\":127"), "a member has an impossible value"},
    {PROCESS(",\"core\":1"), "a member has an impossible value"},
    {PROCESS(",\"reason\":1"), "a member has an impossible value"},
    {PROCESS(",\"time_ms\":9223372036854775808"), "a member has an impossible value"},
    {"{\"verdict\":\"Ready\",\"epoch\":1,\"seq\":2}", "a member has an impossible value"},
    {"{\"verdict\":null,\"epoch\":1,\"seq\":2}", "a member has an impossible value"},
    {"{\"verdict\":\"ready\",\"epoch\":\"1\",\"seq\":2}", "a member has an impossible value"},
    {"{\"verdict\":\"ready\",\"seq\":2}", "a member is missing"},
    {"{\"verdict\":\"ready\",\"epoch\":1}", "a member is missing"},
    {"{\"epoch\":1,\"seq\":2}", "a member is missing"},
};

START_TEST(refuses_what_it_would_not_write)
{
	const char *text = processes[_i].text, *why;
	struct payload_process process;

	why = payload_read_process(text, strlen(text), &process);
	ck_assert_msg((why == NULL) == (processes[_i].why == NULL), "%s: %s", text, why);
	if (why != NULL)
		ck_assert_str_eq(why, processes[_i].why);
	else
		ck_assert_int_eq(process.verdict, READYD_READY);
}
END_TEST

/* A message has no NUL at its end, and may have some inside. */
START_TEST(reads_no_further_than_the_message)
{
	static const char text[] = PROCESS(",\"name\":\"abc\"");
	struct payload_process process;

	for (size_t length = 0; length < strlen(text); length++) {
		char *copy = malloc(length + 1);

		memcpy(copy, text, length);
		ck_assert_ptr_nonnull(payload_read_process(copy, length, &process));
		free(copy);
	}
	ck_assert_ptr_null(payload_read_process(text, strlen(text), &process));
	ck_assert_ptr_nonnull(payload_read_process(text, sizeof(text), &process));
}
END_TEST

START_TEST(bounds_the_length)
{
	char text[PAYLOAD_SIZE + 2];
	struct payload_process process;
	struct payload_status status;

	memset(text, ' ', sizeof(text));
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it has a length */
	memcpy(text, PROCESS(""), strlen(PROCESS("")));
	ck_assert_ptr_null(payload_read_process(text, PAYLOAD_SIZE, &process));
	ck_assert_str_eq(payload_read_process(text, PAYLOAD_SIZE + 1, &process), "longer than 1024 bytes");
	ck_assert_str_eq(payload_read_status(text, PAYLOAD_SIZE + 1, &status), "longer than 1024 bytes");
}
END_TEST

static const struct {
	const char *text;
	int state; /* -1: refused */
} statuses[] = {
    {"{\"state\":\"online\",\"epoch\":1}", PAYLOAD_ONLINE},
    {"{\"state\":\"offline\",\"epoch\":1,\"time_ms\":3,\"version\":\"9\"}", PAYLOAD_OFFLINE},
    {"{\"state\":\"unknown\",\"epoch\":1}", PAYLOAD_UNKNOWN},
    {"{\"state\":\"away\",\"epoch\":1}", -1},
    {"{\"state\":\"online\"}", -1},
    {"{\"epoch\":1}", -1},
    {"{\"state\":\"offline\",\"state\":\"online\",\"epoch\":1}", -1},
    {"{\"state\":\"online\",\"epoch\":1,\"version\":\"01234567890123456789012345678901\"}", -1},
};

START_TEST(reads_a_status)
{
	struct payload_status status;
	const char *why = payload_read_status(statuses[_i].text, strlen(statuses[_i].text), &status);

	ck_assert_int_eq(why == NULL ? (int)status.state : -1, statuses[_i].state);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fleet_payload");
	TCase *tcase = unit_case(s, "fleet_payload");

	tcase_add_test(tcase, writes_a_process);
	tcase_add_test(tcase, writes_a_status);
	tcase_add_test(tcase, reads_what_it_writes);
	tcase_add_test(tcase, writes_valid_utf8);
	tcase_add_loop_test(tcase, refuses_what_it_would_not_write, 0, UNIT_COUNT(processes));
	tcase_add_test(tcase, reads_no_further_than_the_message);
	tcase_add_test(tcase, bounds_the_length);
	tcase_add_loop_test(tcase, reads_a_status, 0, UNIT_COUNT(statuses));
	return s;
}

int main(void)
{
	return unit_main(suite);
}
