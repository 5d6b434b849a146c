/* How one asks a server whether a process is ready: readyd by QUERY, the others for a key with its pid. */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include "bench/client.h"
#include "bench/server.h"

#define DIALECT_TEXT_SIZE 128

struct dialect {
	const char *name;
	enum server_kind server;
	const char *ask, *say;	 /* formats with the pid; say: tells the server that it is ready */
	const char *said;	 /* what it answers to that */
	const char *yes, *no;	 /* how the answer begins */
	int lines_yes, lines_no; /* how many it has */
};

extern const struct dialect dialect_readyd, dialect_redis, dialect_memcached;

/* Reads one answer. */
bool dialect_is_yes(const struct dialect *dialect, struct client *client);
bool dialect_ask(const struct dialect *dialect, struct client *client, long pid);
void dialect_say(const struct dialect *dialect, struct client *client, long pid);

#endif
