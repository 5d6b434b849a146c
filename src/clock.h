/* Clocks: milliseconds for deadlines, and conversion between wall-clock stamps and process start times. */
#ifndef SRC_CLOCK_H
#define SRC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in milliseconds. */
int64_t clock_ms(void);

/* Current CLOCK_REALTIME minus CLOCK_BOOTTIME in nanoseconds: subtract it from a file's stamp to get
 * nanoseconds since boot. It jumps whenever the clock is set. */
int64_t clock_boot_offset(void);

int64_t clock_now_ns(clockid_t id);

int64_t clock_to_ns(const struct timespec *t);

/* Nanoseconds of one clock tick of /proc/<pid>/stat. */
int64_t clock_tick_ns(void);

/* At most 146 years: what a caller gives as a start may be any number. */
int64_t clock_ticks_to_ns(uint64_t ticks);

/* The earlier of two times, where 0 means never. */
static inline int64_t clock_earlier(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* A number other than 0 that is not given twice, also by another process. */
uint64_t clock_tag(void);

/* A time near `ms`, at least 3/4 and less than 5/4 of it, so that many waiters do not act in step. */
int64_t clock_jitter(int64_t ms);

/* `at`, or up to 1/16 of `ms` earlier: for a sleep of about `ms`, of which many processes have one. They then
 * wake in groups, of 1/16 of them at most: on an idle CPU, a wake-up by itself takes several times what each
 * takes in a group, since caches are cold and a timer interrupt is needed. */
int64_t clock_align(int64_t at, int64_t ms);

#endif
