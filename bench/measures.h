/* The measurements. Each prints CSV with a header line on standard output, and on standard error what it has
 * left out. */
#ifndef BENCH_MEASURES_H
#define BENCH_MEASURES_H

#include "bench/harness.h"

void measure_busy(const struct bench *bench);
void measure_crowd(const struct bench *bench);
void measure_fairness(const struct bench *bench);
void measure_fanout(const struct bench *bench);
void measure_idle(const struct bench *bench);
void measure_machine(const struct bench *bench);
void measure_many(const struct bench *bench);
void measure_minute(const struct bench *bench);
void measure_noise(const struct bench *bench);
void measure_join(const struct bench *bench);
void measure_memory(const struct bench *bench);
void measure_start(const struct bench *bench);
void measure_scaling(const struct bench *bench);
void measure_query(const struct bench *bench);
void measure_ready(const struct bench *bench);

#endif
