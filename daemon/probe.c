#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "daemon/probe.h"
#include "src/clock.h"
#include "src/sock.h"

/* Between two attempts, while the backlog is full or the listener resets the connection. */
#define PAUSE_MS 10

static int left(int64_t end)
{
	const int64_t ms = end - clock_ms();

	return ms > 0 ? (int)ms : 0;
}

/* Whether it has answered or, as a daemon that discards the connection, closed it in order. The end of a
 * process that has not accepted the connection resets it instead. */
static bool answers(int fd, int64_t end)
{
	static const char ping[] = "PING\n";
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	char byte;

	/* If this fails, the other end is closed, and what it has sent before can be read. */
	(void)sock_send(fd, ping, sizeof(ping) - 1);
	return poll(&readable, 1, left(end)) > 0 && recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0;
}

static enum probe probe_once(const char *path, int64_t end)
{
	int fd = sock_connect(path);
	bool answered;

	if (fd < 0 && errno == EAGAIN)
		return PROBE_SILENT;
	if (fd < 0)
		return errno == ECONNREFUSED || errno == ENOENT ? PROBE_DEAD : PROBE_UNKNOWN;
	answered = answers(fd, end);
	sock_close(fd);
	return answered ? PROBE_ANSWERED : PROBE_SILENT;
}

enum probe probe_socket(const char *path, int64_t ms)
{
	const int64_t end = clock_ms() + ms;
	enum probe result;

	while ((result = probe_once(path, end)) == PROBE_SILENT && left(end) > 0)
		(void)poll(NULL, 0, PAUSE_MS);
	return result;
}
