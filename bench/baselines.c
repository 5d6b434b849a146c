#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bench/baseline.h"

static const struct baseline *const baselines[] = {
    &baseline_gate,
    &baseline_futex,
    &baseline_inotify,
    &baseline_poll,
    &baseline_inotifywait,
    &baseline_send,
    &baseline_s6,
    &baseline_redis,
    &baseline_memcached,
    &baseline_monitor,
    &baseline_never_wakes,
    &baseline_dies,
    &baseline_loses_one,
    &baseline_lies,
};

#define BASELINES ((int)(sizeof(baselines) / sizeof(baselines[0])))
/* For whatever else the user and the bench watch. */
#define INSTANCES_SPARE 28

const struct baseline *baseline_find(const char *name)
{
	for (int i = 0; i < BASELINES; i++)
		if (strcmp(baselines[i]->name, name) == 0)
			return baselines[i];
	return NULL;
}

const struct baseline *baseline_default(int i)
{
	return i < BASELINES && !baselines[i]->unasked ? baselines[i] : NULL;
}

const char *baseline_why_not(const struct baseline *baseline, int waiters)
{
	static char why[160];
	long instances = read_number("/proc/sys/fs/inotify/max_user_instances");

	if (baseline->most > 0 && waiters > baseline->most)
		return baseline->why_most;
	if (baseline->watches && waiters > instances - INSTANCES_SPARE) {
		snprintf(
		    why, sizeof(why), "fs.inotify.max_user_instances is %ld; root can raise it", instances);
		return why;
	}
	if ((long)waiters * (1 + baseline->processes) > processes_most()) {
		snprintf(why, sizeof(why), "it takes more than %ld processes", processes_most());
		return why;
	}
	return NULL;
}
