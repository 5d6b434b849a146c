/* The servers that the baselines need, each with a private unix socket and no port. They end with the bench.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#include "bench/harness.h"

enum server_kind { SERVER_NONE, SERVER_READYD, SERVER_REDIS, SERVER_MEMCACHED, SERVER_KINDS };

/* Starts it unless it runs already; returns once it serves. */
void server_start(const struct bench *bench, enum server_kind kind);
/* Ends it; the next server_start() starts a fresh one. */
void server_stop(enum server_kind kind);

pid_t server_pid(enum server_kind kind);
const char *server_socket(const struct bench *bench, enum server_kind kind);

/* The name of the server that has this pid, or NULL; how many run. */
const char *server_name(pid_t pid);
size_t server_count(void);

#endif
