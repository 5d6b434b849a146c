/* The measurements. Each prints CSV on standard output, its header first, and what it leaves out on standard
 * error. */
#ifndef BENCH_MEASURES_H
#define BENCH_MEASURES_H

#include "bench/harness.h"

void measure_fanout(const struct bench *bench);
void measure_noise(const struct bench *bench);
void measure_join(const struct bench *bench);
void measure_memory(const struct bench *bench);
void measure_start(const struct bench *bench);
void measure_scaling(const struct bench *bench);
void measure_query(const struct bench *bench);
void measure_ready(const struct bench *bench);

#endif
