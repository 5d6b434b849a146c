#include <stdbool.h>
#include <string.h>

#include "probe/splice.h"

#define MAX_DEPTH 128

/* Each scan_*() returns whether there was such a thing, and leaves at behind it. */
struct scan {
	const char *at, *end;
	int depth;
	size_t elements;
};

static bool scan_value(struct scan *scan);

static char peek(struct scan *scan)
{
	while (scan->at < scan->end && *scan->at != '\0' && strchr(" \t\r\n", *scan->at) != NULL)
		scan->at++;
	if (scan->at == scan->end)
		return '\0';
	return *scan->at;
}

static bool scan_char(struct scan *scan, char wanted)
{
	if (peek(scan) != wanted || scan->at == scan->end)
		return false;
	scan->at++;
	return true;
}

static bool scan_string(struct scan *scan)
{
	if (!scan_char(scan, '"'))
		return false;
	for (; scan->at < scan->end; scan->at++) {
		if (*scan->at == '"') {
			scan->at++;
			return true;
		}
		if ((unsigned char)*scan->at < 0x20)
			return false;
		if (*scan->at == '\\' && ++scan->at == scan->end)
			return false;
	}
	return false;
}

/* A number, true, false or null; a malformed one is accepted if it consists of their characters. */
static bool scan_word(struct scan *scan)
{
	const char *start = scan->at;

	while (
	    scan->at < scan->end && *scan->at != '\0' && strchr("0123456789+-.eEtrufalsn", *scan->at) != NULL)
		scan->at++;
	return scan->at > start;
}

/* Elements up to the bracket that ends them, which is left. Counts those of the outermost call. */
static bool scan_elements(struct scan *scan, char end)
{
	size_t count = 0;

	if (peek(scan) == end) {
		scan->elements = 0;
		return true;
	}
	do {
		if (end == '}' && !(scan_string(scan) && scan_char(scan, ':')))
			return false;
		if (!scan_value(scan))
			return false;
		count++;
	} while (scan_char(scan, ','));
	scan->elements = count;
	return peek(scan) == end;
}

static bool scan_value(struct scan *scan)
{
	const char first = peek(scan);
	const char end = first == '{' ? '}' : ']';
	bool done;

	if (first == '"')
		return scan_string(scan);
	if (first != '{' && first != '[')
		return scan_word(scan);
	if (++scan->depth > MAX_DEPTH)
		return false;
	scan->at++;
	done = scan_elements(scan, end) && scan_char(scan, end);
	scan->depth--;
	return done;
}

/* The value of a key of the outermost object; notes where its last bracket is if it is the wanted array. */
static bool scan_member(struct scan *scan, const char *text, const char *key, struct splice *splice)
{
	const char *name;
	bool wanted;

	peek(scan);
	name = scan->at;
	if (!scan_string(scan))
		return false;
	wanted = (size_t)(scan->at - name) == strlen(key) + 2 && memcmp(name + 1, key, strlen(key)) == 0;
	if (!scan_char(scan, ':'))
		return false;
	wanted = wanted && peek(scan) == '[';
	if (!scan_value(scan))
		return false;
	if (wanted)
		*splice = (struct splice){(size_t)(scan->at - 1 - text), scan->elements};
	return true;
}

int splice_find(const char *text, size_t length, const char *key, struct splice *splice)
{
	struct scan scan = {.at = text, .end = text + length};

	splice->offset = 0;
	if (!scan_char(&scan, '{'))
		return -1;
	if (peek(&scan) != '}') {
		do {
			if (!scan_member(&scan, text, key, splice))
				return -1;
		} while (scan_char(&scan, ','));
	}
	if (!scan_char(&scan, '}') || peek(&scan) != '\0' || scan.at != scan.end)
		return -1;
	return splice->offset > 0 ? 0 : -1;
}
