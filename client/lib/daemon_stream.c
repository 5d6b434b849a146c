#include "config.h"

#include <errno.h>
#include <string.h>

#include "client/lib/daemon_stream.h"
#include "src/sock.h"

void daemon_stream_init(struct daemon_stream *stream, char *buffer)
{
	memset(stream, 0, sizeof(*stream));
	stream->buffer = buffer;
}

size_t daemon_stream_room(struct daemon_stream *stream, char **at)
{
	stream->len -= stream->used;
	memmove(stream->buffer, stream->buffer + stream->used, stream->len);
	stream->used = 0;
	if (stream->skips && stream->len >= WIRE_REPLY_MAX)
		stream->len = 0;
	*at = stream->buffer + stream->len;
	return stream->len >= WIRE_REPLY_MAX ? 0 : DAEMON_STREAM_SIZE - stream->len;
}

int daemon_stream_feed(struct daemon_stream *stream, size_t n, int fd)
{
	if (fd != -1 && stream->fd_count == DAEMON_STREAM_FDS) {
		errno = EPROTO;
		return -1;
	}
	if (fd != -1)
		stream->fds[stream->fd_count++] = fd;
	stream->len += n;
	return 0;
}

/* Descriptors arrive in the order of the GATE lines, each with its line or before it. */
static int take_fd(struct daemon_stream *stream)
{
	int fd = stream->fds[0];

	stream->fd_count--;
	memmove(stream->fds, stream->fds + 1, stream->fd_count * sizeof(stream->fds[0]));
	return fd;
}

int daemon_stream_unclaimed(struct daemon_stream *stream)
{
	int fd = -1;

	while (fd < 0 && stream->fd_count > 0)
		fd = take_fd(stream);
	return fd;
}

static int take_gate(struct daemon_stream *stream, struct wire_reply *reply, int *fd)
{
	if (stream->fd_count == 0) {
		errno = EPROTO;
		return -1;
	}
	*fd = take_fd(stream);
	if (*fd == SOCK_FD_LOST) {
		reply->kind = WIRE_REPLY_ERROR;
		reply->error = WIRE_NO_RESOURCES;
		*fd = -1;
	}
	return 1;
}

/* 1: a line has been taken, and is a reply; as daemon_stream_next(). */
static int take_line(struct daemon_stream *stream, struct wire_reply *reply)
{
	const char *line;
	size_t len;
	bool parsed;

	do {
		line = stream->buffer + stream->used;
		len = wire_line(line, stream->len - stream->used);
		if (len == 0)
			return 0;
		parsed = wire_parse_reply(line, len, reply) == 0;
		if (!parsed && !stream->skips) {
			errno = EPROTO;
			return -1;
		}
		stream->used += len;
	} while (!parsed);
	return 1;
}

int daemon_stream_next(struct daemon_stream *stream, struct wire_reply *reply, int *fd)
{
	const int taken = take_line(stream, reply);

	*fd = -1;
	if (taken <= 0)
		return taken;
	return reply->kind == WIRE_REPLY_GATE ? take_gate(stream, reply, fd) : 1;
}
