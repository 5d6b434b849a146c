/* --notify: the worker sends READY=1 to NOTIFY_SOCKET, as with sd_notify(3). */
#ifndef CLIENT_SIGN_NOTIFY_H
#define CLIENT_SIGN_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "client/ctl/notify_message.h"

struct sign_notify {
	int fd;
	struct sockaddr_un address; /* in a directory of our own, which only our user may enter */
	char status[NOTIFY_STATUS_SIZE];
	bool status_is_new;
	bool refused; /* READY=1 came from a process that does not descend from the worker, or has ended */
	pid_t refused_pid;
};

/* -1 and errno. */
int sign_notify_open(struct sign_notify *n);
void sign_notify_close(struct sign_notify *n);

/* Reads what has come. Returns whether it says that the worker is ready. */
bool sign_notify_check(struct sign_notify *n, pid_t worker);

#endif
