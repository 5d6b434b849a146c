/*
 * SIGINT, SIGTERM and the end of --abort-after-ms: the probe ends early, with what it has. Their signals are
 * blocked, so that they arrive only where they are asked for. Not thread-safe.
 */
#ifndef PROBE_INTERRUPT_H
#define PROBE_INTERRUPT_H

#include <stdbool.h>

/* Before any thread is started. 0: no limit. -1 with errno. */
int interrupt_init(unsigned abort_after_ms);

/* Whether one of them has come. */
bool interrupt_pending(void);

/* The same after so many milliseconds, or as soon as one comes. */
bool interrupt_sleep(unsigned ms);

#endif
