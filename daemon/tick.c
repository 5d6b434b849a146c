#include "config.h"

#include "daemon/tick.h"
#include "src/clock.h"
#include "src/stamp_trust.h"

/* With a watch the tick only covers what raises no event; without one, only the tick finds markers. */
#define TICK_MS		250
#define TICK_POLLING_MS 25
/* With nothing waited for: only to arm the watches again. */
#define TICK_IDLE_MS 1000

#define NS_PER_S 1000000000LL

int64_t tick_interval(bool has_waits, bool watches_dir, bool watches_mounts)
{
	if (has_waits)
		return watches_dir ? TICK_MS : TICK_POLLING_MS;
	return watches_dir && watches_mounts ? 0 : TICK_IDLE_MS;
}

bool tick_trusts(uint32_t f_type, const struct timespec *changed)
{
	return stamp_clock_of(f_type) != STAMP_CLOCK_OTHER && changed->tv_nsec != 0;
}

static bool is_same(const struct tick_stamp *a, const struct tick_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Also one from the future, as after the clock was set back: the next may repeat it. */
static bool is_fresh(const struct tick_stamp *stamp)
{
	return clock_to_ns(&stamp->changed) >= stamp->read - STAMP_GRAIN_NS;
}

enum tick_change tick_compare(const struct tick_stamp *last, const struct tick_stamp *now)
{
	if (!now->known)
		return TICK_SAME;
	if (!now->is_trusted)
		return TICK_UNTRUSTED;
	return last->known && is_same(last, now) && !is_fresh(last) ? TICK_SAME : TICK_CHANGED;
}

int64_t tick_pause(enum tick_work work, int64_t spent)
{
	static const struct {
		int64_t least, times;
	} paces[] = {
	    [TICK_SWEEP] = {NS_PER_S, 333},
	    [TICK_SWEEP_UNTRUSTED] = {0, 20},
	    [TICK_SLICE] = {0, 333},
	    [TICK_NAMES] = {0, 333},
	};
	const int64_t pause = spent * paces[work].times;

	return pause > paces[work].least ? pause : paces[work].least;
}

bool tick_shows(const struct readyd_answer *answer)
{
	switch (answer->reason) {
	case READYD_REASON_NONE:
	case READYD_REASON_CAME_AND_WENT:
		return answer->verdict == READYD_PENDING;
	case READYD_REASON_NO_DIRECTORY:
	case READYD_REASON_DIRECTORY_DENIED:
	/* The look comes back, or is made again, by itself. */
	case READYD_REASON_DIRECTORY_HANGS:
		return true;
	case READYD_REASON_DEADLINE:
	case READYD_REASON_NOT_A_FILE:
	case READYD_REASON_NOT_STARTED:
	case READYD_REASON_NO_PROCESS:
	case READYD_REASON_PID_REUSED:
	case READYD_REASON_OLDER:
	case READYD_REASON_FOREIGN_OWNER:
	case READYD_REASON_NAMESPACE_DENIED:
	case READYD_REASON_NAME_COLLISION:
	case READYD_REASON_NO_RESOURCES:
	case READYD_REASON_IDENTITY_UNKNOWN:
	case READYD_REASON_AGE_UNKNOWN:
	case READYD_REASON_LOOK_FAILED:
	case READYD_REASON_DAEMON_UNTRUSTED:
	/* These are of clients of another kernel. */
	case READYD_REASON_CONNECTION_LOST:
	case READYD_REASON_NODE_OFFLINE:
		return false;
	}
	return false;
}
