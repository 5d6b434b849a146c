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
/* The two steps of it, for a server that does not run. */
void server_spawn(const struct bench *bench, enum server_kind kind);
void server_await(const struct bench *bench, enum server_kind kind);
/* Ends the server by this signal and returns the CPU time that it took in all its life. */
int64_t server_end(enum server_kind kind, int sig);
/* Kills the server, so that the next server_start() starts a fresh one. */
void server_stop(enum server_kind kind);

pid_t server_pid(enum server_kind kind);
const char *server_socket(const struct bench *bench, enum server_kind kind);

/* Whether its program can be started here. */
bool server_is_installed(enum server_kind kind);
/* CPU time so far of the server and of the processes that it has started. */
int64_t server_cpu(enum server_kind kind);

/* The name of the server with this pid, or NULL. */
const char *server_name(pid_t pid);

#endif
