/* The interface to a supervisor: an inherited listening socket, and notification of readiness. */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

struct loop;
struct supervisor;

/* The listening socket that was passed by socket activation (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS),
 * made non-blocking and close-on-exec, and refusing descriptors (see sock_refuse_fds()); -1 when none was
 * passed. -2, after the reason is logged, when what was passed is not a listening unix stream socket. */
int supervisor_inherited(void);

/* Reports that the daemon serves: writes a newline to ready_fd, which is then closed (-1: none), and sends
 * READY=1 to NOTIFY_SOCKET (sd_notify(3)). Where there is no room for one of them yet, it follows from the
 * loop: a service that is never reported ready is restarted again and again. */
struct supervisor *supervisor_ready(struct loop *loop, int ready_fd);
/* Sends STOPPING=1 to NOTIFY_SOCKET if there is room, and frees the supervisor: what has not been reported
 * yet is dropped. The end of the process says the same, so it is not worth a delay. */
void supervisor_stopping(struct supervisor *supervisor);

#endif
