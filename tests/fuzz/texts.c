/* Small parsers and writers of texts: durations, lines in pieces, messages of sd_notify(3), markers' names,
 * escapes. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/duration.h"
#include "client/ctl/lines.h"
#include "client/ctl/notify_message.h"
#include "src/escape.h"
#include "src/marker.h"
#include "src/number.h"
#include "src/suggest.h"
#include "src/uidmap.h"
#include "tests/fuzz/fuzz.h"

/* Of whole numbers with their units. */
static int64_t sum_of_parts(const char *text)
{
	int64_t sum = 0, value;
	char *unit;

	for (; *text != '\0'; text = unit + strspn(unit, "hms")) {
		value = strtoll(text, &unit, 10);
		sum += value * (strncmp(unit, "ms", 2) == 0 ? 1
				   : *unit == 'h'	    ? 3600000
				   : *unit == 'm'	    ? 60000
							    : 1000);
	}
	return sum;
}

static void check_duration(const char *text)
{
	char again[32];
	int64_t ms, same;

	if (duration_parse(text, &ms) != 0)
		return;
	fuzz_check(ms >= 0 && ms <= 3600000000LL);
	fuzz_check(strspn(text, "0123456789.hms") == strlen(text));
	fuzz_check(strchr(text, '.') != NULL || sum_of_parts(text) == ms);
	snprintf(again, sizeof(again), "%lldms", (long long)ms);
	fuzz_check(duration_parse(again, &same) == 0 && same == ms);
}

static void check_number(const char *text, size_t len)
{
	uint64_t value, same;
	char again[24];

	if (number_parse(text, len, UINT64_MAX, &value) != 0)
		return;
	number_put(again, value);
	fuzz_check(number_parse(again, strlen(again), value, &same) == 0 && same == value);
	fuzz_check(value == 0 || number_parse(again, strlen(again), value - 1, &same) != 0);
}

static void check_escape(const char *text)
{
	char buf[256], again[4 * sizeof(buf)];
	size_t len;

	fuzz_check(escape_text(buf, sizeof(buf) - 1, text) == buf);
	len = strlen(buf);
	fuzz_check(len < sizeof(buf) - 1);
	fuzz_check(strcmp(escape_text(again, sizeof(again), buf), buf) == 0);
	memcpy(buf + len, "\n", 2);
	fuzz_check(strchr(buf, '\n') == buf + len && fuzz_is_shown(buf, len + 1));
}

struct heard {
	size_t lines, bytes;
};

static void on_line(const char *line, void *context)
{
	struct heard *heard = context;

	heard->lines++;
	heard->bytes += strlen(line);
	fuzz_check(strlen(line) < LINES_SIZE && strchr(line, '\n') == NULL);
}

/* Pieces of any length give the same lines. */
static void check_lines(const char *text, size_t len, size_t piece)
{
	static struct lines whole, pieces;
	struct heard by_whole = {0, 0}, by_pieces = {0, 0};

	whole = (struct lines){.on_line = on_line, .context = &by_whole};
	pieces = (struct lines){.on_line = on_line, .context = &by_pieces};
	lines_feed(&whole, text, len);
	for (size_t at = 0; at < len; at += piece)
		lines_feed(&pieces, text + at, piece < len - at ? piece : len - at);
	fuzz_check(strcmp(lines_last(&whole), lines_last(&pieces)) == 0);
	lines_end(&whole);
	lines_end(&pieces);
	fuzz_check(by_whole.lines == by_pieces.lines && by_whole.bytes == by_pieces.bytes);
	fuzz_check(strcmp(lines_last(&whole), lines_last(&pieces)) == 0);
}

static bool has_line(const char *text, size_t len, const char *wanted)
{
	const char *end;
	size_t length;

	for (;; text = end + 1) {
		end = len > 0 ? memchr(text, '\n', len) : NULL;
		length = end != NULL ? (size_t)(end - text) : len;
		if (length == strlen(wanted) && memcmp(text, wanted, length) == 0)
			return true;
		if (end == NULL)
			return false;
		len -= length + 1;
	}
}

static void check_message(const char *text, size_t len)
{
	struct notify_message m;

	notify_message_parse(&m, text, len);
	fuzz_check(memchr(m.status, '\0', sizeof(m.status)) != NULL);
	fuzz_check(m.ready == has_line(text, len, "READY=1"));
	fuzz_check(m.has_status || m.status[0] == '\0');
}

/* A marker's name is the prefix and the number, and nothing else that means the same number. */
static void check_marker(const char *text)
{
	static struct marker_place place;
	char name[MARKER_PREFIX_SIZE + 16];
	pid_t pid;

	if (marker_place_init(&place, text, NULL) == 0)
		fuzz_check(place.dir[0] == '/' && strlen(place.dir) < sizeof(place.dir));
	if (marker_place_init(&place, NULL, text) == 0)
		fuzz_check(place.prefix[0] != '\0' && strchr(place.prefix, '/') == NULL);
	fuzz_check(marker_place_init(&place, "/tmp", "r-") == 0);
	pid = marker_pid(&place, text);
	snprintf(name, sizeof(name), "r-%ld", (long)pid);
	fuzz_check(pid >= 0 && (pid == 0 || strcmp(name, text) == 0));
}

static void check_suggestion(const char *text)
{
	static const char *const names[] = {"timeout", "status", "list", "print", "pidfile"};
	struct suggestion best = {0};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		suggestion_consider(&best, text, names[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fuzz_check(strcmp(text, names[i]) != 0 || best.name == names[i]);
}

static void one(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	const size_t piece = fuzz_byte(&input) + 1;
	char *bytes = fuzz_copy(input.at, input.left), *text = fuzz_text(input.at, input.left);

	check_lines(bytes, input.left, piece);
	check_message(bytes, input.left);
	check_number(bytes, input.left);
	check_duration(text);
	check_escape(text);
	check_marker(text);
	check_suggestion(text);
	(void)uidmap_is_complete(text);
	free(text);
	free(bytes);
}

const struct fuzz_target fuzz_target = {.name = "texts", .one = one};
