/* A simple broker: the only process with a watch. The waiters connect to its socket, and it sends a byte to
 * each. */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/baseline.h"
#include "src/sock.h"

#define BACKLOG 4096

static struct client client;
static int listener;

static const char *socket_of(const struct trial *trial)
{
	static char path[BENCH_PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/broker.sock", trial->bench->dir);
	return path;
}

/* The bench opens the socket, so that the waiters can connect before the broker runs. */
static void open_broker(struct trial *trial)
{
	struct sockaddr_un addr;
	socklen_t len = sock_address(&addr, socket_of(trial));

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) != 0 ||
	    listen(listener, BACKLOG) != 0)
		fail_errno("%s", socket_of(trial));
}

static void close_broker(struct trial *trial)
{
	close(listener);
	if (unlink(socket_of(trial)) != 0)
		fail_errno("%s", socket_of(trial));
}

static int wait_for_byte(struct trial *trial, int i)
{
	struct pollfd poll_fd = {.events = POLLIN};
	char byte;

	(void)i;
	client_open(&client, socket_of(trial));
	poll_fd.fd = client.fd;
	trial_report_armed(trial);
	while (!trial_marker_exists(trial))
		if (poll(&poll_fd, 1, -1) != 1 || recv(client.fd, &byte, 1, 0) != 1)
			return -1;
	return 0;
}

static void clean_up(struct trial *trial)
{
	(void)trial;
	client_close(&client);
}

static void accept_all(const struct trial *trial, int *fds)
{
	for (int i = 0; i < trial->waiters; i++) {
		fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fds[i] < 0)
			fail_errno("send: accept");
	}
}

static void watch_for_marker(const struct trial *trial, int fd)
{
	char buffer[4096] __attribute__((aligned(8)));

	while (!trial_marker_exists(trial))
		if (read(fd, buffer, sizeof(buffer)) <= 0)
			fail_errno("send: inotify");
}

/* For baseline_loses_one it sends nothing to the first waiter. */
static void broker_main(struct trial *trial)
{
	int fd = inotify_init1(IN_CLOEXEC), *fds = calloc((size_t)trial->waiters + 1, sizeof(*fds));

	if (fds == NULL || fd < 0 ||
	    inotify_add_watch(fd, trial->bench->markers, IN_CREATE | IN_MOVED_TO) < 0)
		fail_errno("send: inotify");
	accept_all(trial, fds);
	trial_report_armed(trial);
	watch_for_marker(trial, fd);
	for (int i = trial->baseline == &baseline_loses_one; i < trial->waiters; i++)
		if (send(fds[i], "r", 1, MSG_NOSIGNAL) != 1)
			fail_errno("send");
	free(fds);
}

#define BROKER                                                                                               \
	.wait = wait_for_byte, .clean_up = clean_up, .open = open_broker, .close = close_broker,             \
	.run_helper = broker_main

const struct baseline baseline_send = {.name = "send", BROKER};
const struct baseline baseline_loses_one = {.name = "loses-one", .only_by_name = true, BROKER};
