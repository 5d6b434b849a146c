/* Clocks: milliseconds for deadlines, and the relation of wall-clock stamps to process start times. */
#ifndef SRC_CLOCK_H
#define SRC_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in milliseconds. */
int64_t clock_ms(void);

/* CLOCK_REALTIME minus CLOCK_BOOTTIME in nanoseconds, now: what to subtract from a file's stamp to get
 * nanoseconds since boot. It jumps whenever somebody sets the clock. */
int64_t clock_boot_offset(void);

int64_t clock_to_ns(const struct timespec *t);

/* Nanoseconds of one clock tick of /proc/<pid>/stat. */
int64_t clock_tick_ns(void);

/* A time near `ms`, at least 3/4 and less than 5/4 of it, so that many waiters do not act in step. */
int64_t clock_jitter(int64_t ms);

#endif
