/* Becoming another program. */
#ifndef CLIENT_HANDOVER_H
#define CLIENT_HANDOVER_H

/* Notes what readyctl changes in its process. To be called before it is changed. */
void handover_prepare(void);

/* Sets the signals as they were then. */
void handover_restore_signals(void);

/* Executes the command with the signals and limits that readyctl was started with. If that fails, reports it
 * and returns the exit code. */
int handover(char **command);

#endif
