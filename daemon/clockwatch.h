/* The clock watch: notes when the system clock is set, so that stamps from before can still be converted. */
#ifndef DAEMON_CLOCKWATCH_H
#define DAEMON_CLOCKWATCH_H

#include "src/clock_steps.h"

struct loop;
struct loop_fd;

struct clockwatch {
	struct loop *loop;
	int fd; /* timerfd; -1: none */
	struct loop_fd *set;
	struct clock_steps *steps;
	void (*on_set)(void *context);
	void *context;
};

/* From now on, *steps has the history of the clock, unless there is no descriptor for that: then it stays
 * empty. on_set(context) is called after the clock was set. */
void clockwatch_init(struct clockwatch *watch, struct loop *loop, struct clock_steps *steps,
    void (*on_set)(void *context), void *context);
void clockwatch_fini(struct clockwatch *watch);

#endif
