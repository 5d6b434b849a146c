/* A connection to the daemon: requests out, replies and descriptors in. Never blocks. */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "src/wire.h"

/* Descriptors that may have arrived ahead of being taken. */
#define LINK_FDS 16

struct link {
	int fd; /* -1: closed */
	size_t in_len, in_used, out_len;
	char *out; /* requests that the socket has not taken yet */
	int fds[LINK_FDS];
	unsigned fd_count;
	char *in; /* while it is open */
};

void link_init(struct link *link);

/* Connects. -1: ENOMEM, or see sock_connect(). */
int link_open(struct link *link, const char *socket);
void link_close(struct link *link);

/* Has a request sent with the next one that is. -1: no memory. */
int link_put(struct link *link, const struct wire_request *request);
/* Sends a request now or, when the socket is full, by a later link_flush(). -1: the link is dead. */
int link_send(struct link *link, const struct wire_request *request);
int link_flush(struct link *link);
/* Whether there is something to flush: poll for POLLOUT too. */
bool link_wants_write(const struct link *link);

/* 1: *reply is the next reply; its text points into the link and is valid until the next call; of a GATE,
 * *fd is the descriptor, now the caller's (else -1); where this process has none left for it, the reply is
 * the error that the daemon would give if it had none. 0: none yet. -1: the link is dead: ECONNRESET at its
 * end, EPROTO when the other side does not speak the protocol. */
int link_next(struct link *link, struct wire_reply *reply, int *fd);

#endif
