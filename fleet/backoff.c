#include "config.h"

#include "fleet/backoff.h"

/* splitmix64 */
static uint64_t draw(uint64_t *seed)
{
	uint64_t x = *seed += 0x9E3779B97F4A7C15ULL;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
	return x ^ (x >> 31);
}

int64_t backoff_next(struct backoff *backoff)
{
	backoff->delay = backoff->delay == 0 ? BACKOFF_LEAST_MS : 2 * backoff->delay;
	if (backoff->delay > BACKOFF_MOST_MS)
		backoff->delay = BACKOFF_MOST_MS;
	return backoff->delay / 2 + (int64_t)(draw(&backoff->seed) % (uint64_t)(backoff->delay + 1));
}

void backoff_reset(struct backoff *backoff)
{
	backoff->delay = 0;
}
