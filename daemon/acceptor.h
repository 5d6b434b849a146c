/* Accepts clients from a listening socket, without spinning when descriptors run out. */
#ifndef DAEMON_ACCEPTOR_H
#define DAEMON_ACCEPTOR_H

#include <stdint.h>

struct loop;
struct loop_fd;
struct loop_timer;

struct acceptor {
	struct loop *loop;
	void (*on_client)(int client, void *context);
	void *context;
	struct loop_fd *acceptable; /* NULL: stopped */
	struct loop_timer *resume;
	int parked; /* a client that was accepted in the reserve: it is served once there is room; -1: none */
	uint64_t pauses; /* because descriptors had run out */
};

/* on_client() takes over the descriptor, which is non-blocking. */
void acceptor_init(struct acceptor *acceptor, struct loop *loop, void (*on_client)(int client, void *context),
    void *context);
void acceptor_fini(struct acceptor *acceptor);

/* The socket stays the caller's; stop before it is closed. */
void acceptor_start(struct acceptor *acceptor, int fd);
void acceptor_stop(struct acceptor *acceptor);

#endif
