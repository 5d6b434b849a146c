#include "config.h"

#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/hot.h"

#define NS_PER_S 1000000000LL
/* A read takes far less than this; a preemption takes more. */
#define OFFSET_GRAIN_NS 20000
#define OFFSET_TRIES	100

HOT int64_t clock_to_ns(const struct timespec *t)
{
	return t->tv_sec * NS_PER_S + t->tv_nsec;
}

HOT int64_t clock_now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return clock_to_ns(&t);
}

HOT int64_t clock_ms(void)
{
	return clock_now_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Two clocks cannot be read at once, and being preempted between the reads would skew every conversion. So
 * they are read until the reads are close together; the remaining error makes a stamp look younger, never
 * older. */
int64_t clock_boot_offset(void)
{
	int64_t before, real, after, least = INT64_MAX, offset = 0;

	for (int tries = 0; tries < OFFSET_TRIES && least > OFFSET_GRAIN_NS; tries++) {
		before = clock_now_ns(CLOCK_BOOTTIME);
		real = clock_now_ns(CLOCK_REALTIME);
		after = clock_now_ns(CLOCK_BOOTTIME);
		if (after - before < least) {
			least = after - before;
			offset = real - after;
		}
	}
	return offset;
}

int64_t clock_tick_ns(void)
{
	return NS_PER_S / sysconf(_SC_CLK_TCK);
}

int64_t clock_ticks_to_ns(uint64_t ticks)
{
	uint64_t most = INT64_MAX / 2 / (uint64_t)clock_tick_ns();

	return (int64_t)(ticks < most ? ticks : most) * clock_tick_ns();
}

#define GOLDEN 0x9E3779B97F4A7C15ULL /* 2^64 divided by the golden ratio: spreads neighbouring values */

uint64_t clock_tag(void)
{
	const uint64_t process = (uint64_t)clock_now_ns(CLOCK_REALTIME) ^ ((uint64_t)getpid() << 32);

	return (process * GOLDEN ^ (uint64_t)clock_now_ns(CLOCK_MONOTONIC)) | 1;
}

/* Processes that were started together differ in their pid and in the low bits of the clock; this needs no
 * better randomness, and no generator state has to be kept. */
HOT int64_t clock_jitter(int64_t ms)
{
	uint64_t x = (uint64_t)clock_now_ns(CLOCK_MONOTONIC) ^ ((uint64_t)getpid() << 32);

	x *= GOLDEN;
	return ms * 3 / 4 + (int64_t)((x >> 33) % (uint64_t)(ms / 2 + 1));
}

HOT int64_t clock_align(int64_t at, int64_t ms)
{
	int64_t grid = 1;

	while (grid * 32 <= ms)
		grid *= 2;
	return at - at % grid;
}
