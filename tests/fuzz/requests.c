/* The parser of requests: lines as a client may send them. What it accepts, it writes again and reads the
 * same. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "src/wire.h"
#include "tests/fuzz/fuzz.h"

static bool has_process(enum wire_verb verb)
{
	return verb == WIRE_QUERY || verb == WIRE_WAIT || verb == WIRE_GATE || verb == WIRE_CANCEL ||
	       verb == WIRE_END;
}

static bool is_same(const struct wire_request *a, const struct wire_request *b)
{
	return a->verb == b->verb && a->pid == b->pid && a->start == b->start && a->has_ms == b->has_ms &&
	       a->ms == b->ms && a->version == b->version;
}

static void check_request(const struct wire_request *request)
{
	struct wire_request again;
	char line[WIRE_REQUEST_MAX];
	size_t len = wire_write_request(line, sizeof(line), request);

	fuzz_check(has_process(request->verb) == (request->pid > 0));
	fuzz_check(request->verb != WIRE_CANCEL || request->start == 0);
	fuzz_check(request->ms <= INT_MAX);
	fuzz_check(len > 1 && len <= sizeof(line));
	fuzz_check(wire_line(line, len) == len);
	fuzz_check(wire_parse_request(line, len, &again) == WIRE_OK);
	fuzz_check(is_same(request, &again));
}

static void check_line(const char *bytes, size_t len)
{
	char *line = fuzz_copy(bytes, len);
	struct wire_request request;
	enum wire_error error;

	memset(&request, 0xff, sizeof(request));
	error = wire_parse_request(line, len, &request);
	if (error == WIRE_OK)
		check_request(&request);
	else
		fuzz_check(error == WIRE_BAD_VERB || error == WIRE_BAD_ARGUMENT || error == WIRE_BAD_VERSION);
	free(line);
}

static void one(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;
	size_t len;

	while (size > 0) {
		len = wire_line(at, size);
		len = len > 0 ? len : size;
		check_line(at, len);
		at += len;
		size -= len;
	}
}

const struct fuzz_target fuzz_target = {.name = "requests", .one = one};
