#include "config.h"

#include "daemon/arrival.h"
#include "src/clock.h"
#include "src/evidence.h"

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
	struct marker_stat seen;
	struct timespec born;

	if (!was_alive(arrival, p))
		return false;
	marker_stat(place, p->ns_pid, &seen);
	if (seen.kind != MARKER_FILE || seen.links != 1)
		return false;
	switch (marker_birth(place, p->ns_pid, &seen, &born)) {
	case MARKER_BIRTH_KNOWN:
		return !evidence_took_longer(
		    start, clock_to_ns(&seen.ctime) - clock_to_ns(&born), clock_now_ns(CLOCK_BOOTTIME));
	case MARKER_BIRTH_NOT_KEPT:
		return true;
	case MARKER_BIRTH_UNKNOWN:
		return false;
	}
	return false;
}
