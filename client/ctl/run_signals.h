/* The signals of `readyctl run`, as a descriptor, and how it ends or stops by one. */
#ifndef CLIENT_RUN_SIGNALS_H
#define CLIENT_RUN_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct run_signals {
	int fd;		 /* readable while there is one; -1: not open */
	sigset_t before; /* the mask that was inherited, which the worker gets */
	void (*sigpipe_before)(int);
};

/* Blocks what is passed on, and SIGCHLD, which is no longer ignored. What is ignored otherwise, as by
 * nohup(1), stays so, and the worker inherits it. -1 and errno. */
int run_signals_open(struct run_signals *s);

/* In the child: what the worker would have inherited from the caller. */
void run_signals_restore(const struct run_signals *s);

/* Back to what was inherited; what is pending is then delivered. */
void run_signals_close(struct run_signals *s);

/* The next signal that came; 0: none. */
int run_signals_next(const struct run_signals *s);

/* Stops this process and what else is in its group, as the terminal does, by SIGTSTP, SIGTTIN or SIGTTOU.
 * Returns true when it is continued, and false at once where nothing could continue it: then the kernel does
 * not stop it. */
bool run_signals_stop_by(int number);

/* Ends by this signal, without a core dump; group: with what else is in the process group, as the terminal
 * does. Returns 128 + number if it does not end that way. */
int run_signals_die_by(int number, bool group);

#endif
