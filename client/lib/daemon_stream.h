/* What the daemon sends: bytes and descriptors in, replies out. No I/O. */
#ifndef CLIENT_LIB_DAEMON_STREAM_H
#define CLIENT_LIB_DAEMON_STREAM_H

#include <stddef.h>

#include "src/wire.h"

/* Descriptors that may have arrived ahead of being taken. */
#define DAEMON_STREAM_FDS  16
#define DAEMON_STREAM_SIZE (2 * WIRE_REPLY_MAX)

struct daemon_stream {
	char *buffer; /* the caller's, of DAEMON_STREAM_SIZE */
	size_t len, used;
	int fds[DAEMON_STREAM_FDS];
	unsigned fd_count;
};

void daemon_stream_init(struct daemon_stream *stream, char *buffer);

/* Where to put the bytes that come next, and how many fit; 0: a line is longer than any reply. The text of
 * the replies before is invalid then. */
size_t daemon_stream_room(struct daemon_stream *stream, char **at);

/* n bytes were put there, and with them came this descriptor (-1: none, SOCK_FD_LOST: one that this process
 * could not take). -1: EPROTO, more descriptors than there can be; this one is still the caller's. */
int daemon_stream_feed(struct daemon_stream *stream, size_t n, int fd);

/* 1: *reply is the next reply; its text points into the buffer. *fd is the descriptor of a GATE, now the
 * caller's, else -1; one that this process could not take gives the error that the daemon sends if it has
 * none. 0: no whole reply is here. -1: EPROTO. */
int daemon_stream_next(struct daemon_stream *stream, struct wire_reply *reply, int *fd);

/* A descriptor that no reply has claimed, now the caller's; -1: none is left. */
int daemon_stream_unclaimed(struct daemon_stream *stream);

#endif
