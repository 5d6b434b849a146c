/* Whether a text is JSON, by the letter of RFC 8259. Shares nothing with what is tested. */
#ifndef TESTS_FUZZ_JSON_H
#define TESTS_FUZZ_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Of a valid text. */
struct json_seen {
	bool is_object;	     /* its value is an object, */
	bool has_repeated;   /* one of its objects has two members of one name, as they are written */
	bool has_array;	     /* and it has exactly one member of the wanted name, which is an array */
	size_t elements;     /* with so many elements */
	unsigned array_name; /* members of that name */
	size_t depth;	     /* of arrays and objects */
};

/* The text and nothing but white space around it; name may be NULL. */
bool json_is_valid(const char *text, size_t len, const char *name, struct json_seen *seen);

#endif
