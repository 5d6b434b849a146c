#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "src/hot.h"
#include "src/sock.h"

/* Linux 6.16 is newer than the headers of some systems that this is built on. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

const char *sock_path(const char *name)
{
	static const char scheme[] = "unix:";
	const size_t length = sizeof(scheme) - 1;

	return strncmp(name, scheme, length) == 0 ? name + length : name;
}

socklen_t sock_address(struct sockaddr_un *addr, const char *path)
{
	size_t len = strlen(path);

	if (len == 0) {
		errno = EINVAL;
		return 0;
	}
	if (len >= sizeof(addr->sun_path)) {
		errno = ENAMETOOLONG;
		return 0;
	}
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, len);
	if (path[0] == '@')
		addr->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

int sock_connect(const char *path)
{
	struct sockaddr_un addr;
	socklen_t len = sock_address(&addr, path);
	int fd, saved;

	if (len == 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&addr, len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

struct sock_peer sock_peer(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return (struct sock_peer){0, (uid_t)-1};
	return (struct sock_peer){peer.pid, peer.uid};
}

int sock_connected(int sock)
{
	struct pollfd poll_fd = {.fd = sock, .events = POLLOUT};
	socklen_t len = sizeof(int);
	int error = EINPROGRESS;

	if (poll(&poll_fd, 1, 0) > 0 && getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return -1;
	errno = error;
	return error == 0 ? 0 : -1;
}

ssize_t sock_send(int sock, const void *data, size_t len)
{
	return send(sock, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

HOT void sock_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The union aligns the buffer for struct cmsghdr, see cmsg(3). */
union fd_control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

ssize_t sock_send_fd(int sock, const void *data, size_t len, int fd)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	union fd_control control = {{0}};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Takes the descriptors of one control message. */
static void take_fds(const struct cmsghdr *header, int *fd)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int each;

	for (size_t i = 0; i < count; i++) {
		memcpy(&each, CMSG_DATA(header) + i * sizeof(each), sizeof(each));
		if (*fd < 0)
			*fd = each;
		else
			sock_close(each);
	}
}

/* The padding of the buffer has room for a second descriptor, which the kernel then installs. */
ssize_t sock_recv_fd(int sock, void *data, size_t len, int *fd)
{
	struct iovec iov = {.iov_base = data, .iov_len = len};
	union fd_control control;
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *header;
	ssize_t n;

	*fd = -1;
	n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -1;
	for (header = CMSG_FIRSTHDR(&msg); header != NULL; header = CMSG_NXTHDR(&msg, header))
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
			take_fds(header, fd);
	if (*fd < 0 && (msg.msg_flags & MSG_CTRUNC) != 0)
		*fd = SOCK_FD_LOST;
	return n;
}

bool sock_refuse_fds(int sock)
{
	const int refuse = 0;
	socklen_t len = sizeof(int);
	int taken;

	if (getsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &taken, &len) != 0 || !taken)
		return false;
	return setsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &refuse, sizeof(refuse)) == 0;
}

bool sock_refuses_fds(int sock)
{
	socklen_t len = sizeof(int);
	int taken = 1;

	if (getsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &taken, &len) == 0 && !taken)
		return true;
	len = sizeof(int);
	return getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &taken, &len) == 0 && taken != AF_UNIX;
}

/* Peeking closes no last descriptor, since the queue still holds it; without room for one, it is only
 * reported. What comes in between is not read. */
ssize_t sock_recv_bytes(int sock, void *data, size_t len)
{
	struct iovec iov = {.iov_base = data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	const ssize_t n = recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT);

	if (n <= 0)
		return n;
	if (msg.msg_flags & MSG_CTRUNC) {
		errno = EBADMSG;
		return -1;
	}
	return recv(sock, data, (size_t)n, MSG_DONTWAIT);
}
