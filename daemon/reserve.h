/*
 * Descriptors kept free for examining processes, however many clients, gates and processes there are: an
 * answer must not depend on what other clients have used up.
 */
#ifndef DAEMON_RESERVE_H
#define DAEMON_RESERVE_H

#include <stdbool.h>

/* Whether fd, which was just opened, may stay open. The kernel assigns the lowest free number, so the
 * number shows how many are in use. */
bool reserve_allows(int fd);

#endif
