#include "config.h"

#include <sys/stat.h>

#include "daemon/names.h"
#include "src/clock.h"
#include "src/marker.h"
#include "src/stamp.h"

void names_init(struct names *names, struct loop *loop, const struct marker_place *place,
    void (*marker)(pid_t pid, void *context), void *context)
{
	*names = (struct names){.place = place};
	scan_init(&names->scan, loop, place, marker, context);
}

void names_fini(struct names *names)
{
	scan_fini(&names->scan);
}

void names_forget(struct names *names)
{
	names->stamp.known = false;
}

static struct tick_stamp read_stamp(struct names *names)
{
	struct tick_stamp stamp = {.read = clock_now_ns(CLOCK_REALTIME)};
	struct stat st;

	if (stat(names->place->dir, &st) != 0)
		return stamp;
	stamp.known = true;
	stamp.is_trusted = tick_trusts(stamp_fs_type(names->place->dir), &st.st_ctim);
	stamp.dev = st.st_dev;
	stamp.ino = st.st_ino;
	stamp.changed = st.st_ctim;
	return stamp;
}

/* The stamp was read first: what comes while the names are read changes it again. If it is too early for the
 * next names, the last stamp stays, and the change is seen again. */
static bool read_names(struct names *names, const struct tick_stamp *stamp)
{
	const int64_t now = clock_now_ns(CLOCK_MONOTONIC);

	if (scan_runs(&names->scan) || now < names->began + tick_pause(TICK_NAMES, names->scan.spent))
		return true;
	names->began = now;
	names->stamp = *stamp;
	return scan_begin(&names->scan) == 0;
}

bool names_check(struct names *names)
{
	const struct tick_stamp stamp = read_stamp(names);

	switch (tick_compare(&names->stamp, &stamp)) {
	case TICK_SAME:
		names->stamp = stamp;
		return true;
	case TICK_CHANGED:
		return read_names(names, &stamp);
	case TICK_UNTRUSTED:
		return false;
	}
	return false;
}
