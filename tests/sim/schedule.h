/* One schedule: from a seed to a verdict on the product. */
#ifndef TESTS_SIM_SCHEDULE_H
#define TESTS_SIM_SCHEDULE_H

#include <stdint.h>

/* The state of the daemon after the faults. */
enum calm_mode { CALM_SERVED, CALM_ALONE, CALM_FROZEN, CALM_MODES };

const char *calm_mode_name(int mode);

/* At each system call after the faults: some processes become ready or end. */
void schedule_tick(void);

/* Sets `failure` if the condition does not hold. */
void schedule_run(uint64_t seed);

#endif
