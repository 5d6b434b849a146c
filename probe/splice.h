/* Finding the place in a JSON document where an element is added, without changing anything else of it. */
#ifndef PROBE_SPLICE_H
#define PROBE_SPLICE_H

#include <stddef.h>

struct splice {
	/* Of the bracket that ends the array. */
	size_t offset;
	/* Elements that it has. */
	size_t count;
};

/* The array that is the value of this key in the outermost object. -1 if text is not JSON, or has no such
 * array. */
int splice_find(const char *text, size_t length, const char *key, struct splice *splice);

#endif
