/* What a worker pays for its marker while others wait for another one. */
#ifndef BENCH_MARKERS_H
#define BENCH_MARKERS_H

#include "bench/trial.h"

/* Adds the time of each of some hundred markers, as many as there is time for; one at least. */
void markers_write(const struct trial *trial, struct samples *cost);

#endif
