/*
 * A child of `readyctl run` that waits for the marker of the worker, as `readyctl wait` does, and writes it
 * when the worker has shown its readiness otherwise. It is a process of its own since its file system may not
 * answer: neither the time-out nor a signal waits for that.
 */
#ifndef CLIENT_RUN_LOOK_H
#define CLIENT_RUN_LOOK_H

#include "client/ctl/mark_write.h"

struct run_look {
	pid_t pid; /* 0: none, or reaped */
	int words; /* readable when it has something to say; -1: it has ended */
	int orders;
};

enum run_word_kind {
	RUN_WORD_ANSWER,
	RUN_WORD_NOT_MARKED, /* the marker could not be written: error, text is its path */
	RUN_WORD_FAILED,     /* it cannot wait: error */
	RUN_WORD_WHY	     /* text explains what it sees */
};

/* What it says; less than PIPE_BUF. */
struct run_word {
	enum run_word_kind kind;
	struct readyd_answer answer;
	int error;
	char text[MARK_PATH_SIZE + 256];
};

/* -1 and errno. */
int run_look_start(struct run_look *l, const struct readyd_options *options, const struct process *worker);

/* Have it write the marker; explain what it sees. */
void run_look_mark(const struct run_look *l);
void run_look_explain(const struct run_look *l);

/* 1: *word is the next thing it says. 0: nothing for now. -1: it has ended. */
int run_look_read(struct run_look *l, struct run_word *word);

/* Ends it. May be repeated. */
void run_look_end(struct run_look *l);

/* After SIGCHLD. */
void run_look_reap(struct run_look *l);

#endif
