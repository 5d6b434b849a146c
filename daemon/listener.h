/*
 * The listening socket: made so that two daemons never share a name and no client that sees the name is
 * refused; accepting without spinning when descriptors are used up.
 */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct listener;

struct listener_config {
	const char *path;
	mode_t mode;
	int inherited; /* a listening socket from the service manager, else -1 */
};

struct listener_hooks {
	void (*accepted)(void *context, int fd); /* takes over fd, non-blocking */
};

/* NULL, after the reason is logged. */
struct listener *listener_new(struct event_base *base, const struct listener_config *config,
    const struct listener_hooks *hooks, void *context);
/* Stops accepting and removes the names that it made. */
void listener_free(struct listener *listener);

/* How often it had to pause for want of descriptors. */
uint64_t listener_pauses(const struct listener *listener);

#endif
