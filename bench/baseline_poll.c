/* Polling: each waiter checks for the marker every 10 ms. */
#include "config.h"

#include "bench/baseline.h"

static int wait_by_polling(struct trial *trial, int i)
{
	(void)i;
	trial_report_armed(trial);
	while (!trial_marker_exists(trial))
		sleep_us(10000);
	return 0;
}

const struct baseline baseline_poll = {
    .name = "poll",
    .wait = wait_by_polling,
    .polls = true,
    .max_waiters = 1000,
    .max_reason = "thousands of checks every 10 ms leave two CPUs no time for anything else",
};
