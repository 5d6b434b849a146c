#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl/process_tree.h"
#include "client/ctl/sign_notify.h"

#define NAME "/notify"
/* Messages in a turn, so that a flood of them does not keep us from the rest. */
#define TURN 64

/* mkdtemp(3) creates it with mode 0700. */
static int make_directory(char *path, size_t size)
{
	const char *tmp = secure_getenv("TMPDIR");
	int length = -1;

	if (tmp != NULL && tmp[0] == '/')
		length = snprintf(path, size, "%s/readyctl-XXXXXX", tmp);
	if (length < 0 || (size_t)length >= size - sizeof(NAME))
		snprintf(path, size, "/tmp/readyctl-XXXXXX");
	return mkdtemp(path) != NULL ? 0 : -1;
}

static int bind_and_name_senders(struct sign_notify *n)
{
	const int on = 1;

	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0)
		return -1;
	if (setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0)
		return -1;
	return bind(n->fd, (struct sockaddr *)&n->address, sizeof(n->address));
}

int sign_notify_open(struct sign_notify *n)
{
	char *path = n->address.sun_path;
	int error;

	*n = (struct sign_notify){.fd = -1, .address.sun_family = AF_UNIX};
	if (make_directory(path, sizeof(n->address.sun_path)) != 0) {
		error = errno;
		path[0] = '\0';
		errno = error;
		return -1;
	}
	strcat(path, NAME);
	return bind_and_name_senders(n);
}

void sign_notify_close(struct sign_notify *n)
{
	char *path = n->address.sun_path, *name = strrchr(path, '/');

	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	if (name == NULL)
		return;
	(void)unlink(path);
	*name = '\0';
	(void)rmdir(path);
	path[0] = '\0';
}

union control {
	char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(64 * sizeof(int))];
	struct cmsghdr align;
};

/* systemd-notify(1) waits until what it has sent with BARRIER=1 is closed. */
static void close_descriptors(struct cmsghdr *c)
{
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		close(fd);
	}
}

/* The sender, by the kernel's word. 0: not known. */
static pid_t take_control(struct msghdr *message)
{
	struct ucred sender = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&sender, CMSG_DATA(c), sizeof(sender));
		if (c->cmsg_type == SCM_RIGHTS)
			close_descriptors(c);
	}
	return sender.pid;
}

/* -1: there is none. */
static ssize_t receive(struct sign_notify *n, char *text, size_t size, pid_t *sender)
{
	struct iovec part = {.iov_base = text, .iov_len = size};
	union control control;
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	ssize_t length = recvmsg(n->fd, &message, MSG_CMSG_CLOEXEC);

	if (length >= 0)
		*sender = take_control(&message);
	return length;
}

static void take_status(struct sign_notify *n, const struct notify_message *m)
{
	if (!m->has_status || strcmp(n->status, m->status) == 0)
		return;
	memcpy(n->status, m->status, sizeof(n->status));
	n->status_is_new = true;
}

/* What a sender that cannot be examined says is not known to be the worker's. */
static bool take_message(struct sign_notify *n, const struct notify_message *m, pid_t sender, pid_t worker)
{
	bool counts = process_tree_has(worker, sender);

	if (counts)
		take_status(n, m);
	if (m->ready && !counts) {
		n->refused = true;
		n->refused_pid = sender;
	}
	return m->ready && counts;
}

bool sign_notify_check(struct sign_notify *n, pid_t worker)
{
	struct notify_message m;
	char text[4096];
	bool seen = false;
	pid_t sender;

	for (int i = 0; i < TURN && !seen; i++) {
		ssize_t length = receive(n, text, sizeof(text), &sender);

		if (length < 0)
			break;
		notify_message_parse(&m, text, (size_t)length);
		seen = take_message(n, &m, sender, worker);
	}
	return seen;
}
