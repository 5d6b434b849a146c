#include "config.h"

#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "src/clock.h"

#define NS_PER_S 1000000000LL

int64_t clock_to_ns(const struct timespec *t)
{
	return t->tv_sec * NS_PER_S + t->tv_nsec;
}

static int64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return clock_to_ns(&t);
}

int64_t clock_ms(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_boot_offset(void)
{
	return now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME);
}

int64_t clock_tick_ns(void)
{
	return NS_PER_S / sysconf(_SC_CLK_TCK);
}

/* Processes that were started together differ in their pid and in the low bits of the clock; that is
 * all the randomness this needs, and no generator's state has to be kept. */
int64_t clock_jitter(int64_t ms)
{
	uint64_t x = (uint64_t)now_ns(CLOCK_MONOTONIC) ^ ((uint64_t)getpid() << 32);

	x *= 0x9E3779B97F4A7C15ULL; /* 2^64 divided by the golden ratio: spreads neighbouring values */
	return ms * 3 / 4 + (int64_t)((x >> 33) % (uint64_t)(ms / 2 + 1));
}
