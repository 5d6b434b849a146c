/* A connection to the daemon: requests out, replies and descriptors in. Never blocks. */
#ifndef CLIENT_DAEMON_CONN_H
#define CLIENT_DAEMON_CONN_H

#include <stdbool.h>
#include <stddef.h>

#include "src/wire.h"

/* Descriptors that may have arrived ahead of being taken. */
#define DAEMON_CONN_FDS 16

struct daemon_conn {
	int fd; /* -1: closed */
	size_t in_len, in_used, out_len;
	char *out; /* requests that the socket has not taken yet */
	int fds[DAEMON_CONN_FDS];
	unsigned fd_count;
	char *in; /* while it is open */
};

void daemon_conn_init(struct daemon_conn *conn);

/* Connects. -1: ENOMEM, or see sock_connect(). */
int daemon_conn_open(struct daemon_conn *conn, const char *socket);
void daemon_conn_close(struct daemon_conn *conn);

/* Has a request sent with the next one that is. -1: no memory. */
int daemon_conn_put(struct daemon_conn *conn, const struct wire_request *request);
/* Sends a request now or, when the socket is full, by a later daemon_conn_flush(). -1: the link is dead. */
int daemon_conn_send(struct daemon_conn *conn, const struct wire_request *request);
int daemon_conn_flush(struct daemon_conn *conn);
/* Whether there is something to flush: poll for POLLOUT too. */
bool daemon_conn_wants_write(const struct daemon_conn *conn);

/* 1: *reply is the next reply; its text points into the link and is valid until the next call; of a GATE,
 * *fd is the descriptor, now the caller's (else -1); where this process has none left for it, the reply is
 * the error that the daemon would give if it had none. 0: none yet. -1: the link is dead: ECONNRESET at its
 * end, EPROTO when the other side does not speak the protocol. */
int daemon_conn_next(struct daemon_conn *conn, struct wire_reply *reply, int *fd);

#endif
