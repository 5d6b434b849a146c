#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "daemon/arrival.h"
#include "src/clock.h"
#include "src/stamp_trust.h"

static int64_t stamp_ns(const struct statx_timestamp *stamp)
{
	return stamp->tv_sec * INT64_C(1000000000) + stamp->tv_nsec;
}

/* A link or a rename sets the time of change, but not that of birth. Both are by the clock of the file
 * system: their difference can be compared with a time span of ours, but for the grain of both. */
static bool was_born_since(const struct statx *file, int64_t start)
{
	return (file->stx_mask & STATX_BTIME) == 0 ||
	       stamp_ns(&file->stx_ctime) - stamp_ns(&file->stx_btime) <=
		   clock_now_ns(CLOCK_BOOTTIME) - start + STAMP_GRAIN_NS;
}

/* The start is rounded down. */
static bool was_alive(const struct arrival *arrival, const struct process *p)
{
	return p->start_known && !p->no_such_process &&
	       clock_ticks_to_ns(p->start) + clock_tick_ns() <= arrival->since;
}

bool arrival_went(const struct arrival *arrival, const struct marker_place *place, const struct process *p)
{
	return was_alive(arrival, p) && marker_is_absent(place, p->ns_pid);
}

bool arrival_is_new(const struct arrival *arrival, const struct marker_place *place, const struct process *p)
{
	const int64_t start = clock_ticks_to_ns(p->start);
	char path[sizeof(place->dir) + sizeof(place->prefix) + 16];
	struct statx file;

	if (!was_alive(arrival, p))
		return false;
	snprintf(path, sizeof(path), "%s/%s%ld", place->dir, place->prefix, (long)p->ns_pid);
	return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
		   STATX_TYPE | STATX_NLINK | STATX_CTIME | STATX_BTIME, &file) == 0 &&
	       S_ISREG(file.stx_mode) && file.stx_nlink == 1 && was_born_since(&file, start);
}
