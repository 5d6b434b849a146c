/* One question to the daemon and its answer, blocking for a short time. */
#ifndef CLIENT_LIB_QUESTION_H
#define CLIENT_LIB_QUESTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/lib/daemon_conn.h"
#include "client/lib/settings.h"

/* A request, and how its replies are handled. */
struct question {
	struct wire_request request;
	bool of_daemon; /* it is about the daemon itself, which may then serve any directory */
	/* 1: the answer is complete; 0: more replies follow; -1: errno. */
	int (*take)(const struct daemon_event *event, void *context);
	void *context;
};

/* 0, or -1 with the errors of sock_connect() and take(), ETIMEDOUT, ECONNRESET, EPROTO, EXDEV (the daemon
 * serves another directory or pid namespace) or EAGAIN (it has reached a limit). */
int question_ask(struct settings *settings, const struct question *question);

/* The daemon's verdict. Errors as above. */
int question_ask_verdict(struct settings *settings, pid_t pid, uint64_t start, struct readyd_answer *answer);

#endif
