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
#include "daemon/notice.h"
#include "daemon/supervisor.h"
#include "daemon/xalloc.h"
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

struct supervisor {
	struct notice descriptor, service;
	char descriptor_name[32];
};

static const char *notify_socket(void)
{
	const char *address = getenv("NOTIFY_SOCKET");

	return address != NULL && address[0] != '\0' ? address : NULL;
}

struct supervisor *supervisor_ready(struct loop *loop, int ready_fd)
{
	struct supervisor *supervisor = xalloc_new(sizeof(*supervisor));

	snprintf(supervisor->descriptor_name, sizeof(supervisor->descriptor_name), "--ready-fd %d", ready_fd);
	if (ready_fd >= 0)
		notice_write(&supervisor->descriptor, loop, "\n", ready_fd, supervisor->descriptor_name);
	if (notify_socket() != NULL)
		notice_send(&supervisor->service, loop, "READY=1", notify_socket());
	return supervisor;
}

void supervisor_stopping(struct supervisor *supervisor)
{
	notice_fini(&supervisor->descriptor);
	notice_fini(&supervisor->service);
	if (notify_socket() != NULL)
		notice_send(&supervisor->service, NULL, "STOPPING=1", notify_socket());
	xalloc_free(supervisor);
}
