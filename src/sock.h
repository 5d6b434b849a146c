/* Unix stream sockets: addresses, connecting without blocking, descriptors in messages. */
#ifndef SRC_SOCK_H
#define SRC_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* Fills addr from a path, or from "@name" for an abstract name; returns the address length, or 0 with
 * errno EINVAL or ENAMETOOLONG. */
socklen_t sock_address(struct sockaddr_un *addr, const char *path);

/* A connected, non-blocking, close-on-exec socket, or -1: ENOENT and ECONNREFUSED when nobody listens,
 * EAGAIN when the backlog is full. Never blocks: on unix sockets a connection is made at once or not at
 * all. */
int sock_connect(const char *path);

/* The process that listens at the other end of a connected socket (SO_PEERCRED), or the one that listened for
 * it when the socket was handed over; 0: not known. */
pid_t sock_peer_pid(int sock);

/* Like send(2) with MSG_DONTWAIT | MSG_NOSIGNAL. */
ssize_t sock_send(int sock, const void *data, size_t len);

/* Sends len bytes with descriptor fd attached; like send(2) with MSG_DONTWAIT | MSG_NOSIGNAL. */
ssize_t sock_send_fd(int sock, const void *data, size_t len, int fd);

/* For sock_recv_fd(): one was sent, but this process has no descriptor left to take it. */
#define SOCK_FD_LOST (-2)

/* Receives bytes and at most one descriptor (*fd, else -1 or SOCK_FD_LOST; close-on-exec); like recv(2) with
 * MSG_DONTWAIT. */
ssize_t sock_recv_fd(int sock, void *data, size_t len, int *fd);

/* Closes a socket, or a descriptor that was received; -1 is ignored. */
void sock_close(int fd);

/* Makes the kernel refuse descriptors that a peer sends to this socket: the peer's sendmsg(2) fails with
 * EPERM. What is accepted from a listening socket refuses them if the listener did when the peer connected.
 * Returns whether the socket took descriptors until now, so that some may be in its queue; false before
 * Linux 6.16, which cannot refuse any. */
bool sock_refuse_fds(int sock);

#endif
