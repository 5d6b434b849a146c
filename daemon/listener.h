/* The listening socket: accepts without spinning when descriptors run out, and stays reachable when its
 * name is removed. */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <stdint.h>
#include <sys/types.h>

struct loop;
struct listener;

struct listener_config {
	const char *path;
	mode_t mode;
	const gid_t *group; /* that the socket must have; NULL: any */
	int inherited;	    /* a listening socket from the service manager, which owns its name; -1: none */
};

/* on_accepted() takes over fd, which is non-blocking. NULL, after the reason is logged. */
struct listener *listener_new(struct loop *loop, const struct listener_config *config,
    void (*on_accepted)(int fd, void *context), void *context);

/* Makes sure that the name still leads here and is watched. Checks again later if either cannot be had
 * now: at growing intervals, and at least every second, or every two if the name only cannot be watched. */
void listener_check(struct listener *listener);

/* Stops accepting and removes the names that the listener created. */
void listener_free(struct listener *listener);

struct listener_counts {
	uint64_t pauses;  /* because descriptors had run out */
	uint64_t rebinds; /* how often the name had to be bound again */
};
struct listener_counts listener_counts(const struct listener *listener);

#endif
