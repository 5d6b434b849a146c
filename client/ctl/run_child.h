/* The worker as a child process: its start, its end, and its process group. */
#ifndef CLIENT_RUN_CHILD_H
#define CLIENT_RUN_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "client/ctl/run_signals.h"
#include "client/ctl/run_terminal.h"
#include "src/process.h"

/* What the child changes before it becomes the worker. */
struct run_setup {
	char **argv;
	const struct run_signals *signals;
	const struct run_terminal *terminal;
	bool detach;
	int out, err;		   /* what its standard output and error become; -1: what they are */
	int sign_fd, sign_number;  /* a descriptor, and the number that it gets; -1: none */
	const char *notify_socket; /* NULL: none */
};

struct run_child {
	struct process process; /* pid, pidfd and start */
	int exec_fd;		/* tells whether the program could be executed; -1: that is known */
	int exec_error;		/* errno of execve(2); 0: none so far */
	/* It stays a zombie until run_child_reap(), so that its number is no other process's meanwhile. */
	bool ended, reaped;
	int status;	/* as from waitpid(2), once it has ended; -1: it could not be read */
	int stopped_by; /* the signal that it was last seen stopped by; 0: it goes on */
};

/* -1 and errno. What cannot be executed shows later, see run_child_check_exec(). */
int run_child_start(struct run_child *c, const struct run_setup *setup);

/* Reads exec_fd, which has become readable. */
void run_child_check_exec(struct run_child *c);

/* After SIGCHLD: updates ended, status and stopped_by. */
void run_child_check(struct run_child *c);

void run_child_reap(struct run_child *c);
void run_child_close(struct run_child *c);

/* A signal to the worker alone, or to its whole process group. */
void run_child_signal(const struct run_child *c, int number);
void run_child_signal_group(const struct run_child *c, int number);

/* From now on, descendants with parents that end become children of ours: zombies count as members of the
 * group, and an init may not reap them. */
void run_child_adopt_group(void);

/* Whether any process of the group is left. Only once the worker is reaped, since zombies count. */
bool run_child_group_exists(const struct run_child *c);

#endif
