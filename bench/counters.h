/* The daemon's counters (STATS), and what they tell about waiters. */
#ifndef BENCH_COUNTERS_H
#define BENCH_COUNTERS_H

#include "bench/client.h"
#include "bench/harness.h"

/* One counter by its key, as "handed_out". A missing key aborts the run. */
long counters_read(struct client *client, const char *key);

/* Returns when each of these processes waits at a gate; aborts the run if one does not after limit_ns. On a
 * busy machine a waiter may take the daemon for frozen and watch the file for a while, until it connects
 * again; that must not be measured as the daemon's work. */
void counters_await_gates(const struct bench *bench, const pid_t *pids, int count);

#endif
