/* What a marker costs its worker if processes wait for another worker's marker. */
#ifndef BENCH_MARKERS_H
#define BENCH_MARKERS_H

#include "bench/trial.h"

/* Adds the times of up to 200 markers, as many as half a second allows, but at least one. */
void markers_time(const struct trial *trial, struct samples *cost);

#endif
