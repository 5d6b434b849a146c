/* Baselines that must make the bench fail, for tests/test_bench.sh; baseline_send.c has one more. */
#include "config.h"

#include <signal.h>
#include <unistd.h>

#include "bench/baseline.h"

/* Waits for an event other than the marker. */
static int never_wake(struct trial *trial, int i)
{
	(void)i;
	trial_report_armed(trial);
	futex_wait(&trial->shared->over, 0);
	return 0;
}

const struct baseline baseline_never_wakes = {
    .name = "never-wakes", .only_by_name = true, .wait = never_wake};

/* The first waiter is killed when it wakes; the others see the marker. */
static int die(struct trial *trial, int i)
{
	trial_report_armed(trial);
	futex_wait(&trial->shared->announced, 0);
	if (i == 0)
		raise(SIGKILL);
	return 0;
}

static void wake_waiters(struct trial *trial)
{
	trial->shared->announced = 1;
	futex_wake_all(&trial->shared->announced);
}

const struct baseline baseline_dies = {
    .name = "dies", .only_by_name = true, .wait = die, .announce = wake_waiters};

/* Returns before the marker is written. */
static int return_early(struct trial *trial, int i)
{
	(void)i;
	trial_report_armed(trial);
	return 0;
}

const struct baseline baseline_lies = {.name = "lies", .only_by_name = true, .wait = return_early};
