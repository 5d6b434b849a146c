/*
 * When everything is rechecked without an event. Events only reduce the delay; the tick is the guarantee,
 * for what raises no event: a hard link created from another directory, most changes below an overlay.
 * Pure.
 */
#ifndef DAEMON_TICK_H
#define DAEMON_TICK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds until the next tick, 0 for none. */
int64_t tick_interval(bool has_waits, bool watches_dir, bool watches_mounts);

#endif
