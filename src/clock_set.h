/* Whether the system clock was set since the boot, or since the start of the container that we are in. */
#ifndef SRC_CLOCK_SET_H
#define SRC_CLOCK_SET_H

#include <stdbool.h>
#include <stdint.h>

/*
 * By how many nanoseconds the clock was set, forward if positive, since the first process of our pid
 * namespace started: that is known from two stamps of one moment. The start of that process is counted from
 * the boot, and its /proc is mounted right then, so that the ctime of the root of that file system is the
 * same moment by the clock of that time; it is not written later, nor evicted. 0 if it was not set by more
 * than slewing would explain, and if it is not known: there is no /proc, it is foreign or hides that process,
 * or it was mounted later. Then the step looks smaller by as much, so a wrong result is never too large.
 */
int64_t clock_set_step(void);

/*
 * Whether a file stamp (CLOCK_REALTIME, nanoseconds) that looks `age` nanoseconds too old may be valid,
 * written before the clock was set forward: by the earlier clock it is neither too old nor in the future.
 */
bool clock_set_excuses(int64_t stamp, int64_t age);

#endif
