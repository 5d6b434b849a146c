/* The socket to the daemon: requests out, replies and descriptors in. Never blocks. */
#ifndef CLIENT_LIB_DAEMON_IO_H
#define CLIENT_LIB_DAEMON_IO_H

#include <stdbool.h>
#include <stddef.h>

#include "client/lib/daemon_stream.h"
#include "src/vsock.h"
#include "src/wire.h"

struct daemon_io {
	int fd; /* -1: closed */
	bool connecting;
	bool drained; /* the last read has left nothing in the socket */
	struct daemon_stream in;
	char *out; /* requests that are not written to the socket yet */
	size_t out_len;
};

void daemon_io_init(struct daemon_io *io);

/* Connects. -1: errno, ENOMEM or those of sock_connect(). */
int daemon_io_open(struct daemon_io *io, const char *socket);
/* The same in the background: a failure is that of a later call. */
int daemon_io_open_vsock(struct daemon_io *io, const struct vsock_address *address);
void daemon_io_close(struct daemon_io *io);

/* The request is sent by a later daemon_io_flush(). -1: no memory. */
int daemon_io_put(struct daemon_io *io, const struct wire_request *request);
/* The next request begins a line, whatever was sent on a stream before. */
int daemon_io_end_line(struct daemon_io *io);
/* Writes what the socket accepts; the rest stays queued. -1: the connection is broken. */
int daemon_io_flush(struct daemon_io *io);
/* Whether there is something to flush: poll for POLLOUT too. */
bool daemon_io_wants_write(const struct daemon_io *io);

/* As daemon_stream_next(); in addition -1 with ECONNRESET at the end of the connection. */
int daemon_io_next(struct daemon_io *io, struct wire_reply *reply, int *fd);

#endif
