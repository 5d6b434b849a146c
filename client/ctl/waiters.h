/* The waiters of one command. The daemon limits the waits of a connection (readyd --max-waits), and each
 * waiter has one connection, so many processes are divided among several waiters. */
#ifndef CLIENT_WAITERS_H
#define CLIENT_WAITERS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "readyd/readyd.h"

struct waiters {
	struct readyd_waiter **each;
	struct pollfd *fds;
	size_t count, room; /* room: of fds */
	size_t at;	    /* the one that answers are taken from */
	bool polled;	    /* fds says which have something to do */
};

/* For so many processes. -1: errno as from readyd_waiter_new(). Free it in any case. */
int waiters_init(struct waiters *waiters, const struct readyd_options *options, size_t processes);
void waiters_free(struct waiters *waiters);

/* The waiter of a pid, always the same one, so that a process that is named twice is waited for once. */
struct readyd_waiter *waiters_of(const struct waiters *waiters, pid_t pid);

/* As readyd_waiter_next(). */
int waiters_next(struct waiters *waiters, struct readyd_answer *answer);

/* As readyd_waiter_sleep(), also on `others` further descriptors, which fill() enters. */
int waiters_sleep(struct waiters *waiters, size_t others, void (*fill)(struct pollfd *fds, void *context),
    void *context, int timeout_ms);

#endif
