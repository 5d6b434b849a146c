/*
 * Whether the place of the socket is safe: another user that can replace what leads to it could lead
 * clients to a daemon of its own, or have this daemon create files elsewhere.
 */
#ifndef DAEMON_SOCKET_DIR_H
#define DAEMON_SOCKET_DIR_H

#include <stddef.h>

/* Looks at each directory and symbolic link that leads to path, which is absolute: it must belong to root or
 * to the daemon's user, and no others may write to a directory that is not sticky. Of "/" nothing is asked,
 * since its owner has everything. 0, or -1 with the reason and the remedy in `why`. What does not exist is no
 * reason. */
int socket_dir_check(const char *path, char *why, size_t size);

#endif
