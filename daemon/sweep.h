/*
 * Checks what is waited for without an event of its own: everything in a sweep, in slices, at once when
 * anything may have happened and else at its own pace (daemon/tick.h); and what is polled or due
 * (daemon/agenda.h).
 */
#ifndef DAEMON_SWEEP_H
#define DAEMON_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_timer;
struct tracker;

struct sweep {
	struct loop *loop;
	struct tracker *tracker;
	struct loop_timer *turn;
	bool fresh;    /* it is to start again */
	bool runs;     /* some are left to check */
	bool urgent;   /* no slice waits for a tick */
	int64_t began; /* CLOCK_MONOTONIC in nanoseconds: the last one did */
	int64_t spent; /* CPU time in nanoseconds, by that */
	uint64_t count;
};

void sweep_init(struct sweep *sweep, struct loop *loop, struct tracker *tracker);
void sweep_fini(struct sweep *sweep);

/* From the next turn of the loop on, so that any number of reasons until then cause one sweep. */
void sweep_begin(struct sweep *sweep);
/* A tick. trusts: the directory's stamps tell of markers. */
void sweep_tick(struct sweep *sweep, bool trusts);
/* Something may be due. */
void sweep_wake(struct sweep *sweep);

#endif
