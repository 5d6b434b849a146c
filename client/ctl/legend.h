/* What the exit status of an ended process means. */
#ifndef CLIENT_LEGEND_H
#define CLIENT_LEGEND_H

#include "client/ctl/command_line.h"

/* Notes which of the processes are the reference worker. Its name cannot be read any more once it has been
 * reaped. */
void legend_note_workers(const struct command_line *line);
void legend_note_worker(struct named_process *process);

/* The text for the exit status of the answer; NULL: there is none. A text of --legend counts for every
 * process, the statuses of the reference worker only for a process that is known to be that worker. */
const char *legend_of(const struct command_line *line, const struct readyd_answer *answer);

#endif
