#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/link.h"
#include "src/hot.h"
#include "src/sock.h"

#define IN_SIZE (2 * WIRE_REPLY_MAX)

void link_init(struct link *link)
{
	memset(link, 0, sizeof(*link));
	link->fd = -1;
}

int link_open(struct link *link, const char *socket)
{
	link_close(link);
	link->fd = sock_connect(socket);
	if (link->fd < 0)
		return -1;
	link->in = malloc(IN_SIZE);
	if (link->in != NULL)
		return 0;
	link_close(link);
	errno = ENOMEM;
	return -1;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

HOT void link_close(struct link *link)
{
	if (link->fd < 0)
		return;
	while (link->fd_count > 0)
		close_fd(link->fds[--link->fd_count]);
	close(link->fd);
	free(link->in);
	free(link->out);
	link_init(link);
}

int link_flush(struct link *link)
{
	ssize_t n;

	if (link->out_len == 0)
		return 0;
	n = send(link->fd, link->out, link->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		link->out_len = 0; /* what it had to say before it hung up can still be read */
		return 0;
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	link->out_len -= (size_t)n;
	memmove(link->out, link->out + n, link->out_len);
	return 0;
}

int link_put(struct link *link, const struct wire_request *request)
{
	char *out = realloc(link->out, link->out_len + WIRE_REQUEST_MAX);

	if (out == NULL)
		return -1;
	link->out = out;
	link->out_len += wire_write_request(out + link->out_len, WIRE_REQUEST_MAX, request);
	return 0;
}

int link_send(struct link *link, const struct wire_request *request)
{
	return link_put(link, request) == 0 ? link_flush(link) : -1;
}

bool link_wants_write(const struct link *link)
{
	return link->out_len > 0;
}

/* 1: there is more in the buffer. */
static int receive(struct link *link)
{
	ssize_t n;
	int fd;

	memmove(link->in, link->in + link->in_used, link->in_len - link->in_used);
	link->in_len -= link->in_used;
	link->in_used = 0;
	if (link->in_len >= WIRE_REPLY_MAX) {
		errno = EPROTO;
		return -1;
	}
	n = sock_recv_fd(link->fd, link->in + link->in_len, IN_SIZE - link->in_len, &fd);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (fd != -1 && link->fd_count == LINK_FDS) {
		close_fd(fd);
		errno = EPROTO;
		return -1;
	}
	if (fd != -1)
		link->fds[link->fd_count++] = fd;
	if (n == 0) {
		errno = ECONNRESET;
		return -1;
	}
	link->in_len += (size_t)n;
	return 1;
}

/* Descriptors come in the order of the GATE lines, and never after theirs. */
static int take_fd(struct link *link)
{
	int fd;

	if (link->fd_count == 0)
		return -1;
	fd = link->fds[0];
	link->fd_count--;
	memmove(link->fds, link->fds + 1, link->fd_count * sizeof(link->fds[0]));
	return fd;
}

/* We have no descriptor left for a gate. To the caller it is as if the daemon had none. */
static void refuse(struct wire_reply *reply, int *fd)
{
	reply->kind = WIRE_REPLY_ERROR;
	reply->error = WIRE_NO_RESOURCES;
	*fd = -1;
}

int link_next(struct link *link, struct wire_reply *reply, int *fd)
{
	size_t len;
	int more = 1;

	*fd = -1;
	while ((len = wire_line(link->in + link->in_used, link->in_len - link->in_used)) == 0 && more == 1)
		more = receive(link);
	if (len == 0)
		return more;
	if (wire_parse_reply(link->in + link->in_used, len, reply) != 0) {
		errno = EPROTO;
		return -1;
	}
	link->in_used += len;
	if (reply->kind != WIRE_REPLY_GATE)
		return 1;
	*fd = take_fd(link);
	if (*fd == SOCK_FD_LOST)
		refuse(reply, fd);
	else if (*fd < 0) {
		errno = EPROTO;
		return -1;
	}
	return 1;
}
