/*
 * The lookout: a child process that runs a command that may hang in a file system, so that the
 * time-out and signals hold. A process that waits for a file system cannot see either.
 */
#ifndef CLIENT_LOOKOUT_H
#define CLIENT_LOOKOUT_H

#include "client/ctl/command_line.h"

/* Whether a directory that is looked at may be on a file system that stops answering: a network or FUSE
 * mount, or below another root. */
bool lookout_is_needed(const struct command_line *line);

/* Runs the command in a child, passes signals on, and returns its exit code. When the time is over (waits:
 * that of --timeout) or a signal has come, and the child is not back, answers for the processes that it has
 * not answered for. The processes of the line are shared with it, and not to be freed. Fails if no child can
 * be started. */
int lookout_run(struct command_line *line, int (*run)(const struct command_line *line), bool waits);

#endif
