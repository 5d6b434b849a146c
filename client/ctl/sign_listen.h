/*
 * --listen: the worker listens on a TCP port or a unix socket. No event tells that, so it is looked for now
 * and then. The listening socket must be an open descriptor of the worker or of a descendant, since another
 * process may have bound the port first; and it must be in the worker's own network namespace.
 */
#ifndef CLIENT_SIGN_LISTEN_H
#define CLIENT_SIGN_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SIGN_LISTEN_SOCKETS 64

struct sign_listen {
	const char *where;		      /* PORT or PATH */
	unsigned port;			      /* 0: it is a path */
	int64_t began, due;		      /* clock_ms() */
	uint64_t inodes[SIGN_LISTEN_SOCKETS]; /* of what listened there in the last look */
	size_t count;
	bool unreadable; /* the descriptors of the worker may not be read */
};

void sign_listen_init(struct sign_listen *l, const char *where);

/* Looks if it is time to. Returns whether the worker listens. */
bool sign_listen_check(struct sign_listen *l, pid_t worker);

/* The same at once. */
bool sign_listen_look(struct sign_listen *l, pid_t worker);

#endif
