/* The waiting processes, which serve one trial after the other and are idle in between. */
#ifndef BENCH_WAITERS_H
#define BENCH_WAITERS_H

#include "bench/trial.h"

/* Forks the waiters that the trial still lacks and resets the shared memory. All must be idle. */
void waiters_prepare(struct trial *trial);
/* Starts the trial's waiters. */
void waiters_start(const struct trial *trial);
/* How many have been forked, for this trial or an earlier one. */
int waiters_count(void);

#endif
