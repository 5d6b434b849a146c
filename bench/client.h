/* A connection to a server with a protocol of text lines: readyd, memcached or Redis. Any error aborts the
 * run. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct client {
	int fd;
	const char *path;
	size_t used, len; /* of in[]: read by the caller, received */
	char in[65536];
};

/* Keeps a reference to path. */
void client_open(struct client *client, const char *path);
void client_close(struct client *client);

void client_send(struct client *client, const char *text, size_t len);
/* The next line without its terminator; valid until the next call. */
const char *client_line(struct client *client);
/* Reads the next line, which must begin with this prefix. */
void client_expect(struct client *client, const char *prefix);

#endif
