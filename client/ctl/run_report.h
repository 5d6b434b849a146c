/* What `readyctl run` says: messages on standard error, and the pid or JSON objects on standard output. */
#ifndef CLIENT_RUN_REPORT_H
#define CLIENT_RUN_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/ctl/run_options.h"

/* What an exit code is. */
enum run_code_kind {
	RUN_CODE_VERDICT, /* that of the verdict, or 124 */
	RUN_CODE_WORKER,  /* the worker's own */
	RUN_CODE_EXEC,	  /* 126 or 127: the worker could not be executed */
	RUN_CODE_READYCTL /* 125 */
};

struct run_report {
	const struct run_options *options;
	int64_t began; /* clock_ms() */
	pid_t pid;
	struct readyd_answer answer;
	enum run_code_kind kind;
	int code;
	bool ended;
	bool told_to_end;    /* by a signal that was meant for readyctl, too */
	int status;	     /* of the worker, if it has ended; -1: not known */
	char unsaid[768];    /* why it was ended, if that could not be said then */
	const char *message; /* its last line of standard error; "": none, or not known */
};

/* The worker is ready. */
void run_report_ready(const struct run_report *r);

/* readyctl ends, and this is why. */
void run_report_end(const struct run_report *r);

/* The worker is going to be ended. why may be empty. */
void run_report_giving_up(struct run_report *r, const char *why);

/* It is still not ready. */
void run_report_waiting(const struct run_report *r, const char *why);

/* The detached worker is ready, but its pid could not be printed. */
void run_report_left(const struct run_report *r);

/* readyctl itself has failed, with errno. */
void run_report_failed(const char *what);

void run_report_line(const struct run_report *r, const char *text);
void run_report_exec_failed(const struct run_report *r, int error);
void run_report_not_marked(const struct run_report *r, const char *path, int error);

/* Whether this line on standard error is one of the above that may precede the end of the worker. */
bool run_report_is_own(const struct run_report *r, const char *line, size_t length);

#endif
