/* The verbs of readyd's protocol that memcached and Redis have no counterpart for. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <sys/types.h>

#include "bench/client.h"

/* Sends GATE and returns the descriptor. The client must have no unread line, since only this call receives
 * descriptors. */
int wire_gate(const struct client *client, pid_t pid);
/* Sends WAIT; the daemon answers only when the process is ready or has ended. */
void wire_wait(struct client *client, pid_t pid);
/* Returns when the daemon has handled all earlier requests. */
void wire_ping(struct client *client);

#endif
