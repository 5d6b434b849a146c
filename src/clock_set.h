/* Whether the system clock was set since the boot, or since the start of the container that we are in. */
#ifndef SRC_CLOCK_SET_H
#define SRC_CLOCK_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "src/clock_steps.h"

/*
 * What differed between CLOCK_REALTIME and CLOCK_BOOTTIME when the first process of our pid namespace
 * started: that is known from two stamps of one moment. The start of that process is counted from the boot,
 * and its /proc is mounted soon after, so that the ctime of the root of that file system is nearly the same
 * moment by the clock of that time; it is not written later, nor evicted. How soon is not known: hence a
 * range.
 *
 * False if `offset` is the same or may be, and if it is not known: there is no /proc, it is foreign or hides
 * that process.
 */
bool clock_set_since_boot(int64_t offset, struct clock_offsets *at_boot);

#endif
