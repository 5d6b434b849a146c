/* A plain broker: it alone watches, and sends a byte to each waiter, who has connected to its socket. */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/peer.h"
#include "src/sock.h"

#define BACKLOG 4096

static struct client client;
static int listener;

static const char *socket_of(const struct field *field)
{
	static char path[BENCH_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/broker.sock", field->bench->dir);
	return path;
}

/* In the bench, so that the broker is there before the waiters. */
static void open_broker(struct field *field)
{
	struct sockaddr_un addr;
	socklen_t len = sock_address(&addr, socket_of(field));

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) != 0 ||
	    listen(listener, BACKLOG) != 0)
		fail_errno("%s", socket_of(field));
}

static void close_broker(struct field *field)
{
	close(listener);
	if (unlink(socket_of(field)) != 0)
		fail_errno("%s", socket_of(field));
}

static int wait_for_byte(struct field *field, int i)
{
	struct pollfd poll_fd = {.events = POLLIN};
	char byte;

	(void)i;
	client_open(&client, socket_of(field));
	poll_fd.fd = client.fd;
	field_armed(field);
	while (!field_marker_is_there(field))
		if (poll(&poll_fd, 1, -1) != 1 || recv(client.fd, &byte, 1, 0) != 1)
			return -1;
	return 0;
}

static void leave(struct field *field)
{
	(void)field;
	client_close(&client);
}

static void accept_all(const struct field *field, int *fds)
{
	for (int i = 0; i < field->waiters; i++) {
		fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fds[i] < 0)
			fail_errno("send: accept");
	}
}

static void watch_for_marker(const struct field *field, int fd)
{
	char buffer[4096] __attribute__((aligned(8)));

	while (!field_marker_is_there(field))
		if (read(fd, buffer, sizeof(buffer)) <= 0)
			fail_errno("send: inotify");
}

/* Of the broken one, one message is lost. */
static void be_broker(struct field *field)
{
	int fd = inotify_init1(IN_CLOEXEC), *fds = calloc((size_t)field->waiters + 1, sizeof(*fds));

	if (fds == NULL || fd < 0 ||
	    inotify_add_watch(fd, field->bench->markers, IN_CREATE | IN_MOVED_TO) < 0)
		fail_errno("send: inotify");
	accept_all(field, fds);
	field_armed(field);
	watch_for_marker(field, fd);
	for (int i = field->peer->unasked; i < field->waiters; i++)
		if (send(fds[i], "r", 1, MSG_NOSIGNAL) != 1)
			fail_errno("send");
	free(fds);
}

#define BROKER                                                                                               \
	.wait = wait_for_byte, .leave = leave, .open = open_broker, .close = close_broker, .help = be_broker

const struct peer peer_send = {.name = "send", BROKER};
const struct peer peer_loses_one = {.name = "loses-one", .unasked = true, BROKER};
