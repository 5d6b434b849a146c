/* Text that comes in pieces, as lines. Pure: no system call. */
#ifndef CLIENT_LINES_H
#define CLIENT_LINES_H

#include <stddef.h>

/* What is kept of a line. */
#define LINES_SIZE 1024

struct lines {
	char last[LINES_SIZE];	  /* the last line that is not empty, terminated by a NUL */
	char current[LINES_SIZE]; /* the start of the line that has no end yet */
	size_t length;		  /* of current */
	/* Called with each line that ends, empty ones included; NULL: not. */
	void (*on_line)(const char *line, void *context);
	void *context;
};

void lines_feed(struct lines *l, const char *data, size_t count);

/* The text has ended: so does its last line. */
void lines_end(struct lines *l);

/* The last line that is not empty, with an end or without; "": there is none. */
const char *lines_last(struct lines *l);

#endif
