/* Whether the process that listens at a socket may be believed. */
#ifndef SRC_TRUST_H
#define SRC_TRUST_H

#include <stdbool.h>
#include <sys/types.h>

/* No user. */
#define TRUST_NO_UID ((uid_t)-1)

/* Whether a listener with this uid (src/sock.h) is root's, our effective user's, or that of the user `also`.
 * A uid that may stand for any of several users (src/uidmap.h) is none of them. */
bool trust_user(uid_t uid, uid_t also);

/* Room for the path that trust_directory() writes: any that fits into a socket's address. */
#define TRUST_PATH_SIZE 108

/*
 * Under socket activation, the listener's uid is that of the service manager. So a socket is also believed
 * by its place: a directory that is root's and that no other user can write to.
 *
 * Returns a descriptor of that directory, with in path the socket's path through it (which needs /proc), so
 * that what is connected to is what was checked; -1: the socket, if it exists, lies elsewhere.
 */
int trust_directory(const char *socket, char path[TRUST_PATH_SIZE]);

#endif
