#include <errno.h>
#include <limits.h>

#include "readyd/marker.h"
#include "src/verdict.h"
#include "src/wire.h"
#include "tests/unit.h"

/* Copies the line to a block of exactly its size, so that a sanitizer finds any access beyond its end. */
static char *copy_exact(const char *text, size_t len)
{
	char *block = malloc(len > 0 ? len : 1);

	unit_check(block != NULL);
	return memcpy(block, text, len);
}

static enum wire_error parse_request(const char *text, size_t len, struct wire_request *request)
{
	char *line = copy_exact(text, len);
	enum wire_error error;

	memset(request, 0xff, sizeof(*request));
	error = wire_parse_request(line, len, request);
	free(line);
	return error;
}

/* reply->text points into *line, which the caller frees. */
static int parse_reply(const char *text, size_t len, struct wire_reply *reply, char **line)
{
	*line = copy_exact(text, len);
	memset(reply, 0xff, sizeof(*reply));
	return wire_parse_reply(*line, len, reply);
}

static struct wire_reply parsed(const char *text, size_t len)
{
	struct wire_reply reply;
	char *line;

	ck_assert_msg(parse_reply(text, len, &reply, &line) == 0, "refused: %.*s", (int)len, text);
	free(line);
	return reply;
}

static void check_is_a_line(const char *line, size_t len, size_t most)
{
	unit_check(len >= 2);
	unit_check(len <= most);
	unit_check(wire_line(line, len) == len);
}

/* Lines. */

START_TEST(lines_end_at_the_newline)
{
	ck_assert_uint_eq(wire_line("", 0), 0);
	ck_assert_uint_eq(wire_line(NULL, 0), 0);
	ck_assert_uint_eq(wire_line("PING", 4), 0);
	ck_assert_uint_eq(wire_line("PING\r", 5), 0);
	ck_assert_uint_eq(wire_line("PING\n", 4), 0);
	ck_assert_uint_eq(wire_line("PING\n", 5), 5);
	ck_assert_uint_eq(wire_line("PING\nPING\n", 10), 5);
	ck_assert_uint_eq(wire_line("\n", 1), 1);
	ck_assert_uint_eq(wire_line("a\0b\n", 4), 4);
}
END_TEST

/* Requests. */

static const struct {
	const char *line;
	enum wire_error error;
	struct wire_request request;
} requests[] = {
    {"HELLO 1", WIRE_OK, {.verb = WIRE_HELLO, .version = 1}},
    {"HELLO 1 18446744073709551615", WIRE_OK, {.verb = WIRE_HELLO, .version = 1, .tag = UINT64_MAX}},
    {"QUERY 1", WIRE_OK, {.verb = WIRE_QUERY, .pid = 1}},
    {"QUERY 2147483647", WIRE_OK, {.verb = WIRE_QUERY, .pid = INT_MAX}},
    {"WAIT 5", WIRE_OK, {.verb = WIRE_WAIT, .pid = 5}},
    {"WAIT 5 0", WIRE_OK, {.verb = WIRE_WAIT, .pid = 5, .has_ms = true}},
    {"WAIT 5 100", WIRE_OK, {.verb = WIRE_WAIT, .pid = 5, .ms = 100, .has_ms = true}},
    {"WAIT 5 2147483647", WIRE_OK, {.verb = WIRE_WAIT, .pid = 5, .ms = INT_MAX, .has_ms = true}},
    {"QUERY 5:1", WIRE_OK, {.verb = WIRE_QUERY, .pid = 5, .start = 1}},
    {"GATE 2147483647:18446744073709551615", WIRE_OK,
	{.verb = WIRE_GATE, .pid = INT_MAX, .start = UINT64_MAX}},
    {"WAIT 5:77", WIRE_OK, {.verb = WIRE_WAIT, .pid = 5, .start = 77}},
    {"wait  5:77  9", WIRE_OK, {.verb = WIRE_WAIT, .pid = 5, .start = 77, .ms = 9, .has_ms = true}},
    {"GATE 5", WIRE_OK, {.verb = WIRE_GATE, .pid = 5}},
    {"CANCEL 5", WIRE_OK, {.verb = WIRE_CANCEL, .pid = 5}},
    {"LIST", WIRE_OK, {.verb = WIRE_LIST}},
    {"STATS", WIRE_OK, {.verb = WIRE_STATS}},
    {"PING", WIRE_OK, {.verb = WIRE_PING}},
    {"END 5", WIRE_OK, {.verb = WIRE_END, .pid = 5}},
    {"END 5:7", WIRE_OK, {.verb = WIRE_END, .pid = 5, .start = 7}},
    {"MONITOR", WIRE_OK, {.verb = WIRE_MONITOR}},
    {"MONITOR 0:0", WIRE_OK, {.verb = WIRE_MONITOR, .has_token = true}},
    {"MONITOR 18446744073709551615:7", WIRE_OK,
	{.verb = WIRE_MONITOR, .has_token = true, .epoch = UINT64_MAX, .seq = 7}},
    {"ping", WIRE_OK, {.verb = WIRE_PING}},
    {"Wait 5 9", WIRE_OK, {.verb = WIRE_WAIT, .pid = 5, .ms = 9, .has_ms = true}},
    {"  QUERY   7  ", WIRE_OK, {.verb = WIRE_QUERY, .pid = 7}},
    {" WAIT 7    8 ", WIRE_OK, {.verb = WIRE_WAIT, .pid = 7, .ms = 8, .has_ms = true}},
    {"", WIRE_BAD_VERB, {0}},
    {"   ", WIRE_BAD_VERB, {0}},
    {"\r", WIRE_BAD_VERB, {0}},
    {"FOO", WIRE_BAD_VERB, {0}},
    {"PIN", WIRE_BAD_VERB, {0}},
    {"PINGS", WIRE_BAD_VERB, {0}},
    {"QUERY\t1", WIRE_BAD_VERB, {0}},
    {"PING\r\r", WIRE_BAD_VERB, {0}},
    {"1", WIRE_BAD_VERB, {0}},
    {"READYD 1", WIRE_BAD_VERB, {0}},
    {"GET / HTTP/1.1", WIRE_BAD_VERB, {0}},
    {"HELLO", WIRE_BAD_ARGUMENT, {0}},
    {"HELLO x", WIRE_BAD_ARGUMENT, {0}},
    {"HELLO -1", WIRE_BAD_ARGUMENT, {0}},
    {"HELLO 1 2 3", WIRE_BAD_ARGUMENT, {0}},
    {"HELLO 1 x", WIRE_BAD_ARGUMENT, {0}},
    {"HELLO 0", WIRE_BAD_VERSION, {0}},
    {"HELLO 2", WIRE_BAD_VERSION, {0}},
    {"QUERY", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 0", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY -1", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY +1", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 2147483648", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 4294967297", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 18446744073709551617", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 1.", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 1x", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 1\t", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY self", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 1 2", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 5:", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 5:0", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 5:-1", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 5:x", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 5:7:", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 5:18446744073709551616", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY :7", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY :", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 0:7", WIRE_BAD_ARGUMENT, {0}},
    {"QUERY 5 :7", WIRE_BAD_ARGUMENT, {0}},
    {"CANCEL 5:7", WIRE_BAD_ARGUMENT, {0}},
    {"GATE", WIRE_BAD_ARGUMENT, {0}},
    {"GATE 0", WIRE_BAD_ARGUMENT, {0}},
    {"GATE 1 2", WIRE_BAD_ARGUMENT, {0}},
    {"END", WIRE_BAD_ARGUMENT, {0}},
    {"END 1 2", WIRE_BAD_ARGUMENT, {0}},
    {"CANCEL", WIRE_BAD_ARGUMENT, {0}},
    {"CANCEL 2147483648", WIRE_BAD_ARGUMENT, {0}},
    {"CANCEL 1 2", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 0", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 0 5", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 5 -1", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 5 x", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 5 1.5", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 5 5s", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 5 2147483648", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 5 99999999999999999999", WIRE_BAD_ARGUMENT, {0}},
    {"WAIT 5 1 2", WIRE_BAD_ARGUMENT, {0}},
    {"LIST 1", WIRE_BAD_ARGUMENT, {0}},
    {"STATS all", WIRE_BAD_ARGUMENT, {0}},
    {"PING 1", WIRE_BAD_ARGUMENT, {0}},
    {"MONITOR 1", WIRE_BAD_ARGUMENT, {0}},
    {"MONITOR :", WIRE_BAD_ARGUMENT, {0}},
    {"MONITOR 1:", WIRE_BAD_ARGUMENT, {0}},
    {"MONITOR :1", WIRE_BAD_ARGUMENT, {0}},
    {"MONITOR 1:-1", WIRE_BAD_ARGUMENT, {0}},
    {"MONITOR 1:18446744073709551616", WIRE_BAD_ARGUMENT, {0}},
    {"MONITOR 1:2 3", WIRE_BAD_ARGUMENT, {0}},
};

static void check_same_request(const struct wire_request *a, const struct wire_request *b)
{
	unit_check(a->verb == b->verb);
	unit_check(a->pid == b->pid);
	unit_check(a->start == b->start);
	unit_check(a->ms == b->ms);
	unit_check(a->version == b->version);
	unit_check(a->has_ms == b->has_ms);
	unit_check(a->has_token == b->has_token);
	unit_check(a->epoch == b->epoch);
	unit_check(a->seq == b->seq);
}

START_TEST(requests_are_parsed)
{
	static const char *const ends[] = {"", "\n", "\r", "\r\n"};
	struct wire_request request;
	char line[WIRE_REQUEST_MAX];
	int len;

	for (size_t i = 0; i < UNIT_COUNT(ends); i++) {
		len = snprintf(line, sizeof(line), "%s%s", requests[_i].line, ends[i]);
		ck_assert_int_eq(parse_request(line, (size_t)len, &request), requests[_i].error);
		if (requests[_i].error == WIRE_OK)
			check_same_request(&request, &requests[_i].request);
	}
}
END_TEST

static void check_request_round_trip(const struct wire_request *request)
{
	struct wire_request copy;
	char line[WIRE_REQUEST_MAX];
	size_t len = wire_write_request(line, sizeof(line), request);

	check_is_a_line(line, len, WIRE_REQUEST_MAX);
	unit_check(parse_request(line, len, &copy) == WIRE_OK);
	check_same_request(&copy, request);
}

START_TEST(requests_round_trip)
{
	unsigned tried = 0;

	for (size_t i = 0; i < UNIT_COUNT(requests); i++) {
		if (requests[i].error != WIRE_OK)
			continue;
		check_request_round_trip(&requests[i].request);
		tried++;
	}
	ck_assert_uint_ge(tried, WIRE_END + 1);
}
END_TEST

START_TEST(request_of_maximum_length_is_parsed)
{
	char line[WIRE_REQUEST_MAX + 1];
	struct wire_request request;

	ck_assert_int_eq(WIRE_REQUEST_MAX, 256);
	snprintf(line, sizeof(line), "QUERY %249s\n", "12");
	ck_assert_uint_eq(strlen(line), 256);
	ck_assert_int_eq(parse_request(line, 256, &request), WIRE_OK);
	ck_assert_int_eq(request.pid, 12);
}
END_TEST

/* Replies. */

static void check_same_answer(const struct readyd_answer *a, const struct readyd_answer *b)
{
	unit_check(a->pid == b->pid);
	unit_check(a->verdict == b->verdict);
	unit_check(a->reason == b->reason);
	unit_check(a->flags == b->flags);
	unit_check(a->wait_status == b->wait_status);
	unit_check(a->start == b->start);
}

static void check_answer_round_trip(const struct readyd_answer *answer)
{
	char line[WIRE_REPLY_MAX];
	struct wire_reply reply;
	size_t len = wire_write_answer(line, sizeof(line), answer);

	check_is_a_line(line, len, WIRE_REPLY_MAX);
	reply = parsed(line, len);
	unit_check(reply.kind == WIRE_REPLY_ANSWER);
	check_same_answer(&reply.answer, answer);
	len = wire_write_list(line, sizeof(line), answer);
	check_is_a_line(line, len, WIRE_REPLY_MAX);
	reply = parsed(line, len);
	unit_check(reply.kind == WIRE_REPLY_LIST);
	check_same_answer(&reply.answer, answer);
}

START_TEST(answers_round_trip)
{
	static const uint64_t starts[] = {0, 1, 123456789, UINT64_MAX};
	static const pid_t pids[] = {1, 4194304, INT_MAX};
	struct readyd_answer answer = {.verdict = (enum readyd_verdict)_i, .wait_status = -1};

	for (unsigned reason = 0; reason <= READYD_REASON_NODE_OFFLINE; reason++) {
		answer.reason = (enum readyd_reason)reason;
		for (unsigned i = 0; i < 8 * UNIT_COUNT(starts) * UNIT_COUNT(pids); i++) {
			answer.flags = i % 8;
			answer.start = starts[i / 8 % UNIT_COUNT(starts)];
			answer.pid = pids[i / 8 / UNIT_COUNT(starts)];
			check_answer_round_trip(&answer);
		}
	}
}
END_TEST

START_TEST(wait_statuses_round_trip)
{
	struct readyd_answer answer = {.pid = 5, .verdict = READYD_DIED};

	for (int status = 0; status < 256; status++) {
		answer.wait_status = W_EXITCODE(status, 0);
		check_answer_round_trip(&answer);
	}
	for (int number = 1; number <= 64; number++) {
		answer.wait_status = W_EXITCODE(0, number);
		check_answer_round_trip(&answer);
	}
}
END_TEST

START_TEST(core_dump_round_trips)
{
	const struct readyd_answer answer = {
	    .pid = 5, .verdict = READYD_DIED, .wait_status = W_EXITCODE(0, SIGSEGV) | WCOREFLAG};

	check_answer_round_trip(&answer);
}
END_TEST

/* Scripts depend on these lines. */
static const struct {
	struct readyd_answer answer;
	const char *line;
} answers[] = {
    {{0, 5, READYD_READY, READYD_REASON_NONE, 0, 0, -1, 0}, "ready 5\n"},
    {{0, 5, READYD_READY, READYD_REASON_NONE, 0, 3, -1, 9}, "ready 5 start=9 latched=1 empty=1\n"},
    {{0, 5, READYD_READY, READYD_REASON_NONE, 0, READYD_FLAG_AGE_ASSUMED, -1, 9},
	"ready 5 age=assumed start=9\n"},
    {{0, 5, READYD_PENDING, READYD_REASON_DEADLINE, 0, 0, -1, 9}, "pending 5 start=9 reason=deadline\n"},
    {{0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, W_EXITCODE(3, 0), 9}, "died 5 start=9 status=3\n"},
    {{0, 5, READYD_EXITED, READYD_REASON_NONE, 0, 0, W_EXITCODE(0, 9), 9}, "exited 5 start=9 signal=9\n"},
    {{0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, W_EXITCODE(0, 6) | WCOREFLAG, 9},
	"died 5 start=9 signal=6 core=1\n"},
    {{0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, -1, 9}, "died 5 start=9 status=unknown\n"},
    {{0, 5, READYD_READY, READYD_REASON_NONE, 0, READYD_FLAG_STATUS_HIDDEN, -1, 0},
	"ready 5 status=hidden\n"},
    {{0, 5, READYD_DIED, READYD_REASON_PID_REUSED, 0, READYD_FLAG_STATUS_HIDDEN, -1, 9},
	"died 5 start=9 reason=pid-reused status=hidden\n"},
    {{0, 5, READYD_EXITED, READYD_REASON_NONE, 0, 0, 0, 9}, "exited 5 start=9 status=0\n"},
    {{0, 5, READYD_DIED, READYD_REASON_NO_PROCESS, 0, 0, -1, 0}, "died 5 reason=no-process\n"},
};

START_TEST(answers_are_written_exactly_so)
{
	char line[WIRE_REPLY_MAX];
	size_t len = wire_write_answer(line, sizeof(line), &answers[_i].answer);

	ck_assert_uint_eq(len, strlen(answers[_i].line));
	ck_assert_mem_eq(line, answers[_i].line, len);
}
END_TEST

static void check_hello_round_trip(const struct wire_hello *hello)
{
	char line[WIRE_REPLY_MAX];
	struct wire_reply reply;
	size_t len = wire_write_hello(line, sizeof(line), hello), words = 1;

	check_is_a_line(line, len, WIRE_REPLY_MAX);
	for (size_t i = 0; i < len - 1; i++) {
		unit_check(line[i] >= ' ' && line[i] < 0x7f);
		words += line[i] == ' ';
	}
	unit_check(words == 8u + hello->procfs_foreign + (hello->tag != 0));
	reply = parsed(line, len);
	unit_check(reply.kind == WIRE_REPLY_HELLO);
	unit_check(reply.hello.epoch == hello->epoch);
	unit_check(reply.hello.pidns == hello->pidns);
	unit_check(reply.hello.tag == hello->tag);
	unit_check(reply.hello.timens == hello->timens);
	unit_check(reply.hello.dev == hello->dev);
	unit_check(reply.hello.ino == hello->ino);
	ck_assert_str_eq(reply.hello.place.dir, hello->place.dir);
	ck_assert_str_eq(reply.hello.place.prefix, hello->place.prefix);
}

static const char *const dirs[] = {"/", "/tmp", "/a b", "/ ", "/100%", "/%41", "/%%", "/a=b", "/line\nbreak",
    "/\r\t\x01\x1f\x7f", "/gr\xc3\xbc\xc3\x9f", "/\x80\xff", "/path=/x prefix=y"};

START_TEST(hello_round_trips)
{
	struct wire_hello hello = {
	    .epoch = UINT64_MAX / 2, .pidns = 4026531836, .timens = 4026531834, .dev = 27, .ino = 1};

	ck_assert_int_eq(marker_place_init(&hello.place, dirs[_i], NULL), 0);
	check_hello_round_trip(&hello);
	ck_assert_int_eq(marker_place_init(&hello.place, NULL, dirs[_i][1] != '\0' ? "a %\n\xff" : "x"), 0);
	check_hello_round_trip(&hello);
}
END_TEST

START_TEST(every_byte_round_trips)
{
	struct wire_hello hello = {.epoch = 1};
	char dir[] = "/x", prefix[] = "x";

	for (int c = 1; c < 256; c++) {
		dir[1] = prefix[0] = (char)c;
		ck_assert_int_eq(marker_place_init(&hello.place, dir, c == '/' ? NULL : prefix), 0);
		check_hello_round_trip(&hello);
	}
}
END_TEST

START_TEST(longest_hello_fits)
{
	struct wire_hello hello = {
	    UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, {"", ""}, true};

	memset(hello.place.dir, '%', MARKER_DIR_SIZE - 1);
	hello.place.dir[0] = '/';
	memset(hello.place.prefix, '\xff', MARKER_PREFIX_SIZE - 1);
	check_hello_round_trip(&hello);
}
END_TEST

START_TEST(gate_round_trips)
{
	char line[WIRE_REPLY_MAX];
	struct wire_reply reply;

	reply = parsed(line, wire_write_gate(line, sizeof(line),
				 &(struct readyd_answer){.pid = INT_MAX, .start = UINT64_MAX}));
	ck_assert_int_eq(reply.kind, WIRE_REPLY_GATE);
	ck_assert_int_eq(reply.answer.pid, INT_MAX);
	ck_assert_uint_eq(reply.answer.start, UINT64_MAX);
	reply = parsed(line, wire_write_gate(line, sizeof(line), &(struct readyd_answer){.pid = 1}));
	ck_assert_int_eq(reply.answer.pid, 1);
	ck_assert_uint_eq(reply.answer.start, 0);
	ck_assert_uint_eq(reply.answer.flags, 0);
	reply = parsed(line, wire_write_gate(line, sizeof(line),
				 &(struct readyd_answer){.pid = 1, .flags = READYD_FLAG_STATUS_HIDDEN}));
	ck_assert_uint_eq(reply.answer.flags, READYD_FLAG_STATUS_HIDDEN);
}
END_TEST

START_TEST(counts_round_trip)
{
	static const uint64_t counts[] = {0, 1, UINT64_MAX};
	char line[WIRE_REPLY_MAX];
	struct wire_reply reply;

	for (size_t i = 0; i < UNIT_COUNT(counts); i++) {
		reply = parsed(line, wire_write_end(line, sizeof(line), counts[i]));
		ck_assert_int_eq(reply.kind, WIRE_REPLY_END);
		ck_assert_uint_eq(reply.count, counts[i]);
		reply = parsed(line, wire_write_cancelled(line, sizeof(line), 7, counts[i]));
		ck_assert_int_eq(reply.kind, WIRE_REPLY_CANCELLED);
		ck_assert_int_eq(reply.answer.pid, 7);
		ck_assert_uint_eq(reply.count, counts[i]);
	}
}
END_TEST

START_TEST(pong_round_trips)
{
	char line[WIRE_REPLY_MAX];

	ck_assert_int_eq(parsed(line, wire_write_pong(line, sizeof(line))).kind, WIRE_REPLY_PONG);
}
END_TEST

START_TEST(stats_round_trip)
{
	static const char *const texts[] = {"", "a=1", "a=1 b=2", " a", "ERR x"};
	char line[WIRE_REPLY_MAX], *block;
	struct wire_reply reply;
	size_t len;

	for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
		len = wire_write_stats(line, sizeof(line), texts[i]);
		ck_assert_int_eq(parse_reply(line, len, &reply, &block), 0);
		ck_assert_int_eq(reply.kind, WIRE_REPLY_STATS);
		ck_assert_uint_eq(reply.text_len, strlen(texts[i]));
		ck_assert(memcmp(reply.text, texts[i], reply.text_len) == 0);
		free(block);
	}
}
END_TEST

/* A text that is too long is cut, but the line is still terminated. */
START_TEST(stats_are_bounded)
{
	static char text[2 * WIRE_REPLY_MAX];
	char line[WIRE_REPLY_MAX];

	memset(text, 'x', sizeof(text) - 1);
	for (size_t len = WIRE_REPLY_MAX - 16; len < WIRE_REPLY_MAX + 16; len++) {
		text[len] = '\0';
		check_is_a_line(line, wire_write_stats(line, sizeof(line), text), sizeof(line));
		text[len] = 'x';
	}
}
END_TEST

static void check_same_event(const struct readyd_event *a, const struct readyd_event *b)
{
	unit_check(a->change == b->change);
	unit_check(a->epoch == b->epoch);
	unit_check(a->seq == b->seq);
	unit_check(a->time_ms == b->time_ms);
	unit_check(a->pid == b->pid);
	unit_check(a->start == b->start);
	unit_check(a->verdict == b->verdict);
	unit_check(a->reason == b->reason);
	unit_check(a->flags == b->flags);
	unit_check(a->wait_status == b->wait_status);
	unit_check(a->waiters == b->waiters);
	unit_check(strcmp(a->name, b->name) == 0);
}

static bool is_of_a_process(enum readyd_change change)
{
	return change == READYD_CHANGE_STATE || change >= READYD_CHANGE_READY;
}

START_TEST(events_round_trip)
{
	struct readyd_event event = READYD_EVENT_INIT;
	char line[WIRE_REPLY_MAX];
	struct wire_reply reply;
	size_t len;

	if (_i == READYD_CHANGE_LOST)
		return;
	event.change = (enum readyd_change)_i;
	event.epoch = event.seq = UINT64_MAX;
	if (is_of_a_process(event.change)) {
		event.time_ms = INT64_MAX;
		event.pid = INT_MAX;
		event.start = UINT64_MAX;
		event.verdict = READYD_EXITED;
		event.reason = READYD_REASON_NO_RESOURCES;
		event.flags = READYD_FLAG_LATCHED | READYD_FLAG_AGE_ASSUMED;
		event.wait_status = 9;
		event.waiters = UINT_MAX;
		memset(event.name, '%', sizeof(event.name) - 1);
	}
	len = wire_write_event(line, sizeof(line), &event);
	check_is_a_line(line, len, WIRE_REPLY_MAX);
	reply = parsed(line, len);
	ck_assert_int_eq(reply.kind, WIRE_REPLY_EVENT);
	check_same_event(&reply.event, &event);
}
END_TEST

START_TEST(events_are_written_exactly_so)
{
	struct readyd_event event = {.change = READYD_CHANGE_DIED,
	    .epoch = 5,
	    .seq = 7,
	    .time_ms = 1764249000123,
	    .pid = 12,
	    .start = 34,
	    .verdict = READYD_DIED,
	    .wait_status = 3 << 8,
	    .waiters = 2,
	    .name = "a b"};
	char line[WIRE_REPLY_MAX + 1];

	line[wire_write_event(line, sizeof(line) - 1, &event)] = '\0';
	ck_assert_str_eq(
	    line, "EVENT 5:7 died died 12 start=34 status=3 time=1764249000123 waiters=2 name=a%20b\n");
	event = (struct readyd_event){.change = READYD_CHANGE_LIVE, .epoch = 5, .seq = 7};
	line[wire_write_event(line, sizeof(line) - 1, &event)] = '\0';
	ck_assert_str_eq(line, "LIVE 5:7\n");
}
END_TEST

/* What a later daemon tells beyond this is skipped, and what the process is now still counts. */
START_TEST(an_unknown_transition_is_a_state)
{
	static const char line[] = "EVENT 5:7 stopped ready 12 time=9 colour=blue";
	const struct wire_reply reply = parsed(line, sizeof(line) - 1);

	ck_assert_int_eq(reply.kind, WIRE_REPLY_EVENT);
	ck_assert_int_eq(reply.event.change, READYD_CHANGE_STATE);
	ck_assert_int_eq(reply.event.verdict, READYD_READY);
	ck_assert_int_eq(reply.event.pid, 12);
	ck_assert_uint_eq(reply.event.seq, 7);
	ck_assert_int_eq(reply.event.time_ms, 9);
}
END_TEST

static const char *const codes[] = {
    [WIRE_BAD_VERB] = "bad-verb",
    [WIRE_BAD_ARGUMENT] = "bad-argument",
    [WIRE_BAD_VERSION] = "bad-version",
    [WIRE_LINE_TOO_LONG] = "line-too-long",
    [WIRE_TOO_MANY_CLIENTS] = "too-many-clients",
    [WIRE_TOO_MANY_WAITS] = "too-many-waits",
    [WIRE_NO_RESOURCES] = "no-resources",
    [WIRE_TOO_MANY_MONITORS] = "too-many-monitors",
};

START_TEST(errors_round_trip)
{
	static const pid_t pids[] = {0, 1, INT_MAX};
	const enum wire_error error = (enum wire_error)_i;
	char line[WIRE_REPLY_MAX], text[WIRE_REPLY_MAX], *block;
	struct wire_reply reply;
	size_t len, text_len = 0;

	ck_assert_str_eq(wire_error_code(error), codes[_i]);
	for (size_t i = 0; i < UNIT_COUNT(pids); i++) {
		len = wire_write_error(line, sizeof(line), error, pids[i]);
		check_is_a_line(line, len, WIRE_REPLY_MAX);
		ck_assert_int_eq(parse_reply(line, len, &reply, &block), 0);
		ck_assert_int_eq(reply.kind, WIRE_REPLY_ERROR);
		ck_assert_int_eq(reply.error, error);
		ck_assert_int_eq(reply.answer.pid, pids[i]);
		/* The text does not depend on the pid. */
		ck_assert_uint_gt(reply.text_len, 10);
		if (i == 0)
			memcpy(text, reply.text, text_len = reply.text_len);
		ck_assert_uint_eq(reply.text_len, text_len);
		ck_assert(memcmp(reply.text, text, reply.text_len) == 0);
		ck_assert_mem_eq(reply.text + reply.text_len, "\n", 1);
		free(block);
	}
}
END_TEST

/* Lines of later versions or of other daemons. */
static const struct {
	const char *line;
	struct readyd_answer answer;
} tolerated[] = {
    {"ready 5 colour=blue", {0, 5, READYD_READY, READYD_REASON_NONE, 0, 0, -1, 0}},
    {"ready 5 colour=blue start=7 =", {0, 5, READYD_READY, READYD_REASON_NONE, 0, 0, -1, 7}},
    {"stale 5 reason=full-moon start=7", {0, 5, READYD_STALE, READYD_REASON_NONE, 0, 0, -1, 7}},
    {"stale 5 reason=deadline reason=full-moon", {0, 5, READYD_STALE, READYD_REASON_NONE, 0, 0, -1, 0}},
    {"stale 5 reason= start=7", {0, 5, READYD_STALE, READYD_REASON_NONE, 0, 0, -1, 7}},
    {"died 5 status=256", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, -1, 0}},
    {"died 5 status=unknown", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, -1, 0}},
    {"died 5 status=hidden", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, READYD_FLAG_STATUS_HIDDEN, -1, 0}},
    {"died 5 signal=127", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, -1, 0}},
    /* There is no such signal, and 0 would be an exit status. */
    {"died 5 signal=0", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, -1, 0}},
    {"died 5 status=hidden status=3", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, W_EXITCODE(3, 0), 0}},
    {"died 5 START=7 Status=1", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, W_EXITCODE(1, 0), 7}},
    {"died 5 signal=6 core=1",
	{0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, W_EXITCODE(0, 6) | WCOREFLAG, 0}},
    /* Only a process killed by a signal dumps core. */
    {"died 5 core=1", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, -1, 0}},
    {"died 5 status=6 core=1", {0, 5, READYD_DIED, READYD_REASON_NONE, 0, 0, W_EXITCODE(6, 0), 0}},
    {"  ready   5   start=7  ", {0, 5, READYD_READY, READYD_REASON_NONE, 0, 0, -1, 7}},
    {"ready 5 start=7\r\n", {0, 5, READYD_READY, READYD_REASON_NONE, 0, 0, -1, 7}},
    {"list ready 5", {0, 5, READYD_READY, READYD_REASON_NONE, 0, 0, -1, 0}},
};

START_TEST(unknown_keys_are_tolerated)
{
	struct wire_reply reply = parsed(tolerated[_i].line, strlen(tolerated[_i].line));

	check_same_answer(&reply.answer, &tolerated[_i].answer);
}
END_TEST

START_TEST(unknown_words_are_tolerated)
{
	static const char hello[] = "READYD 1 mood=fine epoch=3 path=/tmp prefix=x- more=%zz",
			  error[] = "ERR odd";
	struct wire_reply reply = parsed(hello, sizeof(hello) - 1);

	ck_assert_uint_eq(reply.hello.epoch, 3);
	ck_assert_str_eq(reply.hello.place.dir, "/tmp");
	ck_assert_str_eq(reply.hello.place.prefix, "x-");
	reply = parsed(error, sizeof(error) - 1);
	ck_assert_int_eq(reply.kind, WIRE_REPLY_ERROR);
	ck_assert_int_ne(reply.error, WIRE_OK);
	/* An empty value is not a pid but part of the text. */
	reply = parsed("ERR odd pid= is what", 20);
	ck_assert_int_eq(reply.answer.pid, 0);
	reply = parsed("STATS", 5);
	ck_assert_uint_eq(reply.text_len, 0);
}
END_TEST

static const char *const malformed[] = {
    "",
    " ",
    "\n",
    "\r\n",
    "hello",
    "READYD",
    "READYD 2 path=/tmp prefix=x",
    "READYD 11 path=/tmp prefix=x",
    "READYD path=/tmp prefix=x",
    "READYD 1",
    "READYD 1 path=/tmp",
    "READYD 1 prefix=x",
    "READYD 1 path=/tmp prefix=",
    "READYD 1 path= prefix=x",
    "READYD 1 path=tmp prefix=x",
    "READYD 1 path=/tmp prefix=a/b",
    "READYD 1 path=/tmp prefix=a%2fb",
    "READYD 1 path=/% prefix=x",
    "READYD 1 path=/%4 prefix=x",
    "READYD 1 path=/tmp prefix=x%",
    "READYD 1 path=/tmp prefix=x%4",
    "READYD 1 path=/%4g prefix=x",
    "READYD 1 path=/%g4 prefix=x",
    "READYD 1 path=/%+4 prefix=x",
    "READYD 1 path=/%00 prefix=x",
    "READYD 1 junk path=/tmp prefix=x",
    "READYD 1 epoch= path=/tmp prefix=x",
    "READYD 1 epoch=-1 path=/tmp prefix=x",
    "READYD 1 epoch=18446744073709551616 path=/tmp prefix=x",
    "READYD 1 pidns=x path=/tmp prefix=x",
    "READYD 1 timens=x path=/tmp prefix=x",
    "READYD 1 dir=1 path=/tmp prefix=x",
    "READYD 1 dir=:1 path=/tmp prefix=x",
    "READYD 1 dir=1: path=/tmp prefix=x",
    "READYD 1 dir=1:2:3 path=/tmp prefix=x",
    "ready",
    "ready ",
    "ready x",
    "ready 0",
    "ready -5",
    "ready 2147483648",
    "ready 5 6",
    "ready 5 start",
    "ready 5 start=",
    "ready 5 start=-1",
    "ready 5 start=18446744073709551616",
    "ready 5 start=1x",
    "READY 5",
    "readyy 5",
    "read 5",
    "5 ready",
    "GATE",
    "GATE 0",
    "GATE x",
    "GATE 2147483648",
    "GATE 5 start=x",
    "CANCELLED",
    "CANCELLED 5",
    "CANCELLED 0 1",
    "CANCELLED 5 x",
    "CANCELLED 5 -1",
    "CANCELLED 5 18446744073709551616",
    "LIST",
    "LIST 5",
    "LIST ready",
    "LIST ready 0",
    "LIST LIST ready 5",
    "LIST PONG",
    "END",
    "END 5",
    "END LIST",
    "END LIST x",
    "END STATS 5",
    "PONG 1",
    "PONGS",
    "SNAPSHOT",
    "SNAPSHOT 5",
    "LIVE 5:",
    "STATE 5:7",
    "STATE 5:7 ready",
    "STATE 5:7 ready 12 time",
    "STATE 5:7 ready 12 time=x",
    "STATE 5:7 ready 12 waiters=4294967296",
    "STATE 5:7 ready 12 name=%00",
    "EVENT 5:7 ready",
    "EVENT 5:7 ready 12",
    "EVENT 5:7 ready lost 12",
    "ERR",
    "ERR ",
    "ERR no-resources pid=0 text",
    "ERR no-resources pid=x text",
    "ERR no-resources pid=2147483648 text",
};

START_TEST(malformed_reply_is_refused)
{
	struct wire_reply reply;
	char *block;

	ck_assert_msg(parse_reply(malformed[_i], strlen(malformed[_i]), &reply, &block) == -1, "accepted: %s",
	    malformed[_i]);
	free(block);
}
END_TEST

/* A cut path would name another directory. */
START_TEST(overlong_place_is_refused)
{
	char line[WIRE_REPLY_MAX], *block;
	struct wire_reply reply;
	int len;

	for (int more = 0; more < 2; more++) {
		len = snprintf(
		    line, sizeof(line), "READYD 1 prefix=x path=/%0*d", MARKER_DIR_SIZE - 2 + more, 0);
		ck_assert_int_eq(parse_reply(line, (size_t)len, &reply, &block), -more);
		free(block);
		len = snprintf(
		    line, sizeof(line), "READYD 1 path=/ prefix=%0*d", MARKER_PREFIX_SIZE - 1 + more, 0);
		ck_assert_int_eq(parse_reply(line, (size_t)len, &reply, &block), -more);
		free(block);
	}
}
END_TEST

/* Mutations of valid and malformed lines: none crashes the parsers, and what is accepted can be written and
 * parsed again with the same result. */

#define FUZZ_SEEDS 4
#define FUZZ_LINES 50000

struct fuzz {
	uint64_t seed;
	char line[WIRE_REPLY_MAX];
	size_t len;
	unsigned accepted;
};

static const char *const well_formed[] = {
    "HELLO 1",
    "QUERY 1234",
    "WAIT 1234 5000",
    "GATE 1234 start=99",
    "CANCEL 1",
    "LIST stale 12 reason=older-than-process start=5",
    ("READYD 1 epoch=18446744073709551615 pidns=4026531836 timens=1 dir=27:1 prefix=ktstr-worker-ready- "
     "path=/tmp"),
    "READYD 1 path=/a%20b%25 prefix=%ff",
    "ready 5 start=123456 latched=1 empty=1",
    "died 2147483647 start=18446744073709551615 reason=no-process status=255",
    "exited 7 signal=64 status=0",
    "exited 7 start=8 signal=6 core=1",
    "QUERY 1234:5678",
    "WAIT 1234:5678 100",
    "CANCELLED 5 2",
    "END LIST 18446744073709551615",
    "STATS version=0.1.0 pid=1 clients=2",
    "PONG",
    "SNAPSHOT 5:7",
    "STATE 5:7 ready 12 start=34 time=1764249000123 waiters=2 name=a%20b",
    "EVENT 5:7 exited exited 12 status=3 time=1764249000123 waiters=2 name=worker",
    "ERR no-resources pid=5 the daemon lacks descriptors",
    "ERR bad-verb use HELLO",
};

static const char *const pieces[] = {" ", "  ", "=", "%", "%00", "%25", "0", "-1", "2147483648",
    "18446744073709551616", "\n", "\r", "\r\n", "pid=", "start=", "reason=", "path=/",
    "prefix=", "status=", "signal=", "core=1", ":", ":7", "\xff", "/"};

static const char *pick(struct fuzz *fuzz)
{
	if (unit_random_below(&fuzz->seed, 4) == 0)
		return malformed[unit_random_below(&fuzz->seed, UNIT_COUNT(malformed))];
	return well_formed[unit_random_below(&fuzz->seed, UNIT_COUNT(well_formed))];
}

static void insert(struct fuzz *fuzz, const char *text, size_t len)
{
	size_t at = unit_random_below(&fuzz->seed, (unsigned)fuzz->len + 1);

	if (len > sizeof(fuzz->line) - 1 - fuzz->len)
		return;
	memmove(fuzz->line + at + len, fuzz->line + at, fuzz->len - at);
	memcpy(fuzz->line + at, text, len);
	fuzz->len += len;
}

static void cut(struct fuzz *fuzz)
{
	size_t at = unit_random_below(&fuzz->seed, (unsigned)fuzz->len + 1);
	size_t len = unit_random_below(&fuzz->seed, (unsigned)(fuzz->len - at) + 1);

	memmove(fuzz->line + at, fuzz->line + at + len, fuzz->len - at - len);
	fuzz->len -= len;
}

static void repeat(struct fuzz *fuzz)
{
	char copy[64];
	size_t at = unit_random_below(&fuzz->seed, (unsigned)fuzz->len + 1);
	size_t len = unit_random_below(&fuzz->seed, sizeof(copy));

	if (len > fuzz->len - at)
		len = fuzz->len - at;
	memcpy(copy, fuzz->line + at, len);
	insert(fuzz, copy, len);
}

static void mutate(struct fuzz *fuzz)
{
	const char *piece = pieces[unit_random_below(&fuzz->seed, UNIT_COUNT(pieces))];
	char byte = (char)unit_random(&fuzz->seed);

	switch (unit_random_below(&fuzz->seed, 5)) {
	case 0:
		if (fuzz->len > 0)
			fuzz->line[unit_random_below(&fuzz->seed, (unsigned)fuzz->len)] = byte;
		break;
	case 1:
		insert(fuzz, &byte, 1);
		break;
	case 2:
		insert(fuzz, piece, strlen(piece));
		break;
	case 3:
		cut(fuzz);
		break;
	default:
		repeat(fuzz);
	}
}

/* Makes the next line. Like a line read from a connection it ends at the first newline. */
static void next_line(struct fuzz *fuzz)
{
	size_t line;

	fuzz->len = 0;
	for (int words = 1 + (unit_random_below(&fuzz->seed, 8) == 0); words > 0; words--) {
		const char *text = pick(fuzz);

		insert(fuzz, text, strlen(text));
	}
	for (unsigned n = unit_random_below(&fuzz->seed, 5); n > 0; n--)
		mutate(fuzz);
	line = wire_line(fuzz->line, fuzz->len);
	if (line > 0)
		fuzz->len = line;
}

static size_t write_again(char *line, size_t size, const struct wire_reply *reply)
{
	char text[WIRE_REPLY_MAX];

	switch (reply->kind) {
	case WIRE_REPLY_HELLO:
		return wire_write_hello(line, size, &reply->hello);
	case WIRE_REPLY_ANSWER:
		return wire_write_answer(line, size, &reply->answer);
	case WIRE_REPLY_GATE:
		return wire_write_gate(line, size, &reply->answer);
	case WIRE_REPLY_CANCELLED:
		return wire_write_cancelled(line, size, reply->answer.pid, reply->count);
	case WIRE_REPLY_LIST:
		return wire_write_list(line, size, &reply->answer);
	case WIRE_REPLY_END:
		return wire_write_end(line, size, reply->count);
	case WIRE_REPLY_STATS:
		memcpy(text, reply->text, reply->text_len);
		text[reply->text_len] = '\0';
		return wire_write_stats(line, size, text);
	case WIRE_REPLY_PONG:
		return wire_write_pong(line, size);
	case WIRE_REPLY_ERROR:
		return wire_write_error(line, size, reply->error, reply->answer.pid);
	case WIRE_REPLY_EVENT:
		return wire_write_event(line, size, &reply->event);
	}
	return 0;
}

static void check_same_reply(const struct wire_reply *a, const struct wire_reply *b)
{
	unit_check(a->kind == b->kind);
	unit_check(a->count == b->count);
	unit_check(a->error == b->error);
	unit_check(memcmp(&a->hello, &b->hello, offsetof(struct wire_hello, place)) == 0);
	unit_check(strcmp(a->hello.place.dir, b->hello.place.dir) == 0);
	unit_check(strcmp(a->hello.place.prefix, b->hello.place.prefix) == 0);
	if (a->kind == WIRE_REPLY_ANSWER || a->kind == WIRE_REPLY_LIST)
		check_same_answer(&a->answer, &b->answer);
	if (a->kind == WIRE_REPLY_EVENT)
		check_same_event(&a->event, &b->event);
	unit_check(a->answer.pid == b->answer.pid);
	unit_check(a->answer.start == b->answer.start);
	if (a->kind == WIRE_REPLY_STATS) {
		unit_check(a->text_len == b->text_len);
		unit_check(memcmp(a->text, b->text, a->text_len) == 0);
	}
}

/* The text of STATS is copied as it is, so a NUL or carriage return in it does not survive writing. */
static bool has_unwritable_text(const struct wire_reply *reply)
{
	return reply->kind == WIRE_REPLY_STATS && (memchr(reply->text, '\0', reply->text_len) != NULL ||
						      memchr(reply->text, '\r', reply->text_len) != NULL);
}

static void fuzz_reply(struct fuzz *fuzz)
{
	struct wire_reply reply, copy;
	char line[WIRE_REPLY_MAX], *block, *block_again;
	size_t len;

	if (parse_reply(fuzz->line, fuzz->len, &reply, &block) == 0 && !has_unwritable_text(&reply)) {
		len = write_again(line, sizeof(line), &reply);
		check_is_a_line(line, len, WIRE_REPLY_MAX);
		unit_check(parse_reply(line, len, &copy, &block_again) == 0);
		check_same_reply(&reply, &copy);
		free(block_again);
		fuzz->accepted++;
	}
	free(block);
}

static void fuzz_request(struct fuzz *fuzz)
{
	struct wire_request request;

	if (parse_request(fuzz->line, fuzz->len, &request) != WIRE_OK)
		return;
	check_request_round_trip(&request);
	fuzz->accepted++;
}

START_TEST(mutated_lines_are_parsed_safely)
{
	struct fuzz fuzz = {.seed = (uint64_t)_i};

	for (int i = 0; i < FUZZ_LINES; i++) {
		next_line(&fuzz);
		fuzz_reply(&fuzz);
		fuzz_request(&fuzz);
	}
	ck_assert_uint_gt(fuzz.accepted, FUZZ_LINES / 10);
	ck_assert_uint_lt(fuzz.accepted, FUZZ_LINES);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("wire");
	TCase *tcase = unit_case(s, "requests");

	tcase_add_test(tcase, lines_end_at_the_newline);
	tcase_add_loop_test(tcase, requests_are_parsed, 0, UNIT_COUNT(requests));
	tcase_add_test(tcase, requests_round_trip);
	tcase_add_test(tcase, request_of_maximum_length_is_parsed);
	tcase = unit_case(s, "replies");
	tcase_add_loop_test(tcase, answers_round_trip, READYD_READY, READYD_UNREACHABLE + 1);
	tcase_add_test(tcase, wait_statuses_round_trip);
	tcase_add_test(tcase, core_dump_round_trips);
	tcase_add_loop_test(tcase, answers_are_written_exactly_so, 0, UNIT_COUNT(answers));
	tcase_add_loop_test(tcase, hello_round_trips, 0, UNIT_COUNT(dirs));
	tcase_add_test(tcase, every_byte_round_trips);
	tcase_add_test(tcase, longest_hello_fits);
	tcase_add_test(tcase, gate_round_trips);
	tcase_add_test(tcase, counts_round_trip);
	tcase_add_test(tcase, pong_round_trips);
	tcase_add_loop_test(tcase, events_round_trip, READYD_CHANGE_SNAPSHOT, READYD_CHANGE_FORGOTTEN + 1);
	tcase_add_test(tcase, events_are_written_exactly_so);
	tcase_add_test(tcase, an_unknown_transition_is_a_state);
	tcase_add_test(tcase, stats_round_trip);
	tcase_add_test(tcase, stats_are_bounded);
	tcase_add_loop_test(tcase, errors_round_trip, WIRE_BAD_VERB, UNIT_COUNT(codes));
	tcase_add_loop_test(tcase, unknown_keys_are_tolerated, 0, UNIT_COUNT(tolerated));
	tcase_add_test(tcase, unknown_words_are_tolerated);
	tcase_add_loop_test(tcase, malformed_reply_is_refused, 0, UNIT_COUNT(malformed));
	tcase_add_test(tcase, overlong_place_is_refused);
	tcase = unit_case(s, "fuzz");
	tcase_add_loop_test(tcase, mutated_lines_are_parsed_safely, 1, 1 + FUZZ_SEEDS);
	return s;
}

int main(void)
{
	return unit_main(suite);
}
