/*
 * JSON (RFC 8259) as it is in the topics: one flat object in a bounded message. What is nested, a fraction or
 * a negative number is refused, as is anything that is not JSON. Pure.
 */
#ifndef FLEET_JSON_H
#define FLEET_JSON_H

#include <stddef.h>
#include <stdint.h>

#define JSON_KEY_SIZE	 32
#define JSON_STRING_SIZE 256

struct json {
	const char *at, *end;
	int members; /* that were read */
};

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING };

struct json_member {
	char key[JSON_KEY_SIZE];
	enum json_type type;
	uint64_t number;
	char string[JSON_STRING_SIZE];
};

void json_init(struct json *json, const char *text, size_t length);
/* 1: *member is the next one. 0: the object is complete, and nothing follows it. -1: it is refused. */
int json_next(struct json *json, struct json_member *member);

/* Writes the text with quotes and escapes, always with a NUL; a byte that is not UTF-8 becomes U+FFFD.
 * Returns the length; the text is cut if it does not fit. */
size_t json_quote(char *buf, size_t size, const char *text);

#endif
