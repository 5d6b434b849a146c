/* The system calls on unix stream sockets. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/actors.h"
#include "tests/sim/faults.h"
#include "tests/sim/syscalls.h"
#include "tests/sim/world.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* as in src/sock.c */
#endif

static struct stream *enter_stream(int sock, int *side)
{
	struct sim_fd *found;

	faults_tick();
	found = fd_get(world.current, sock);
	if (found == NULL)
		return NULL;
	if (found->kind != FD_STREAM)
		abort();
	*side = found->side;
	return &world.streams[found->index];
}

int __wrap_socket(int domain, int type, int protocol)
{
	int index = 0, fd;

	(void)domain;
	(void)type;
	(void)protocol;
	faults_tick();
	while (index < POOL_STREAMS && world.streams[index].used)
		index++;
	if (index == POOL_STREAMS)
		abort();
	fd = fd_new(world.current, FD_STREAM, index, 0);
	if (fd < 0)
		return -1;
	memset(&world.streams[index], 0, offsetof(struct stream, flow));
	for (int i = 0; i < 2; i++)
		world.streams[index].flow[i].len = world.streams[index].flow[i].right_count = 0;
	world.streams[index].used = world.streams[index].open[0] = true;
	world.streams[index].client = world.current->id;
	return fd;
}

int __wrap_connect(int sock, const struct sockaddr *address, socklen_t len)
{
	int side;
	struct stream *stream = enter_stream(sock, &side);

	(void)address;
	(void)len;
	if (stream == NULL)
		return -1;
	if (!world.listening) {
		errno = ECONNREFUSED;
		return -1;
	}
	if (world.backlog_len == BACKLOG) {
		errno = EAGAIN;
		return -1;
	}
	stream->open[1] = true;
	world.backlog[world.backlog_len++] = (int)(stream - world.streams);
	return 0;
}

int __wrap_getsockopt(int sock, int level, int option, void *value, socklen_t *len)
{
	int side;
	struct stream *stream = enter_stream(sock, &side);
	struct ucred peer = {0};

	(void)level;
	errno = ENOPROTOOPT;
	if (stream == NULL)
		return -1;
	if (option == SO_PASSRIGHTS) {
		memset(value, 0, sizeof(int));
		return 0;
	}
	if (option != SO_PEERCRED)
		return -1;
	peer.pid = side == 0 ? world.actors[SIM_DAEMON].pid : world.actors[stream->client].pid;
	peer.uid = side == 0 ? world.actors[SIM_DAEMON].uid : world.actors[stream->client].uid;
	memcpy(value, &peer, sizeof(peer));
	*len = sizeof(peer);
	return 0;
}

int __wrap_setsockopt(int sock, int level, int option, const void *value, socklen_t len)
{
	(void)sock;
	(void)level;
	(void)option;
	(void)value;
	(void)len;
	return 0;
}

static ssize_t put(struct stream *stream, int side, const void *data, size_t len, const struct sim_fd *right)
{
	struct flow *flow = &stream->flow[1 - side];

	if (stream_ended(stream, side)) {
		errno = EPIPE;
		return -1;
	}
	errno = EAGAIN;
	if (flow->len == FLOW_BYTES ||
	    (right != NULL && (flow->len + len > FLOW_BYTES || flow->right_count == FLOW_RIGHTS)))
		return -1;
	if (len > FLOW_BYTES - flow->len)
		len = FLOW_BYTES - flow->len;
	if (right != NULL) {
		fd_share(right);
		flow->rights[flow->right_count].at = flow->len;
		flow->rights[flow->right_count++].fd = *right;
	}
	memcpy(flow->bytes + flow->len, data, len);
	flow->len += (unsigned)len;
	return (ssize_t)len;
}

ssize_t __wrap_send(int sock, const void *data, size_t len, int flags)
{
	int side;
	struct stream *stream = enter_stream(sock, &side);

	(void)flags;
	return stream == NULL ? -1 : put(stream, side, data, len, NULL);
}

ssize_t __wrap_sendmsg(int sock, const struct msghdr *msg, int flags)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	struct sim_fd *right = NULL;
	int side, fd;
	struct stream *stream = enter_stream(sock, &side);

	(void)flags;
	if (stream == NULL)
		return -1;
	if (header != NULL) {
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		right = fd_get(world.current, fd);
		if (right == NULL)
			return -1;
	}
	return put(stream, side, msg->msg_iov[0].iov_base, msg->msg_iov[0].iov_len, right);
}

static ssize_t nothing_left(struct stream *stream, int side)
{
	if (!stream_ended(stream, side)) {
		errno = EAGAIN;
		return -1;
	}
	if (!stream->reset)
		return 0;
	stream->reset = false;
	errno = ECONNRESET;
	return -1;
}

/* Bytes with a descriptor are not joined with earlier ones. The descriptor is moved to *right. */
static ssize_t take(struct stream *stream, int side, void *data, size_t len, struct sim_fd *right)
{
	struct flow *flow = &stream->flow[side];
	unsigned n = flow->len < len ? flow->len : (unsigned)len, next = 0;

	right->kind = FD_FREE;
	if (flow->len == 0)
		return nothing_left(stream, side);
	if (flow->right_count > 0 && flow->rights[0].at == 0) {
		*right = flow->rights[0].fd;
		next = 1;
	}
	if (flow->right_count > next && flow->rights[next].at < n)
		n = flow->rights[next].at;
	if (fault(FAULT_FRAGMENT))
		n = 1 + dice_below(n);
	memcpy(data, flow->bytes, n);
	flow->len -= n;
	memmove(flow->bytes, flow->bytes + n, flow->len);
	flow->right_count -= next;
	for (unsigned i = 0; i < flow->right_count; i++) {
		flow->rights[i] = flow->rights[i + next];
		flow->rights[i].at -= n;
	}
	return (ssize_t)n;
}

ssize_t __wrap_recv(int sock, void *data, size_t len, int flags)
{
	int side;
	struct stream *stream = enter_stream(sock, &side);
	struct sim_fd right;
	ssize_t n = stream == NULL ? -1 : take(stream, side, data, len, &right);

	(void)flags;
	if (n > 0)
		fd_release(&right);
	return n;
}

static void hand_over(struct msghdr *msg, struct sim_fd *right)
{
	int fd = fd_new(world.current, right->kind, right->index, right->side);
	struct cmsghdr *header;

	if (fd < 0) {
		fd_release(right);
		msg->msg_controllen = 0;
		msg->msg_flags = MSG_CTRUNC;
		return;
	}
	header = CMSG_FIRSTHDR(msg);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

ssize_t __wrap_recvmsg(int sock, struct msghdr *msg, int flags)
{
	int side;
	struct stream *stream = enter_stream(sock, &side);
	struct sim_fd right = {0};
	ssize_t n;

	(void)flags;
	if (stream == NULL)
		return -1;
	n = take(stream, side, msg->msg_iov[0].iov_base, msg->msg_iov[0].iov_len, &right);
	msg->msg_flags = 0;
	if (n > 0 && right.kind != FD_FREE)
		hand_over(msg, &right);
	else
		msg->msg_controllen = 0;
	return n;
}

ssize_t __wrap___recv_chk(int sock, void *data, size_t len, size_t room, int flags)
{
	(void)room;
	return __wrap_recv(sock, data, len, flags);
}
