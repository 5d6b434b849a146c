/*
 * The scouts' side: the processes that look below other processes' roots, and the spawner that starts them.
 *
 * A file system that another user has made can stop, and then a process that looks at it sleeps in the
 * kernel, perhaps beyond SIGKILL. So the daemon itself never looks there. It asks a scout, a child process
 * without anything that matters: no lock, no listening socket, no connection.
 *
 * The spawner is forked before the daemon has any of these, and does nothing but start, kill and reap scouts:
 * it holds the rights for their looks, which the daemon itself gives up, and hears of no client. All of them
 * end when the other end of their socket is closed, thus also with the daemon.
 */
#ifndef DAEMON_SCOUT_H
#define DAEMON_SCOUT_H

#include "daemon/account.h"
#include "src/marker_dir.h"

/* Below, all sockets are of type SOCK_SEQPACKET: each record is one message. */

/* To the spawner: the scout to kill, or 0 to start one. It replies to the latter. */
struct spawner_order {
	pid_t kill;
};
struct spawner_reply {
	pid_t scout; /* with its socket as a descriptor; -1: it could not be started */
	int error;
};

/* To a scout; with the inotify instance as a descriptor if the directory is to be watched as well. */
struct scout_request {
	struct marker_place place;
	pid_t pid, ns_pid;
	uint64_t start; /* 0: not known */
	bool watch;
};

enum scout_reply_kind {
	SCOUT_WATCHED, /* the number of the watch; the view follows */
	SCOUT_VIEWED   /* the view; of a process that has ended, it is that of our own directory */
};
struct scout_reply {
	enum scout_reply_kind kind;
	int wd;
	struct marker_view view;
};

/* Forks the spawner. Call it before there are threads, an event loop or descriptors that matter. It closes
 * what was inherited but standard error, and that if it is ready_fd (-1: none). It changes to the account,
 * keeps the rights of scouts only, and filters its system calls; scouts inherit all of this. Returns its
 * socket, which is non-blocking and close-on-exec, and its pid; -1 with errno. */
int spawner_start(int ready_fd, const struct account *account, pid_t *pid);

/* What a scout does. Returns when the socket is closed. Not static for the unit test. */
void scout_serve(int sock);

#endif
