#include "config.h"

#include <sys/stat.h>

#include "src/clock.h"
#include "src/clock_set.h"
#include "src/process.h"

#define NS_PER_S 1000000000LL
/* /proc is mounted within this time after the start of the first process. A container needs 10 ms; on the
 * machine the kernel sets up its devices in between. */
#define LATE_IN_CONTAINER_NS (2 * NS_PER_S)
#define LATE_ON_MACHINE_NS   (30 * NS_PER_S)
/* Rounding does not count as setting the clock. */
#define STEP_LEAST_NS NS_PER_S

static int64_t most_late(void)
{
	return process_own_namespace("pid") == PROCESS_FIRST_PID_NAMESPACE ? LATE_ON_MACHINE_NS
									   : LATE_IN_CONTAINER_NS;
}

bool clock_set_since_boot(int64_t offset, struct clock_offsets *at_boot)
{
	struct stat proc;
	uint64_t start;

	if (stat("/proc", &proc) != 0 || !process_start_of(1, &start))
		return false;
	at_boot->most = clock_to_ns(&proc.st_ctim) - clock_ticks_to_ns(start);
	at_boot->least = at_boot->most - most_late();
	return offset > at_boot->most + STEP_LEAST_NS || offset < at_boot->least - STEP_LEAST_NS;
}
