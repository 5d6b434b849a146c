/* The lock file beside the socket: only the daemon that holds the lock may bind the socket's name. */
#ifndef DAEMON_NAMELOCK_H
#define DAEMON_NAMELOCK_H

#include <stdbool.h>
#include <sys/un.h>

#define NAMELOCK_TAIL ".lock"

struct namelock {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(NAMELOCK_TAIL)];
	int fd; /* the locked file, which may have lost its name; -1: none */
};

/* For the socket of that name, which is not longer than an address. */
void namelock_init(struct namelock *lock, const char *socket);

/* Whether the locked file has the name. If not, the file was removed or its directory replaced, and another
 * daemon may lock a file of its own. */
bool namelock_holds(const struct namelock *lock);

enum namelock_result {
	NAMELOCK_HELD,
	NAMELOCK_BUSY,	     /* another process holds it */
	NAMELOCK_FOREIGN,    /* the file is another user's, or has other names */
	NAMELOCK_NO_FILE,    /* cannot be created, see errno */
	NAMELOCK_NOT_LOCKED, /* cannot be examined or locked, see errno */
};

/* Locks the file that has the name, and creates it where there is none. In a directory that all may write to,
 * another user may have created it, and may hold the lock as well. A lock that is held already is given up
 * only for the new one: its directory may come back. */
enum namelock_result namelock_take(struct namelock *lock);

/* Removes the file if it is held. */
void namelock_fini(struct namelock *lock);

#endif
