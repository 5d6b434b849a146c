#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "bench/harness.h"
#include "bench/wire.h"
#include "src/sock.h"

int wire_gate(const struct client *client, pid_t pid)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
	char text[64], reply[512];
	ssize_t got;
	int fd;

	if (dprintf(client->fd, "GATE %ld\n", (long)pid) < 0 || poll(&poll_fd, 1, -1) != 1)
		fail_errno("GATE");
	got = sock_recv_fd(client->fd, reply, sizeof(reply) - 1, &fd);
	if (got <= 0)
		fail_errno("GATE");
	reply[got] = '\0';
	snprintf(text, sizeof(text), "GATE %ld", (long)pid);
	if (fd < 0 || strncmp(reply, text, strlen(text)) != 0 || reply[got - 1] != '\n')
		fail("%s: the daemon says '%.200s'", text, reply);
	return fd;
}

void wire_wait(struct client *client, pid_t pid)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "WAIT %ld\n", (long)pid);

	client_send(client, text, (size_t)len);
}

void wire_ping(struct client *client)
{
	client_send(client, "PING\n", 5);
	client_expect(client, "PONG");
}
