#include "config.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/harness.h"
#include "src/sock.h"

void client_open(struct client *client, const char *path)
{
	struct sockaddr_un addr;
	socklen_t len = sock_address(&addr, path);

	/* Blocking, since connect(2) must wait while the backlog is full. */
	client->path = path;
	client->used = client->len = 0;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&addr, len) != 0)
		fail_errno("%s", path);
}

void client_close(struct client *client)
{
	close(client->fd);
}

void client_send(struct client *client, const char *text, size_t len)
{
	ssize_t sent;

	for (; len > 0; text += sent, len -= (size_t)sent) {
		sent = send(client->fd, text, len, MSG_NOSIGNAL);
		if (sent < 0)
			fail_errno("%s: send", client->path);
	}
}

/* Moves what is unread to the start of the buffer and receives more. */
static void fill(struct client *client)
{
	ssize_t got;

	memmove(client->in, client->in + client->used, client->len - client->used);
	client->len -= client->used;
	client->used = 0;
	if (client->len == sizeof(client->in))
		fail("%s: a line is longer than the buffer", client->path);
	got = recv(client->fd, client->in + client->len, sizeof(client->in) - client->len, 0);
	if (got < 0)
		fail_errno("%s", client->path);
	if (got == 0)
		fail("%s: the server has closed the connection", client->path);
	client->len += (size_t)got;
}

const char *client_line(struct client *client)
{
	char *line, *end;

	while ((end = memchr(client->in + client->used, '\n', client->len - client->used)) == NULL)
		fill(client);
	line = client->in + client->used;
	client->used = (size_t)(end + 1 - client->in);
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line;
}

void client_expect(struct client *client, const char *prefix)
{
	const char *line = client_line(client);

	if (strncmp(line, prefix, strlen(prefix)) != 0)
		fail("%s: the server says '%.200s' instead of '%s'", client->path, line, prefix);
}
