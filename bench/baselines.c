#include "config.h"

#include <stdio.h>
#include <string.h>

#include "bench/baseline.h"
#include "bench/tool.h"

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
/* Inotify instances that the bench leaves to other programs of the user. */
#define SPARE_INSTANCES 28

const struct baseline *baseline_find(const char *name)
{
	for (int i = 0; i < BASELINES; i++)
		if (strcmp(baselines[i]->name, name) == 0)
			return baselines[i];
	return NULL;
}

const struct baseline *baseline_default(int i)
{
	return i < BASELINES && !baselines[i]->only_by_name ? baselines[i] : NULL;
}

const char *baseline_why_not(const struct baseline *baseline, int waiters)
{
	static char why[160];
	long instances = read_number("/proc/sys/fs/inotify/max_user_instances");

	if (baseline->max_waiters > 0 && waiters > baseline->max_waiters)
		return baseline->max_reason;
	if (baseline->uses_inotify && waiters > instances - SPARE_INSTANCES) {
		snprintf(
		    why, sizeof(why), "fs.inotify.max_user_instances is %ld; root can raise it", instances);
		return why;
	}
	if ((baseline->program != NULL && !tool_is_installed(baseline->program)) ||
	    !server_is_installed(baseline->server))
		return "it is not installed";
	if ((long)waiters * (1 + baseline->extra_processes) > max_processes()) {
		snprintf(why, sizeof(why), "it needs more than %ld processes", max_processes());
		return why;
	}
	return NULL;
}
