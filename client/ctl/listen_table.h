/* The lines of proc_net_tcp(5) and proc_net_unix(5) for sockets that listen. Pure. */
#ifndef CLIENT_LISTEN_TABLE_H
#define CLIENT_LISTEN_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum listen_line {
	LISTEN_LINE_OTHER,   /* it listens elsewhere, or the line is not one of a socket */
	LISTEN_LINE_MATCHES, /* it listens there */
	LISTEN_LINE_LAST     /* it does not listen: the kernel lists those that do first */
};

/* A line of /proc/net/tcp or tcp6. */
enum listen_line listen_table_tcp(const char *line, unsigned port, uint64_t *inode);

/* A line of /proc/net/unix, with its newline. *path is the rest of it, which the process has passed to
 * bind(2), up to the newline; an abstract name starts with "@". False: it does not listen, or has no name. */
bool listen_table_unix(const char *line, uint64_t *inode, const char **path);

#endif
