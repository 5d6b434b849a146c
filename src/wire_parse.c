#include "config.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "src/number.h"
#include "src/span.h"
#include "src/verdict.h"
#include "src/wire.h"

/* As wait(2) gives them: W_EXITCODE and WCOREFLAG are not in every C library. */
#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)
#define CORE_DUMPED    0x80

/* Removes the next "key=value" from the front of rest. 1; 0: end of the line; -1: the next word is not such a
 * pair. */
static int next_pair(struct span *rest, struct span *key, struct span *value)
{
	struct span word = span_next_word(rest);
	const char *eq;

	if (word.len == 0)
		return 0;
	eq = memchr(word.at, '=', word.len);
	if (eq == NULL)
		return -1;
	*key = (struct span){word.at, (size_t)(eq - word.at)};
	*value = (struct span){eq + 1, word.len - key->len - 1};
	return 1;
}

/* Skips unknown keys, so that a later daemon may add some. */
static int parse_answer_pair(struct span key, struct span value, struct readyd_answer *answer)
{
	uint64_t n = 0;

	if (span_is(key, "reason")) {
		/* If a later daemon sends an unknown reason, the verdict still counts. */
		if (reason_parse(value.at, value.len, &answer->reason) != 0)
			answer->reason = READYD_REASON_NONE;
		return 0;
	}
	if (span_is(key, "start"))
		return number_parse(value.at, value.len, UINT64_MAX, &answer->start);
	if (span_is(key, "latched"))
		answer->flags |= READYD_FLAG_LATCHED;
	else if (span_is(key, "empty"))
		answer->flags |= READYD_FLAG_EMPTY;
	else if (span_is(key, "age") && span_is(value, "assumed"))
		answer->flags |= READYD_FLAG_AGE_ASSUMED;
	else if (span_is(key, "status") && span_is(value, "hidden"))
		answer->flags |= READYD_FLAG_STATUS_HIDDEN;
	else if (span_is(key, "status") && number_parse(value.at, value.len, 255, &n) == 0)
		answer->wait_status = EXITED((int)n);
	else if (span_is(key, "signal") && number_parse(value.at, value.len, 126, &n) == 0)
		answer->wait_status = KILLED((int)n);
	else if (span_is(key, "core") && answer->wait_status >= 0 && WIFSIGNALED(answer->wait_status))
		answer->wait_status |= CORE_DUMPED;
	return 0;
}

static int parse_answer(struct span rest, struct readyd_answer *answer)
{
	struct span key, value;
	int more;

	answer->wait_status = -1;
	if (span_pid(span_next_word(&rest), &answer->pid) != 0)
		return -1;
	while ((more = next_pair(&rest, &key, &value)) == 1)
		if (parse_answer_pair(key, value, answer) != 0)
			return -1;
	return more;
}

static int parse_verdict(struct span word, struct span rest, struct readyd_answer *answer)
{
	if (verdict_parse(word.at, word.len, &answer->verdict) != 0)
		return -1;
	return parse_answer(rest, answer);
}

/* Reverts put_escaped(). -1: it does not fit or is malformed. */
static int unescape(struct span text, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned c = (unsigned char)text.at[i];

		if (c == '%') {
			char hex[3] = {0};

			if (i + 2 >= text.len || !isxdigit((unsigned char)text.at[i + 1]) ||
			    !isxdigit((unsigned char)text.at[i + 2]))
				return -1;
			memcpy(hex, text.at + i + 1, 2);
			sscanf(hex, "%x", &c);
			i += 2;
		}
		if (c == 0 || n + 1 >= size)
			return -1;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 0;
}

static int parse_dir(struct span value, struct wire_hello *hello)
{
	const char *colon = memchr(value.at, ':', value.len);
	size_t dev_len;

	if (colon == NULL)
		return -1;
	dev_len = (size_t)(colon - value.at);
	if (number_parse(value.at, dev_len, UINT64_MAX, &hello->dev) != 0)
		return -1;
	return number_parse(colon + 1, value.len - dev_len - 1, UINT64_MAX, &hello->ino);
}

static int parse_hello(struct span rest, struct wire_hello *hello)
{
	struct span version = span_next_word(&rest), key, value;
	char dir[MARKER_DIR_SIZE] = "", prefix[MARKER_PREFIX_SIZE] = "";
	int more, bad = !span_is(version, "1");

	while (!bad && (more = next_pair(&rest, &key, &value)) != 0) {
		if (more < 0)
			return -1;
		if (span_is(key, "epoch"))
			bad = number_parse(value.at, value.len, UINT64_MAX, &hello->epoch);
		else if (span_is(key, "pidns"))
			bad = number_parse(value.at, value.len, UINT64_MAX, &hello->pidns);
		else if (span_is(key, "timens"))
			bad = number_parse(value.at, value.len, UINT64_MAX, &hello->timens);
		else if (span_is(key, "dir"))
			bad = parse_dir(value, hello);
		else if (span_is(key, "path"))
			bad = unescape(value, dir, sizeof(dir));
		else if (span_is(key, "prefix"))
			bad = unescape(value, prefix, sizeof(prefix));
	}
	return bad ? -1 : marker_place_init(&hello->place, dir, prefix);
}

static int parse_error(struct span rest, struct wire_reply *reply)
{
	struct span code = span_next_word(&rest), before = rest, pid = span_next_word(&rest);

	if (pid.len > 4 && strncmp(pid.at, "pid=", 4) == 0) {
		if (span_pid((struct span){pid.at + 4, pid.len - 4}, &reply->answer.pid) != 0)
			return -1;
	} else {
		rest = before;
	}
	reply->text = rest.at;
	reply->text_len = rest.len;
	/* An unknown code of a later daemon is an error too. */
	reply->error = WIRE_NO_RESOURCES;
	for (int i = WIRE_OK + 1; i <= WIRE_TOO_MANY_MONITORS; i++)
		if (span_is(code, wire_error_code((enum wire_error)i)))
			reply->error = (enum wire_error)i;
	return code.len > 0 ? 0 : -1;
}

static int parse_counted(struct span rest, struct wire_reply *reply)
{
	struct span word = span_next_word(&rest);

	if (reply->kind == WIRE_REPLY_CANCELLED) {
		if (span_pid(word, &reply->answer.pid) != 0)
			return -1;
	} else if (!span_is(word, "LIST")) {
		return -1;
	}
	word = span_next_word(&rest);
	return number_parse(word.at, word.len, UINT64_MAX, &reply->count);
}

static const struct {
	const char *name;
	enum readyd_change change;
} positions[] = {
    {"SNAPSHOT", READYD_CHANGE_SNAPSHOT},
    {"STATE", READYD_CHANGE_STATE},
    {"LIVE", READYD_CHANGE_LIVE},
    {"RESUMED", READYD_CHANGE_RESUMED},
    {"GAP", READYD_CHANGE_GAP},
};

/* A transition that a later daemon tells, and that is not known, still says what the process is now. */
static enum readyd_change parse_change(struct span word)
{
	for (int i = READYD_CHANGE_READY; i <= READYD_CHANGE_FORGOTTEN; i++)
		if (span_is(word, readyd_change_name((enum readyd_change)i)))
			return (enum readyd_change)i;
	return READYD_CHANGE_STATE;
}

static int parse_event_pair(struct span key, struct span value, struct readyd_event *event)
{
	uint64_t n = 0;

	if (span_is(key, "name"))
		return unescape(value, event->name, sizeof(event->name));
	if (span_is(key, "time")) {
		if (number_parse(value.at, value.len, INT64_MAX, &n) != 0)
			return -1;
		event->time_ms = (int64_t)n;
	}
	if (span_is(key, "waiters")) {
		if (number_parse(value.at, value.len, UINT_MAX, &n) != 0)
			return -1;
		event->waiters = (unsigned)n;
	}
	return 0;
}

static int parse_event_pairs(struct span rest, struct readyd_event *event)
{
	struct span key, value;
	int more;

	while ((more = next_pair(&rest, &key, &value)) == 1)
		if (parse_event_pair(key, value, event) != 0)
			return -1;
	return more;
}

static int parse_process(struct span rest, struct readyd_event *event)
{
	struct span word = span_next_word(&rest), pairs = rest;
	struct readyd_answer answer = {.pid = 0};

	if (parse_verdict(word, rest, &answer) != 0)
		return -1;
	(void)span_next_word(&pairs);
	event->pid = answer.pid;
	event->start = answer.start;
	event->verdict = answer.verdict;
	event->reason = answer.reason;
	event->flags = answer.flags;
	event->wait_status = answer.wait_status;
	return parse_event_pairs(pairs, event);
}

static int parse_event(struct span word, struct span rest, struct readyd_event *event)
{
	struct span token = span_next_word(&rest);
	bool is_transition = true;

	*event = (struct readyd_event)READYD_EVENT_INIT;
	if (span_token(token, &event->epoch, &event->seq) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		if (span_is(word, positions[i].name)) {
			event->change = positions[i].change;
			is_transition = false;
		}
	}
	if (is_transition)
		event->change = parse_change(span_next_word(&rest));
	if (is_transition || event->change == READYD_CHANGE_STATE)
		return parse_process(rest, event);
	return 0;
}

static const struct {
	const char *name;
	enum wire_reply_kind kind;
} replies[] = {
    {"READYD", WIRE_REPLY_HELLO},
    {"GATE", WIRE_REPLY_GATE},
    {"CANCELLED", WIRE_REPLY_CANCELLED},
    {"LIST", WIRE_REPLY_LIST},
    {"END", WIRE_REPLY_END},
    {"STATS", WIRE_REPLY_STATS},
    {"PONG", WIRE_REPLY_PONG},
    {"ERR", WIRE_REPLY_ERROR},
    {"SNAPSHOT", WIRE_REPLY_EVENT},
    {"STATE", WIRE_REPLY_EVENT},
    {"LIVE", WIRE_REPLY_EVENT},
    {"RESUMED", WIRE_REPLY_EVENT},
    {"GAP", WIRE_REPLY_EVENT},
    {"EVENT", WIRE_REPLY_EVENT},
};

int wire_parse_reply(const char *line, size_t len, struct wire_reply *reply)
{
	struct span rest = span_trim(line, len), word = span_next_word(&rest);

	memset(reply, 0, sizeof(*reply));
	reply->kind = WIRE_REPLY_ANSWER;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (span_is(word, replies[i].name))
			reply->kind = replies[i].kind;
	switch (reply->kind) {
	case WIRE_REPLY_HELLO:
		return parse_hello(rest, &reply->hello);
	case WIRE_REPLY_ANSWER:
		return parse_verdict(word, rest, &reply->answer);
	case WIRE_REPLY_GATE:
		return parse_answer(rest, &reply->answer);
	case WIRE_REPLY_CANCELLED:
	case WIRE_REPLY_END:
		return parse_counted(rest, reply);
	case WIRE_REPLY_LIST:
		word = span_next_word(&rest);
		return parse_verdict(word, rest, &reply->answer);
	case WIRE_REPLY_STATS:
		reply->text = rest.len > 0 ? rest.at + 1 : rest.at;
		reply->text_len = rest.len > 0 ? rest.len - 1 : 0;
		return 0;
	case WIRE_REPLY_PONG:
		return rest.len == 0 ? 0 : -1;
	case WIRE_REPLY_ERROR:
		return parse_error(rest, reply);
	case WIRE_REPLY_EVENT:
		return parse_event(word, rest, &reply->event);
	}
	return -1;
}
