/* When to try again: delays that grow, with jitter, so that many do not act in step. Pure. */
#ifndef FLEET_BACKOFF_H
#define FLEET_BACKOFF_H

#include <stdint.h>

#define BACKOFF_LEAST_MS 100
#define BACKOFF_MOST_MS	 10000

/* Starts as {seed}; a seed that differs between machines and processes. */
struct backoff {
	uint64_t seed;
	int64_t delay; /* without jitter; 0: the next attempt is the first */
};

/* The delay before the next attempt: from half of a delay that doubles each time to one and a half of it. */
int64_t backoff_next(struct backoff *backoff);
/* An attempt had success. */
void backoff_reset(struct backoff *backoff);

#endif
