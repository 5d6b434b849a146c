#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/lib/daemon_conn.h"
#include "src/hot.h"
#include "src/sock.h"

#define IN_SIZE (2 * WIRE_REPLY_MAX)

void daemon_conn_init(struct daemon_conn *conn)
{
	memset(conn, 0, sizeof(*conn));
	conn->fd = -1;
}

int daemon_conn_open(struct daemon_conn *conn, const char *socket)
{
	daemon_conn_close(conn);
	conn->fd = sock_connect(socket);
	if (conn->fd < 0)
		return -1;
	conn->in = malloc(IN_SIZE);
	if (conn->in != NULL)
		return 0;
	daemon_conn_close(conn);
	errno = ENOMEM;
	return -1;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

HOT void daemon_conn_close(struct daemon_conn *conn)
{
	if (conn->fd < 0)
		return;
	while (conn->fd_count > 0)
		close_fd(conn->fds[--conn->fd_count]);
	close(conn->fd);
	free(conn->in);
	free(conn->out);
	daemon_conn_init(conn);
}

int daemon_conn_flush(struct daemon_conn *conn)
{
	ssize_t n;

	if (conn->out_len == 0)
		return 0;
	n = send(conn->fd, conn->out, conn->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		conn->out_len = 0; /* what it had to say before it hung up can still be read */
		return 0;
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	conn->out_len -= (size_t)n;
	memmove(conn->out, conn->out + n, conn->out_len);
	return 0;
}

int daemon_conn_put(struct daemon_conn *conn, const struct wire_request *request)
{
	char *out = realloc(conn->out, conn->out_len + WIRE_REQUEST_MAX);

	if (out == NULL)
		return -1;
	conn->out = out;
	conn->out_len += wire_write_request(out + conn->out_len, WIRE_REQUEST_MAX, request);
	return 0;
}

int daemon_conn_send(struct daemon_conn *conn, const struct wire_request *request)
{
	return daemon_conn_put(conn, request) == 0 ? daemon_conn_flush(conn) : -1;
}

bool daemon_conn_wants_write(const struct daemon_conn *conn)
{
	return conn->out_len > 0;
}

/* 1: there is more in the buffer. */
static int receive(struct daemon_conn *conn)
{
	ssize_t n;
	int fd;

	memmove(conn->in, conn->in + conn->in_used, conn->in_len - conn->in_used);
	conn->in_len -= conn->in_used;
	conn->in_used = 0;
	if (conn->in_len >= WIRE_REPLY_MAX) {
		errno = EPROTO;
		return -1;
	}
	n = sock_recv_fd(conn->fd, conn->in + conn->in_len, IN_SIZE - conn->in_len, &fd);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (fd != -1 && conn->fd_count == DAEMON_CONN_FDS) {
		close_fd(fd);
		errno = EPROTO;
		return -1;
	}
	if (fd != -1)
		conn->fds[conn->fd_count++] = fd;
	if (n == 0) {
		errno = ECONNRESET;
		return -1;
	}
	conn->in_len += (size_t)n;
	return 1;
}

/* Descriptors come in the order of the GATE lines, and never after theirs. */
static int take_fd(struct daemon_conn *conn)
{
	int fd;

	if (conn->fd_count == 0)
		return -1;
	fd = conn->fds[0];
	conn->fd_count--;
	memmove(conn->fds, conn->fds + 1, conn->fd_count * sizeof(conn->fds[0]));
	return fd;
}

/* We have no descriptor left for a gate. To the caller it is as if the daemon had none. */
static void refuse(struct wire_reply *reply, int *fd)
{
	reply->kind = WIRE_REPLY_ERROR;
	reply->error = WIRE_NO_RESOURCES;
	*fd = -1;
}

int daemon_conn_next(struct daemon_conn *conn, struct wire_reply *reply, int *fd)
{
	size_t len;
	int more = 1;

	*fd = -1;
	while ((len = wire_line(conn->in + conn->in_used, conn->in_len - conn->in_used)) == 0 && more == 1)
		more = receive(conn);
	if (len == 0)
		return more;
	if (wire_parse_reply(conn->in + conn->in_used, len, reply) != 0) {
		errno = EPROTO;
		return -1;
	}
	conn->in_used += len;
	if (reply->kind != WIRE_REPLY_GATE)
		return 1;
	*fd = take_fd(conn);
	if (*fd == SOCK_FD_LOST)
		refuse(reply, fd);
	else if (*fd < 0) {
		errno = EPROTO;
		return -1;
	}
	return 1;
}
