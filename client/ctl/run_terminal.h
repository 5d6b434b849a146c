/*
 * The controlling terminal of `readyctl run`. The worker has a process group of its own, so that it can be
 * ended with its descendants; so readyctl gives it the terminal while readyctl itself would have it, and
 * takes it back, as a shell does. That is what makes Ctrl-C and Ctrl-Z reach the worker, and lets it read.
 */
#ifndef CLIENT_RUN_TERMINAL_H
#define CLIENT_RUN_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

struct run_terminal {
	int fd; /* -1: there is no controlling terminal, or it is not used */
};

void run_terminal_open(struct run_terminal *t);
void run_terminal_close(struct run_terminal *t);

/* Whether our process group is in the foreground. */
bool run_terminal_is_ours(const struct run_terminal *t);

/* To that process group, if our group has it. Returns whether it had. */
bool run_terminal_give(const struct run_terminal *t, pid_t group);

/* Back from that process group, if it has it. Returns whether it had. */
bool run_terminal_take(const struct run_terminal *t, pid_t group);

#endif
