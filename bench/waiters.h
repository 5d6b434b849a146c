/* The processes that wait, in one trial after the other. */
#ifndef BENCH_WAITERS_H
#define BENCH_WAITERS_H

#include "bench/trial.h"

/* Makes sure that there are enough of them, all at home, and gives the trial its share of them. */
void waiters_gather(struct trial *trial);
/* Sends those of the trial out to wait. */
void waiters_send(const struct trial *trial);
/* How many there are, in the trial or not. */
int waiters_count(void);

#endif
