/* readyctl's commands; each returns the exit code. */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include "client/ctl/command_line.h"

int command_wait(const struct command_line *line);
int command_status(const struct command_line *line);
int command_list(const struct command_line *line);
int command_ping(const struct command_line *line);
int command_stats(const struct command_line *line);
int command_monitor(const struct command_line *line);

/* These two have a command line of their own. */
int command_run(const struct command_line *line);
int command_mark(const struct command_line *line);

/* Explains on stderr what to do about a process that cannot be checked; prints nothing for others. */
void command_say_why(const struct readyd_answer *answer);

/* Prints on stderr what failed, why (errno) and what to do; of a daemon that does not answer, how long it was
 * tried. Returns EXIT_FAILED. */
int command_failed(const struct command_line *line, const char *what);
/* The same of a daemon that is waited for. */
void command_say_waiting(const struct command_line *line, int error);

#endif
