/* One connection to a server that speaks in lines: the same code for readyd, memcached and Redis. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct client {
	int fd;
	const char *path;
	size_t used, len; /* of in[] */
	char in[65536];
};

/* Connects. The path must stay. Whatever goes wrong with a connection is the end. */
void client_open(struct client *client, const char *path);
void client_close(struct client *client);

void client_send(struct client *client, const char *text, size_t len);
/* The next line without its end; valid until the next call. */
const char *client_line(struct client *client);
/* The next line, which must begin so. */
void client_expect(struct client *client, const char *beginning);

#endif
