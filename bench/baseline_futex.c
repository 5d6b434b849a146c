/* The lower bound: worker and waiters share memory, and the worker wakes all of them with one system call. */
#include "config.h"

#include "bench/baseline.h"

static int wait_by_futex(struct trial *trial, int i)
{
	(void)i;
	trial_report_armed(trial);
	futex_wait(&trial->shared->announced, 0);
	return 0;
}

static void wake_waiters(struct trial *trial)
{
	trial->shared->announced = 1;
	futex_wake_all(&trial->shared->announced);
}

const struct baseline baseline_futex = {.name = "futex", .wait = wait_by_futex, .announce = wake_waiters};
