/*
 * The socket's name in the file system. Two daemons never share it, no client that sees it is refused, and
 * it is bound again when it is lost.
 */
#ifndef DAEMON_ENDPOINT_H
#define DAEMON_ENDPOINT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

/* The longest path of a socket: its temporary name must fit as well. */
#define ENDPOINT_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(".new"))

struct endpoint {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	mode_t mode;
	int fd;	    /* listening, -1: none yet */
	int lock;   /* held as long as the process lives; -1: none yet */
	bool bound; /* the name is ours to remove */
	dev_t dev;  /* of the name while it is bound */
	ino_t ino;
	char why[320]; /* after a failure: what is wrong and what to do */
};

/* -1: the path is too long. */
int endpoint_init(struct endpoint *endpoint, const char *path, mode_t mode);

/* Binds the name and listens. Binds again if the name was lost; the old socket is then closed. -1: see why;
 * what was there before is unchanged. */
int endpoint_listen(struct endpoint *endpoint);

/* Whether the name still leads to the socket. It does not if the file was removed or replaced, or if
 * something was mounted over its directory. */
bool endpoint_holds(const struct endpoint *endpoint);

/* Closes everything and removes the names that the endpoint created. */
void endpoint_fini(struct endpoint *endpoint);

#endif
