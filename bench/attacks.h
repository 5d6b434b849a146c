/* What one unprivileged user can do to a daemon that serves others. */
#ifndef BENCH_ATTACKS_H
#define BENCH_ATTACKS_H

#include <sys/types.h>

#include "bench/harness.h"

struct attack {
	const char *name;
	int count;		    /* of what it uses: connections, processes, files or namespaces */
	void (*prepare)(int count); /* NULL: nothing to prepare */
	void (*round)(int count);   /* repeated until the attacker is killed */
};

/* NULL after the last one. */
const struct attack *attack_at(int i);

/* Starts it as another user, in the current directory, where the socket is and `markers`; returns when it is
 * prepared. A hundredth of the count where quick. 0: it cannot be, and left_out() says why. */
pid_t attack_start(const struct attack *attack, bool quick);
/* Kills the attacker and all that it has started. */
void attack_end(pid_t pid);

#endif
