/*
 * Asking a server whether a process is ready: readyd with QUERY, memcached and Redis for a key named after
 * the pid.
 */
#ifndef BENCH_ADAPTER_H
#define BENCH_ADAPTER_H

#include "bench/client.h"
#include "bench/server.h"

#define ADAPTER_TEXT_SIZE 128

struct adapter {
	const char *name;
	enum server_kind server;
	const char *query;		    /* format with the pid */
	const char *set, *set_reply;	    /* format that sets the key, and the reply; NULL: readyd */
	const char *yes_prefix, *no_prefix; /* how an answer begins */
	int yes_lines, no_lines;	    /* how many lines it has */
};

extern const struct adapter adapter_readyd, adapter_redis, adapter_memcached;

/* Reads one answer; any other reply aborts the run. */
bool adapter_read_answer(const struct adapter *adapter, struct client *client);
bool adapter_query(const struct adapter *adapter, struct client *client, long pid);
void adapter_set_ready(const struct adapter *adapter, struct client *client, long pid);

#endif
