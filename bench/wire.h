/* What only readyd's protocol has: gates and waits, asked for as a plain client does. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <sys/types.h>

#include "bench/client.h"

/* GATE on a connection: the descriptor. The client must have no unread line. */
int wire_join(const struct client *client, pid_t pid);
/* WAIT, without reading an answer: there is none before the end. */
void wire_wait(struct client *client, pid_t pid);
/* All that was sent before has been handled. */
void wire_barrier(struct client *client);

#endif
