/*
 * Closes a connection on which descriptors of any kind may have been sent. The last close of a descriptor
 * can block for as long as its sender likes: that of a TCP socket with SO_LINGER waits for its peer. It
 * does not wait in a process that is exiting (inet_release() in net/ipv4/af_inet.c), so the last reference
 * is left to a child that exits.
 */
#ifndef DAEMON_DISCARD_H
#define DAEMON_DISCARD_H

struct loop;

/* Closes fd without reading it and without blocking. The event loop reaps the child. If no child can be
 * created, fd is shut down and stays open until the daemon exits. */
void discard(struct loop *loop, int fd);

/* Closes a connection that may have been sent descriptors which have not been read. */
void discard_unread(struct loop *loop, int fd);

#endif
