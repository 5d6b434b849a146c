/* The servers that baselines and adapters need. Each listens on a private unix socket, on no port, and ends
 * with the bench. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#include "bench/harness.h"

enum server_kind { SERVER_NONE, SERVER_READYD, SERVER_REDIS, SERVER_MEMCACHED, SERVER_KINDS };

/* Starts the server unless it is running; returns when it accepts connections. */
void server_start(const struct bench *bench, enum server_kind kind);
/* Kills the server, so that the next server_start() starts a fresh one. */
void server_stop(enum server_kind kind);

pid_t server_pid(enum server_kind kind);
const char *server_socket(const struct bench *bench, enum server_kind kind);

/* The name of the server with this pid, or NULL. */
const char *server_name(pid_t pid);

#endif
