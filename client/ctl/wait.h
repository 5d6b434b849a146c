/* The parts of `readyctl wait`. */
#ifndef CLIENT_WAIT_H
#define CLIENT_WAIT_H

#include "client/ctl/command_line.h"
#include "client/ctl/endings.h"
#include "client/ctl/pidfile.h"
#include "client/ctl/progress.h"
#include "client/ctl/waiters.h"

struct waiting {
	const struct command_line *line;
	struct waiters waiters;
	struct endings endings;
	struct pidfile_watch files;
	struct progress progress;
	bool noted;		   /* that the daemon is waited for */
	int64_t deadline;	   /* clock_ms(); -1: none */
	int64_t files_due;	   /* when the pid files are read again; -1: all have named a process */
	size_t total, needed;	   /* processes in all, and to succeed */
	size_t succeeded, refused; /* as was wished for; with another answer */
	int failed; /* exit code of the first verdict that is not what was wished for, 0: none */
};

/* FAILED: errno. REPORTED: there is a message already, and `failed` is the exit code. */
enum outcome { DECIDED, UNDECIDED, TIMED_OUT, INTERRUPTED, FAILED, REPORTED };

/* wait_set.c: adds the processes that are named by a pid. UNDECIDED, FAILED or REPORTED. */
enum outcome wait_add_all(struct waiting *w);
/* Adds those that a pid file names by now. The same. */
enum outcome wait_read_files(struct waiting *w);
/* Takes all answers that are known now. -1: errno. */
int wait_take_all(struct waiting *w);
/* Whether the wait is over: enough have succeeded, or no longer can. */
bool wait_is_decided(const struct waiting *w);
/* Takes an answer that is final. why: NULL unless the wait has timed out. */
void wait_take_final(
    struct waiting *w, const struct readyd_answer *answer, const struct readyd_explanation *why);

/* wait_close.c: describes the first process without an answer, in short or in full. */
void wait_describe(const struct waiting *w, char *text, size_t size);
/* Answers for the processes that have none yet, by a last check: one may be ready by now. Others are
 * explained where the wait has ended before it was decided. number: the signal that has interrupted it. */
void wait_close(struct waiting *w, enum outcome outcome, int number);

#endif
