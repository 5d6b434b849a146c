/* One schedule: from a seed to a verdict on the product. */
#ifndef TESTS_SIM_SCHEDULE_H
#define TESTS_SIM_SCHEDULE_H

#include <stdint.h>

/* What the daemon is when the faults have ended. */
enum calm_mode { CALM_SERVED, CALM_ALONE, CALM_FROZEN, CALM_MODES };

const char *calm_mode_name(int mode);

/* At each system call once the faults have ended: some processes come to a result. */
void schedule_tick(void);

/* Sets `failure` where it does not hold. */
void schedule_run(uint64_t seed);

#endif
