/* A plain broker: it alone watches, and sends a byte to each waiter's socket. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/peer.h"

static int (*pairs)[2];

static void send_open(struct field *field)
{
	pairs = calloc((size_t)field->waiters + 1, sizeof(*pairs));
	if (pairs == NULL)
		fail_errno("send");
	for (int i = 0; i < field->waiters; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) != 0)
			fail_errno("send: socketpair");
}

static void send_close(struct field *field)
{
	for (int i = 0; i < field->waiters; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	free(pairs);
}

static int send_wait(struct field *field, int i)
{
	struct pollfd poll_fd = {.fd = pairs[i][0], .events = POLLIN};
	char byte;

	field_armed(field);
	do {
		if (poll(&poll_fd, 1, -1) != 1 || recv(poll_fd.fd, &byte, 1, 0) != 1)
			return -1;
	} while (!field_marker_is_there(field));
	return 0;
}

static void be_broker(struct field *field)
{
	char buffer[4096] __attribute__((aligned(8)));
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0 || inotify_add_watch(fd, field->bench->markers, IN_CREATE | IN_MOVED_TO) < 0)
		fail_errno("send: inotify");
	field_armed(field);
	while (!field_marker_is_there(field))
		if (read(fd, buffer, sizeof(buffer)) <= 0)
			fail_errno("send: inotify");
	for (int i = field->peer->unasked; i < field->waiters; i++)
		if (send(pairs[i][1], "r", 1, MSG_NOSIGNAL) != 1)
			fail_errno("send");
}

const struct peer peer_send = {
    .name = "send", .wait = send_wait, .open = send_open, .close = send_close, .help = be_broker};

/* One message is lost. */
const struct peer peer_loses_one = {.name = "loses-one",
    .unasked = true,
    .wait = send_wait,
    .open = send_open,
    .close = send_close,
    .help = be_broker};
