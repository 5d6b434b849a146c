#include "config.h"

#include <limits.h>
#include <string.h>

#include "src/number.h"
#include "src/span.h"
#include "src/wire.h"

static const struct {
	const char *name;
	enum wire_verb verb;
} verbs[] = {
    {"HELLO", WIRE_HELLO},
    {"QUERY", WIRE_QUERY},
    {"WAIT", WIRE_WAIT},
    {"GATE", WIRE_GATE},
    {"CANCEL", WIRE_CANCEL},
    {"LIST", WIRE_LIST},
    {"STATS", WIRE_STATS},
    {"PING", WIRE_PING},
    {"MONITOR", WIRE_MONITOR},
    {"END", WIRE_END},
};

size_t wire_line(const char *buf, size_t len)
{
	const char *end = len > 0 ? memchr(buf, '\n', len) : NULL;

	return end == NULL ? 0 : (size_t)(end - buf) + 1;
}

static enum wire_error parse_arguments(struct span rest, struct wire_request *request)
{
	struct span first = span_next_word(&rest), second = span_next_word(&rest),
		    third = span_next_word(&rest);
	int max = 0;

	switch (request->verb) {
	case WIRE_HELLO:
		max = 2;
		if (number_parse(first.at, first.len, UINT32_MAX, &request->version) != 0)
			return WIRE_BAD_ARGUMENT;
		if (second.len > 0 && number_parse(second.at, second.len, UINT64_MAX, &request->tag) != 0)
			return WIRE_BAD_ARGUMENT;
		if (request->version != WIRE_VERSION)
			return WIRE_BAD_VERSION;
		break;
	case WIRE_WAIT:
		max = 2;
		request->has_ms = second.len > 0;
		if (request->has_ms && number_parse(second.at, second.len, INT_MAX, &request->ms) != 0)
			return WIRE_BAD_ARGUMENT;
		if (span_process(first, &request->pid, &request->start) != 0)
			return WIRE_BAD_ARGUMENT;
		break;
	case WIRE_QUERY:
	case WIRE_GATE:
	case WIRE_END:
		max = 1;
		if (span_process(first, &request->pid, &request->start) != 0)
			return WIRE_BAD_ARGUMENT;
		break;
	case WIRE_CANCEL:
		max = 1;
		if (span_pid(first, &request->pid) != 0)
			return WIRE_BAD_ARGUMENT;
		break;
	case WIRE_MONITOR:
		max = 1;
		request->has_token = first.len > 0;
		if (request->has_token && span_token(first, &request->epoch, &request->seq) != 0)
			return WIRE_BAD_ARGUMENT;
		break;
	case WIRE_LIST:
	case WIRE_STATS:
	case WIRE_PING:
		break;
	}
	if ((max < 1 && first.len > 0) || (max < 2 && second.len > 0) || third.len > 0)
		return WIRE_BAD_ARGUMENT;
	return WIRE_OK;
}

enum wire_error wire_parse_request(const char *line, size_t len, struct wire_request *request)
{
	struct span rest = span_trim(line, len), verb = span_next_word(&rest);

	memset(request, 0, sizeof(*request));
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (span_is(verb, verbs[i].name)) {
			request->verb = verbs[i].verb;
			return parse_arguments(rest, request);
		}
	}
	return WIRE_BAD_VERB;
}

/* Returns the end. */
static char *put_number(char *at, char separator, uint64_t value)
{
	*at = separator;
	number_put(at + 1, value);
	return at + strlen(at);
}

size_t wire_write_request(char *buf, size_t size, const struct wire_request *request)
{
	char line[WIRE_REQUEST_MAX], *at = stpcpy(line, verbs[request->verb].name);
	size_t len;

	if (request->verb == WIRE_HELLO)
		at = put_number(at, ' ', WIRE_VERSION);
	if (request->tag > 0)
		at = put_number(at, ' ', request->tag);
	if (request->pid > 0)
		at = put_number(at, ' ', (uint64_t)request->pid);
	if (request->start > 0)
		at = put_number(at, ':', request->start);
	if (request->has_ms)
		at = put_number(at, ' ', request->ms);
	if (request->has_token)
		at = put_number(put_number(at, ' ', request->epoch), ':', request->seq);
	*at++ = '\n';
	len = (size_t)(at - line);
	memcpy(buf, line, len < size ? len : size);
	return len;
}
