/* How one asks a server whether a process is ready: readyd by QUERY, the others for a key with its pid. */
#ifndef BENCH_ADAPTER_H
#define BENCH_ADAPTER_H

#include "bench/client.h"
#include "bench/server.h"

#define ADAPTER_TEXT_SIZE 128

struct adapter {
	const char *name;
	enum server_kind server;
	const char *ask, *say;	 /* formats with the pid; say: tells the server that it is ready */
	const char *said;	 /* what it answers to that */
	const char *yes, *no;	 /* how the answer begins */
	int lines_yes, lines_no; /* how many it has */
};

extern const struct adapter adapter_readyd, adapter_redis, adapter_memcached;

/* Reads one answer. */
bool adapter_is_yes(const struct adapter *adapter, struct client *client);
bool adapter_ask(const struct adapter *adapter, struct client *client, long pid);
void adapter_say(const struct adapter *adapter, struct client *client, long pid);

#endif
