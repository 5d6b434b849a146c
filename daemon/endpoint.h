/*
 * The socket's name in the file system. Two daemons never share it, and it is bound again when it is lost.
 * Each time, its place must be one that other users cannot replace (socket_dir).
 *
 * Where nothing has the name, the socket is bound to it and then listens. A client that connects in between
 * is refused (ECONNREFUSED), which is to it what the missing name (ENOENT) was a moment before: there is no
 * daemon yet, so it goes on by the marker file, and tries again a second later if it still waits. The other
 * order, to listen under a temporary name and rename, would leave that name in the kernel's table
 * (/proc/net/unix), and programs that remove unused sockets by that table would remove this one. So it is
 * used only over an old socket, which is then replaced without a gap.
 *
 * An abstract name ("@name", unix(7)) is held by the socket itself: it cannot be lost, and needs no lock.
 */
#ifndef DAEMON_ENDPOINT_H
#define DAEMON_ENDPOINT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "daemon/namelock.h"
/* The longest path of a socket: its temporary name must fit as well. */
#define ENDPOINT_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(".new"))
/* The longest name of an abstract socket, with the "@". */
#define ENDPOINT_NAME_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct endpoint {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	mode_t mode;
	const gid_t *group; /* must be the socket's, or it is not served; NULL: any */
	int fd;		    /* listening, -1: none yet */
	struct namelock lock;
	bool bound; /* the name is ours to remove */
	dev_t dev;  /* of the name while it is bound */
	ino_t ino;
	char why[PATH_MAX + 320]; /* after a failure: what is wrong and what to do */
};

static inline bool endpoint_is_abstract(const struct endpoint *endpoint)
{
	return endpoint->path[0] == '@';
}

/* -1: the path is too long. */
int endpoint_init(struct endpoint *endpoint, const char *path, mode_t mode);

/*
 * Takes the lock, and then binds the name and listens unless the name leads to the socket already. If it
 * binds, the socket that was bound before is closed. -1: see why; what was there before is unchanged.
 *
 * A socket that is in the way is replaced unless a process serves it, for which the first call waits up to a
 * second, and later ones, which must not keep clients waiting, 20 ms.
 */
int endpoint_listen(struct endpoint *endpoint);

/* Whether the name still leads to the socket, and the lock is held. Otherwise something was removed or
 * replaced, or mounted over the directory. */
bool endpoint_holds(const struct endpoint *endpoint);

/* Closes everything and removes the names that the endpoint created. */
void endpoint_fini(struct endpoint *endpoint);

#endif
