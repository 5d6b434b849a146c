#include "config.h"

#include <sys/stat.h>

#include "src/clock.h"
#include "src/clock_set.h"
#include "src/process.h"

#define NS_PER_S 1000000000LL
/* /proc is mounted within this time after the start of the first process. A leftover that is no older than
 * this is excused too. A container needs 10 ms; on the machine the kernel sets up its devices in between. */
#define LATE_IN_CONTAINER_NS (2 * NS_PER_S)
#define LATE_ON_MACHINE_NS   (30 * NS_PER_S)
/* The first pid namespace's inode: PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define FIRST_NAMESPACE 0xEFFFFFFCu
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

static int64_t most_late(void)
{
	return process_own_namespace("pid") == FIRST_NAMESPACE ? LATE_ON_MACHINE_NS : LATE_IN_CONTAINER_NS;
}

bool clock_set_excuses(int64_t stamp, int64_t age)
{
	int64_t step = clock_set_step();

	return step > 0 && age <= step + most_late() && stamp + step <= clock_now_ns(CLOCK_REALTIME);
}
