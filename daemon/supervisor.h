/* The interface to a supervisor: an inherited listening socket, and notification of readiness, of reloads, of
 * life and of what the daemon does (sd_notify(3)). */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

#include <stddef.h>

struct loop;
struct supervisor;

struct supervisor_numbers {
	size_t processes; /* that are waited for */
	size_t clients;
};

/* The listening socket that was passed by socket activation (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS),
 * made non-blocking and close-on-exec, and refusing descriptors (see sock_refuse_fds()); -1 when none was
 * passed. -2, after the reason is logged, when what was passed is not a listening unix stream socket. */
int supervisor_inherited(void);

/* Reports that the daemon serves: writes a newline to ready_fd, which is then closed (-1: none), and sends
 * READY=1 to NOTIFY_SOCKET. Where there is no room for one of them yet, it follows from the loop: a service
 * that is never reported ready is restarted again and again.
 *
 * From now on it sends WATCHDOG=1 from the loop, twice in the time that WATCHDOG_USEC allows, so that a
 * manager notices a loop that no longer turns. count(numbers, context) is called for STATUS=. */
struct supervisor *supervisor_ready(struct loop *loop, int ready_fd,
    void (*count)(struct supervisor_numbers *numbers, void *context), void *context);
/* Something is waited for. While that is so, changed numbers are reported, at most every ten seconds. */
void supervisor_first_wait(struct supervisor *supervisor);
/* Reports a reload that is complete. */
void supervisor_reloaded(struct supervisor *supervisor);
/* Sends STOPPING=1 to NOTIFY_SOCKET if there is room, and frees the supervisor: what has not been reported
 * yet is dropped. The end of the process says the same, so it is not worth a delay. */
void supervisor_stopping(struct supervisor *supervisor);

#endif
