/* Accepts clients of other kernels: of the host, or of guests (vsock(7)). */
#ifndef DAEMON_VSOCK_LISTENER_H
#define DAEMON_VSOCK_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct vsock_listener;

/* The most context IDs that can be named. */
#define VSOCK_LISTENER_CIDS 64

struct vsock_listener_config {
	bool is_on;
	uint32_t port;
	uint32_t cids[VSOCK_LISTENER_CIDS]; /* that may connect */
	size_t cid_count;		    /* 0: all may */
};

/* on_accepted() takes over fd, which is non-blocking. NULL, after the reason is logged. */
struct vsock_listener *vsock_listener_new(struct loop *loop, const struct vsock_listener_config *config,
    void (*on_accepted)(int fd, uint32_t cid, void *context), void *context);
/* NULL: nothing to do. */
void vsock_listener_free(struct vsock_listener *listener);

#endif
