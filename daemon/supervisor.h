/* What a supervisor and its service talk about: an inherited listening socket, and "I serve now". */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

/* The listening socket that was passed by socket activation (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS),
 * made non-blocking and close-on-exec, and refusing descriptors (see sock_refuse_fds()); -1 when none was.
 * -2, after the reason is logged, when what was passed is no listening unix stream socket. */
int supervisor_inherited(void);

/* Says that the daemon serves: a newline into ready_fd, which is then closed (-1: none), and READY=1 to
 * NOTIFY_SOCKET (sd_notify(3)). */
void supervisor_ready(int ready_fd);
/* STOPPING=1 to NOTIFY_SOCKET. */
void supervisor_stopping(void);

#endif
