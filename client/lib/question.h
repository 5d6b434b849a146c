/* One question to the daemon and its answer, blocking for a short time. */
#ifndef CLIENT_LIB_QUESTION_H
#define CLIENT_LIB_QUESTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/lib/daemon_conn.h"
#include "client/lib/settings.h"

/* What the daemon is asked, and what to do with its replies. */
struct question {
	struct wire_request request;
	bool of_daemon; /* about the daemon itself: then it may serve any directory */
	/* 1: that was the whole answer; 0: go on; -1: errno. */
	int (*take)(const struct daemon_event *event, void *context);
	void *context;
};

/* 0, or -1: what sock_connect() says, ETIMEDOUT, ECONNRESET, EPROTO, EXDEV (it speaks of another directory or
 * pid namespace), EAGAIN (it has no room), or what take() says. */
int question_ask(struct settings *settings, const struct question *question);

/* The daemon's verdict. Errors as above. */
int question_ask_verdict(struct settings *settings, pid_t pid, uint64_t start, struct readyd_answer *answer);

#endif
