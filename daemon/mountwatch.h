/* Watches the mount table: a mount over the directory of the markers or of the socket raises no other
 * event. */
#ifndef DAEMON_MOUNTWATCH_H
#define DAEMON_MOUNTWATCH_H

#include <stdbool.h>

struct loop;
struct loop_fd;

struct mountwatch {
	struct loop *loop;
	struct loop_fd *changed; /* NULL: the table cannot be watched, without /proc or epoll */
	int fd;
	void (*on_change)(void *context);
	void *context;
};

/* Opens nothing yet. on_change(context) is called when the mounts of this mount namespace have changed. */
void mountwatch_init(
    struct mountwatch *watch, struct loop *loop, void (*on_change)(void *context), void *context);
void mountwatch_fini(struct mountwatch *watch);

/* Opens the table if it is not open. False when it cannot be watched now. */
bool mountwatch_arm(struct mountwatch *watch);

#endif
