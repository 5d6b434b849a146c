/* Warns of a marker directory on a file system that may stop answering. The loop itself looks at it: a scout
 * for each look would cost every wait a switch of processes, for a directory that the operator has chosen. */
#ifndef DAEMON_HANGCHECK_H
#define DAEMON_HANGCHECK_H

#include <stdbool.h>

struct hangcheck {
	bool warned; /* a lasting state is logged once */
};

/* By the mount table as it is now. To be called before the directory is looked at. */
void hangcheck_run(struct hangcheck *check, const char *dir);

#endif
