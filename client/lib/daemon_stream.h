/* Parses what the daemon sends: bytes and descriptors in, replies out. No I/O. */
#ifndef CLIENT_LIB_DAEMON_STREAM_H
#define CLIENT_LIB_DAEMON_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "src/wire.h"

/* How many descriptors may have arrived before their replies are parsed. */
#define DAEMON_STREAM_FDS  16
#define DAEMON_STREAM_SIZE (2 * WIRE_REPLY_MAX)

struct daemon_stream {
	char *buffer; /* the caller's, of DAEMON_STREAM_SIZE */
	size_t len, used;
	bool skips; /* what is not a reply is skipped: an earlier client of a stream may have left it */
	int fds[DAEMON_STREAM_FDS];
	unsigned fd_count;
};

void daemon_stream_init(struct daemon_stream *stream, char *buffer);

/* Where to store the next bytes, and how many fit; 0: a line is longer than any reply. Invalidates the text
 * of earlier replies. */
size_t daemon_stream_room(struct daemon_stream *stream, char **at);

/* n bytes have been stored there, and this descriptor came with them (-1: none, SOCK_FD_LOST: one that this
 * process could not receive). -1: EPROTO, there are too many descriptors; the caller keeps this one. */
int daemon_stream_feed(struct daemon_stream *stream, size_t n, int fd);

/* 1: *reply is the next reply; its text points into the buffer. *fd is the descriptor of a GATE, which the
 * caller then owns, else -1; if it could not be received, the reply is the error that a daemon without
 * descriptors sends. 0: the next reply is incomplete. -1: EPROTO. */
int daemon_stream_next(struct daemon_stream *stream, struct wire_reply *reply, int *fd);

/* A descriptor that belongs to no reply; the caller then owns it. -1: none is left. */
int daemon_stream_unclaimed(struct daemon_stream *stream);

#endif
