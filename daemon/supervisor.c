#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/supervisor.h"
#include "src/number.h"
#include "src/sock.h"

/* sd_listen_fds(3) */
#define FIRST_PASSED 3

static int number_from_env(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	if (text == NULL || number_parse(text, strlen(text), INT_MAX, &value) != 0)
		return -1;
	return (int)value;
}

static int has_option(int fd, int option, int wanted)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

int supervisor_inherited(void)
{
	int count = number_from_env("LISTEN_FDS"), fd = FIRST_PASSED;

	if (number_from_env("LISTEN_PID") != (int)getpid() || count < 1)
		return -1;
	if (count > 1) {
		log_error(
		    "%d sockets in LISTEN_FDS, but only one can be served; keep one ListenStream", count);
		return -2;
	}
	if (!has_option(fd, SO_ACCEPTCONN, 1) || !has_option(fd, SO_TYPE, SOCK_STREAM) ||
	    !has_option(fd, SO_DOMAIN, AF_UNIX)) {
		log_error(
		    "the passed descriptor %d is not a listening unix stream socket; use ListenStream=/path",
		    fd);
		return -2;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		log_error("cannot use the passed descriptor %d: %s", fd, strerror(errno));
		return -2;
	}
	(void)sock_refuse_fds(fd);
	return fd;
}

/* Notification is best effort: log a failure and go on. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr;
	socklen_t len;
	int fd;

	if (path == NULL || path[0] == '\0')
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	len = sock_address(&addr, path);
	if (fd < 0 || len == 0 ||
	    sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&addr, len) < 0)
		log_warning("cannot notify %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void supervisor_ready(int ready_fd)
{
	if (ready_fd >= 0) {
		if (write(ready_fd, "\n", 1) != 1)
			log_warning("cannot write to --ready-fd %d: %s", ready_fd, strerror(errno));
		close(ready_fd);
	}
	notify("READY=1");
}

void supervisor_stopping(void)
{
	notify("STOPPING=1");
}
