/*
 * When a file with a certain stamp may have been written, where the clock was set while we ran: the history
 * of CLOCK_REALTIME minus CLOCK_BOOTTIME. Pure functions, so that a table can test them. The daemon keeps
 * such a history; src/clock_set.h says what is known of the time before.
 */
#ifndef SRC_CLOCK_STEPS_H
#define SRC_CLOCK_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_STEPS_MOST 16

/* Differences in nanoseconds between a stamp and CLOCK_BOOTTIME. */
struct clock_offsets {
	int64_t least, most;
};

struct clock_steps {
	struct {
		int64_t since; /* CLOCK_BOOTTIME in nanoseconds */
		int64_t offset;
	} regimes[CLOCK_STEPS_MOST];
	unsigned count; /* 0: nothing is known */
	bool lost;	/* the oldest were dropped; they had these offsets */
	struct clock_offsets lost_offsets;
};

/* Records the offset at that moment. Of the same one, or nearly so, the first moment counts; the oldest is
 * dropped first. */
void clock_steps_note(struct clock_steps *steps, int64_t now, int64_t offset);

/* What is known at the moment of a check. */
struct clock_view {
	int64_t now;	/* CLOCK_BOOTTIME in nanoseconds */
	int64_t offset; /* at present */
	bool was_set;	/* since boot, before the history begins */
	struct clock_offsets at_boot;
};

/* The offsets that may have held when a file with that stamp was written: the stamp stands for a moment at
 * most `slack` nanoseconds away. If it fits no time that has passed, the present one. */
struct clock_offsets clock_steps_offsets(
    const struct clock_steps *steps, const struct clock_view *view, int64_t stamp, int64_t slack);

#endif
