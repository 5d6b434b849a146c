/*
 * The socket's name in the file system: taken so that two daemons never share it and no client that sees it
 * is refused, and taken again when it is lost.
 */
#ifndef DAEMON_ENDPOINT_H
#define DAEMON_ENDPOINT_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct endpoint {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	mode_t mode;
	int fd;	    /* listening, -1: none yet */
	int lock;   /* held as long as the process lives, -1: none yet */
	bool bound; /* the name is ours to remove */
	dev_t dev;  /* of the name while it is bound */
	ino_t ino;
	char why[320]; /* after a failure: what is wrong and what to do */
};

/* -1: the path is too long. */
int endpoint_init(struct endpoint *endpoint, const char *path, mode_t mode);

/* Takes the name and listens; again, where it was lost: then the old socket is closed. -1: see why; what was
 * there before still is. */
int endpoint_listen(struct endpoint *endpoint);

/* Whether the name still leads to the socket; it does not when the file was removed or replaced, or when
 * something was mounted over its directory. */
bool endpoint_holds(const struct endpoint *endpoint);

/* Closes everything and removes the names that are ours. */
void endpoint_fini(struct endpoint *endpoint);

#endif
