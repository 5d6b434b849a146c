/* Processes that are ready, and the end of which is waited for (--for=end). */
#ifndef CLIENT_ENDINGS_H
#define CLIENT_ENDINGS_H

#include <poll.h>
#include <stddef.h>

#include "readyd/readyd.h"
#include "src/process.h"

struct ending {
	struct process process;
	struct readyd_answer ready; /* what was answered about it */
};

struct endings {
	struct ending *each;
	size_t count, room;
};

/* Of a process of another kernel only the answer is kept. -1: errno. */
int endings_add(struct endings *endings, const struct readyd_answer *ready);
void endings_free(struct endings *endings);

/* Removes one that has ended: *answer is exited, with the status as far as it can be known. False: all are
 * alive. */
bool endings_next(
    struct endings *endings, const struct readyd_options *options, struct readyd_answer *answer);

/* Fills in what is to be polled for POLLIN, one for each; a process without a descriptor has -1. */
void endings_fill(const struct endings *endings, struct pollfd *fds);

/* Milliseconds until the next look at those without a descriptor; -1: there are none. */
int endings_interval(const struct endings *endings);

/* What it does, as struct readyd_explanation has it. */
const char *endings_state(const struct ending *ending);

#endif
