/* Unix stream sockets (unix(7)): addresses, non-blocking connect, passing descriptors. */
#ifndef SRC_SOCK_H
#define SRC_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* What follows "unix:", which may be left out. */
const char *sock_path(const char *name);

/* Fills in addr from a path, or from "@name" for an abstract address. Returns the length of the address, or 0
 * with errno EINVAL (path is empty) or ENAMETOOLONG. */
socklen_t sock_address(struct sockaddr_un *addr, const char *path);

/* Returns a connected, non-blocking, close-on-exec socket, or -1 with errno: ENOENT or ECONNREFUSED if no
 * process listens, EAGAIN if the backlog is full. Never blocks: on a Unix socket, connect(2) succeeds or
 * fails at once. */
int sock_connect(const char *path);

/* The process that called listen(2) at the other end of a connected socket (SO_PEERCRED in unix(7)), which
 * may have passed the listening socket to another process since. */
struct sock_peer {
	pid_t pid; /* 0: not known */
	uid_t uid; /* effective, at that time; (uid_t)-1: not known */
};

struct sock_peer sock_peer(int sock);

/* Whether a socket of another kind, which connects in the background, has connected. 0, or -1 with errno:
 * EINPROGRESS (poll it for POLLOUT), else why it has failed. */
int sock_connected(int sock);

/* Like send(2) with MSG_DONTWAIT | MSG_NOSIGNAL. */
ssize_t sock_send(int sock, const void *data, size_t len);

/* Sends len bytes and descriptor fd with them; like send(2) with MSG_DONTWAIT | MSG_NOSIGNAL. The caller
 * keeps fd. */
ssize_t sock_send_fd(int sock, const void *data, size_t len, int fd);

/* From sock_recv_fd(): a descriptor was sent, but this process has no free number for it (EMFILE). */
#define SOCK_FD_LOST (-2)

/* Receives bytes and at most one descriptor; like recv(2) with MSG_DONTWAIT. *fd is the descriptor, which is
 * close-on-exec and now the caller's, or -1 or SOCK_FD_LOST. Of several, the first is kept, and the others
 * are closed. */
ssize_t sock_recv_fd(int sock, void *data, size_t len, int *fd);

/* Closes a socket, or a descriptor that was received; -1 is ignored. */
void sock_close(int fd);

/* Makes the kernel refuse descriptors that a peer sends to this socket: the peer's sendmsg(2) fails with
 * EPERM. (SO_PASSRIGHTS, since Linux 6.16.) An accepted socket refuses them if the listening socket did when
 * the peer connected. Returns whether the socket accepted descriptors until now, so that some may be in its
 * queue; false before Linux 6.16, which cannot refuse any. */
bool sock_refuse_fds(int sock);

/* Whether the kernel refuses descriptors that the peer sends, or the socket is of a kind that cannot carry
 * any. */
bool sock_refuses_fds(int sock);

/* Like recv(2) with MSG_DONTWAIT, but -1 with errno EBADMSG, and nothing is read, if a descriptor is among
 * the bytes: recv(2) would close it, which can block. */
ssize_t sock_recv_bytes(int sock, void *data, size_t len);

#endif
