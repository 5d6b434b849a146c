/* INT, TERM and HUP during a wait, which then explains itself before it ends by the signal. */
#ifndef CLIENT_INTERRUPTS_H
#define CLIENT_INTERRUPTS_H

#include <stdio.h>

#include "client/ctl/command_line.h"

/* From now on, the first of these signals is only noted, and interrupts system calls. The second has its
 * default action. One that is ignored (nohup(1), a job in the background) stays so. */
void interrupts_catch(void);

/* The signal that was caught; 0: none. */
int interrupts_caught(void);

/* Prints, without a newline, that the wait was interrupted by that signal (0: has timed out), and when. */
void interrupts_report(FILE *file, int number, const struct command_line *line);

/* Ends the process by that signal. */
_Noreturn void interrupts_die(int number);

#endif
