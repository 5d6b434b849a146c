#include "config.h"

#include "daemon/tick.h"

/* With a watch the tick only covers what raises no event; without one, only the tick finds markers. */
#define TICK_MS		250
#define TICK_POLLING_MS 25
/* With nothing waited for: only to arm the watches again. */
#define TICK_IDLE_MS 1000

int64_t tick_interval(bool has_waits, bool watches_dir, bool watches_mounts)
{
	if (has_waits)
		return watches_dir ? TICK_MS : TICK_POLLING_MS;
	return watches_dir && watches_mounts ? 0 : TICK_IDLE_MS;
}
