#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/daemon_io.h"
#include "src/hot.h"
#include "src/sock.h"

void daemon_io_init(struct daemon_io *io)
{
	memset(io, 0, sizeof(*io));
	io->fd = -1;
}

static int take(struct daemon_io *io, int fd)
{
	char *buffer;

	if (fd < 0)
		return -1;
	buffer = malloc(DAEMON_STREAM_SIZE);
	if (buffer == NULL) {
		sock_close(fd);
		errno = ENOMEM;
		return -1;
	}
	io->fd = fd;
	daemon_stream_init(&io->in, buffer);
	return 0;
}

int daemon_io_open(struct daemon_io *io, const char *socket)
{
	daemon_io_close(io);
	return take(io, sock_connect(socket));
}

int daemon_io_open_vsock(struct daemon_io *io, const struct vsock_address *address)
{
	daemon_io_close(io);
	if (take(io, vsock_connect(address, SOCK_STREAM)) != 0)
		return -1;
	io->connecting = true;
	return 0;
}

HOT void daemon_io_close(struct daemon_io *io)
{
	int fd;

	if (io->fd < 0)
		return;
	while ((fd = daemon_stream_unclaimed(&io->in)) >= 0)
		sock_close(fd);
	sock_close(io->fd);
	free(io->in.buffer);
	free(io->out);
	daemon_io_init(io);
}

int daemon_io_put(struct daemon_io *io, const struct wire_request *request)
{
	char *out = realloc(io->out, io->out_len + WIRE_REQUEST_MAX);

	if (out == NULL)
		return -1;
	io->out = out;
	io->out_len += wire_write_request(out + io->out_len, WIRE_REQUEST_MAX, request);
	return 0;
}

int daemon_io_end_line(struct daemon_io *io)
{
	char *out = realloc(io->out, io->out_len + 1);

	if (out == NULL)
		return -1;
	io->out = out;
	io->out[io->out_len++] = '\n';
	return 0;
}

/* 1: it has connected; 0: it goes on. */
static int connect_further(struct daemon_io *io)
{
	if (!io->connecting)
		return 1;
	if (sock_connected(io->fd) != 0)
		return errno == EINPROGRESS ? 0 : -1;
	io->connecting = false;
	return 1;
}

int daemon_io_flush(struct daemon_io *io)
{
	const int connected = io->out_len == 0 ? 0 : connect_further(io);
	ssize_t n;

	if (connected <= 0)
		return connected;
	n = sock_send(io->fd, io->out, io->out_len);
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		io->out_len = 0; /* what the daemon sent before it closed the connection can still be read */
		return 0;
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	io->out_len -= (size_t)n;
	memmove(io->out, io->out + n, io->out_len);
	return 0;
}

bool daemon_io_wants_write(const struct daemon_io *io)
{
	return io->out_len > 0 || io->connecting;
}

/* 1: there are more bytes. */
static int receive(struct daemon_io *io)
{
	char *at;
	size_t room = daemon_stream_room(&io->in, &at);
	const int connected = connect_further(io);
	ssize_t n;
	int fd;

	if (connected <= 0)
		return connected;
	if (room == 0) {
		errno = EPROTO;
		return -1;
	}
	n = sock_recv_fd(io->fd, at, room, &fd);
	io->drained = n < 0 || ((size_t)n < room && fd == -1);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (daemon_stream_feed(&io->in, (size_t)n, fd) != 0) {
		sock_close(fd);
		errno = EPROTO;
		return -1;
	}
	if (n > 0)
		return 1;
	errno = ECONNRESET;
	return -1;
}

int daemon_io_next(struct daemon_io *io, struct wire_reply *reply, int *fd)
{
	int result, more = 1;

	while ((result = daemon_stream_next(&io->in, reply, fd)) == 0 && more == 1)
		more = receive(io);
	return result == 0 ? more : result;
}
