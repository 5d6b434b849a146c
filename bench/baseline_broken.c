/* Peers that must make the bench fail; baseline_send.c has one more. */
#include "config.h"

#include <signal.h>
#include <unistd.h>

#include "bench/baseline.h"

static int never_wake(struct trial *trial, int i)
{
	(void)i;
	trial_armed(trial);
	futex_wait(&trial->shared->over, 0);
	return 0;
}

const struct baseline baseline_never_wakes = {.name = "never-wakes", .unasked = true, .wait = never_wake};

/* One of them, when it is woken; the others see the marker. */
static int die(struct trial *trial, int i)
{
	trial_armed(trial);
	futex_wait(&trial->shared->called, 0);
	if (i == 0)
		raise(SIGKILL);
	return 0;
}

static void call(struct trial *trial)
{
	trial->shared->called = 1;
	futex_wake_all(&trial->shared->called);
}

const struct baseline baseline_dies = {.name = "dies", .unasked = true, .wait = die, .announce = call};

static int lie(struct trial *trial, int i)
{
	(void)i;
	trial_armed(trial);
	return 0;
}

const struct baseline baseline_lies = {.name = "lies", .unasked = true, .wait = lie};
