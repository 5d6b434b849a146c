#include "config.h"

#include <time.h>

#include "daemon/loop.h"
#include "daemon/sweep.h"
#include "daemon/tick.h"
#include "daemon/tracker.h"
#include "src/clock.h"

/* Checks in one turn (a check takes a few microseconds). */
#define SLICE 64

static void start(struct sweep *sweep)
{
	if (!sweep->fresh)
		return;
	sweep->began = clock_now_ns(CLOCK_MONOTONIC);
	sweep->spent = 0;
	sweep->count++;
	sweep->runs = true;
}

static bool may_go_on(const struct sweep *sweep)
{
	return sweep->runs && (sweep->urgent || clock_now_ns(CLOCK_MONOTONIC) >=
						    sweep->began + tick_pause(TICK_SLICE, sweep->spent));
}

static void check_some(struct sweep *sweep)
{
	const bool fresh = sweep->fresh;
	int64_t before;

	if (!fresh && !may_go_on(sweep))
		return;
	before = clock_now_ns(CLOCK_THREAD_CPUTIME_ID);
	start(sweep);
	sweep->fresh = false;
	sweep->runs = tracker_sweep(sweep->tracker, fresh, SLICE);
	sweep->urgent &= sweep->runs;
	sweep->spent += clock_now_ns(CLOCK_THREAD_CPUTIME_ID) - before;
}

static void on_turn(void *context)
{
	struct sweep *sweep = context;

	check_some(sweep);
	if (tracker_check_due(sweep->tracker, loop_pass_number(sweep->loop)) ||
	    (sweep->runs && sweep->urgent))
		loop_soon(sweep->turn);
}

void sweep_init(struct sweep *sweep, struct loop *loop, struct tracker *tracker)
{
	*sweep = (struct sweep){.loop = loop, .tracker = tracker};
	sweep->turn = loop_timer_new(loop, on_turn, sweep);
}

void sweep_fini(struct sweep *sweep)
{
	loop_timer_free(sweep->turn);
}

void sweep_begin(struct sweep *sweep)
{
	sweep->fresh = sweep->urgent = true;
	loop_soon(sweep->turn);
}

void sweep_wake(struct sweep *sweep)
{
	loop_soon(sweep->turn);
}

/* One that runs goes on. */
void sweep_tick(struct sweep *sweep, bool trusts)
{
	const enum tick_work work = trusts ? TICK_SWEEP : TICK_SWEEP_UNTRUSTED;
	const int64_t next = sweep->began + tick_pause(work, sweep->spent);

	tracker_tick(sweep->tracker);
	if (!sweep->runs && clock_now_ns(CLOCK_MONOTONIC) >= next) {
		sweep->fresh = true;
		sweep->urgent = !trusts;
	}
	loop_soon(sweep->turn);
}
