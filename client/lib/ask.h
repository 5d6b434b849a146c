/* One question to the daemon and its answer, blocking for a short time. */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/lib/settings.h"
#include "src/wire.h"

/* What the daemon is asked, and what to do with its replies. */
struct question {
	struct wire_request request;
	bool of_daemon; /* about the daemon itself: then it may serve any directory */
	/* 1: that was the whole answer; 0: go on; -1: errno. */
	int (*take)(const struct wire_reply *reply, void *context);
	void *context;
};

/* 0, or -1: what sock_connect() says, ETIMEDOUT, ECONNRESET, EPROTO, EXDEV (it speaks of another directory or
 * pid namespace), EAGAIN (it has no room), or what take() says. */
int ask_daemon(struct settings *settings, const struct question *question);

/* The daemon's verdict. Errors as above. */
int ask_verdict(struct settings *settings, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* What the daemon said of the same ended process is given the exit status that the own look found, where the
 * daemon, with fewer rights, was not told. */
void ask_complete(struct readyd_answer *said, const struct readyd_answer *own);

/* Whether what the daemon said counts more than an own look that settles: it may remember what nobody can
 * see any more, but what it cannot see itself is no news. */
bool ask_knows_more(const struct readyd_answer *own, const struct readyd_answer *said);

#endif
