/* The bound: worker and waiters share memory, and the worker itself wakes them all by one system call. */
#include "config.h"

#include "bench/baseline.h"

static int wait_by_futex(struct trial *trial, int i)
{
	(void)i;
	trial_armed(trial);
	futex_wait(&trial->shared->called, 0);
	return 0;
}

static void call(struct trial *trial)
{
	trial->shared->called = 1;
	futex_wake_all(&trial->shared->called);
}

const struct baseline baseline_futex = {.name = "futex", .wait = wait_by_futex, .announce = call};
