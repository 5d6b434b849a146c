/* What shows that the worker is ready, as the options say: one of the signs, or its own marker alone. */
#ifndef CLIENT_RUN_SIGNS_H
#define CLIENT_RUN_SIGNS_H

#include <poll.h>
#include <regex.h>
#include <stdbool.h>

#include "client/ctl/run_child.h"
#include "client/ctl/run_options.h"
#include "client/ctl/run_stream.h"
#include "client/ctl/sign_listen.h"
#include "client/ctl/sign_notify.h"

struct run_signs {
	enum run_sign kind;
	bool seen;
	bool lost; /* it cannot come any more */
	struct sign_notify notify;
	struct sign_listen listen;
	int pipe[2]; /* SIGN_NOTIFY_FD; -1: closed */
	int number;
	const char *pattern;
	regex_t regex;
};

/* 0, or the exit code after a message. */
int run_signs_open(struct run_signs *s, const struct run_options *o);
void run_signs_close(struct run_signs *s);

/* What the worker gets of it. */
void run_signs_setup(
    struct run_signs *s, struct run_setup *setup, struct run_stream *out, struct run_stream *err);
void run_signs_started(struct run_signs *s);

void run_signs_poll(const struct run_signs *s, struct pollfd *fd);

/* When to look although no event has come (clock_ms()); -1: never. */
int64_t run_signs_due(const struct run_signs *s);

/* Looks whether it is there. output_ended: the worker has closed its output. */
void run_signs_check(struct run_signs *s, pid_t worker, bool output_ended);

#define RUN_SIGNS_WHY_SIZE 512

/* Why it is not there, for a message. */
const char *run_signs_why(struct run_signs *s, pid_t worker, char text[RUN_SIGNS_WHY_SIZE]);

#endif
