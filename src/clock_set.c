#include "config.h"

#include <sys/stat.h>

#include "src/clock.h"
#include "src/clock_set.h"
#include "src/process.h"

#define NS_PER_S 1000000000LL
/* /proc is mounted within this time after the start of the first process; a container needs 10 ms. A leftover
 * that is no older than this is excused too. */
#define REFERENCE_LATE_NS (2 * NS_PER_S)
/* Slewing and rounding do not count as setting the clock. */
#define STEP_LEAST_NS NS_PER_S

int64_t clock_set_step(void)
{
	struct stat proc;
	uint64_t start;
	int64_t step;

	if (stat("/proc", &proc) != 0 || !process_start_of(1, &start))
		return 0;
	step = clock_boot_offset() - (clock_to_ns(&proc.st_ctim) - (int64_t)start * clock_tick_ns());
	return step > STEP_LEAST_NS || step < -STEP_LEAST_NS ? step : 0;
}

bool clock_set_excuses(int64_t stamp, int64_t age)
{
	int64_t step = clock_set_step();

	return step > 0 && age <= step + REFERENCE_LATE_NS && stamp + step <= clock_now_ns(CLOCK_REALTIME);
}
