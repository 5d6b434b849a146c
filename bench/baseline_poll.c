/* Looking every 10 ms. */
#include "config.h"

#include "bench/baseline.h"

static int wait_by_looking(struct trial *trial, int i)
{
	(void)i;
	trial_armed(trial);
	while (!trial_marker_is_there(trial))
		nap_us(10000);
	return 0;
}

const struct baseline baseline_poll = {
    .name = "poll",
    .wait = wait_by_looking,
    .restless = true,
    .most = 1000,
    .why_most = "thousands who look every 10 ms leave two processors no time for anything else",
};
