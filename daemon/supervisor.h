/* The interface to a supervisor: an inherited listening socket, and notification of readiness. */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

/* The listening socket that was passed by socket activation (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS),
 * made non-blocking and close-on-exec, and refusing descriptors (see sock_refuse_fds()); -1 when none was
 * passed. -2, after the reason is logged, when what was passed is not a listening unix stream socket. */
int supervisor_inherited(void);

/* Reports that the daemon serves: writes a newline to ready_fd, which is then closed (-1: none), and sends
 * READY=1 to NOTIFY_SOCKET (sd_notify(3)). */
void supervisor_ready(int ready_fd);
/* Sends STOPPING=1 to NOTIFY_SOCKET. */
void supervisor_stopping(void);

#endif
