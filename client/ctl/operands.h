/* The processes that a command is about: as words of the command line, and from standard input. */
#ifndef CLIENT_OPERANDS_H
#define CLIENT_OPERANDS_H

#include "client/ctl/command_line.h"

/* Adds a process. 0; ends readyctl with EXIT_FAILED if there is no memory. */
int operands_add(struct command_line *line, struct named_process process);

/* Adds the process that the word names, as PID or PID:START; "-" stands for those on standard input. 0, or -1
 * after reporting that it is neither. */
int operands_take(struct command_line *line, const char *word);

/* Reads standard input to its end, and adds the processes. waits: until the time-out, but for a second at
 * least, and with a report if it takes long; a signal ends readyctl. Returns the exit code: EXIT_READY,
 * EXIT_USAGE, EXIT_TIMED_OUT or EXIT_FAILED, the last three after reporting why. */
int operands_read(struct command_line *line, bool waits);

#endif
