#include "config.h"

#include "src/clock.h"
#include "src/evidence.h"

/* What clocks say of a file that was there before the first look. */
enum age {
	AGE_YOUNGER, /* than the process, certainly */
	AGE_CLOSE,   /* within what the clocks can tell apart */
	AGE_OLDER,   /* certainly */
	AGE_UNKNOWN
};

static int64_t stamp_ns(const struct observation *o)
{
	return clock_to_ns(&o->marker.ctime) - o->stamps.skew_ns;
}

int64_t evidence_age_at_start(const struct process *p, const struct observation *o)
{
	return clock_ticks_to_ns(p->start) - (stamp_ns(o) - o->boot_offset);
}

/* By how much a stamp may differ from the moment of writing. */
static int64_t tolerance(const struct observation *o)
{
	return o->stamps.grain_ns + o->stamps.margin_ns;
}

bool evidence_looks_older(const struct process *p, const struct observation *o)
{
	return evidence_age_at_start(p, o) > tolerance(o);
}

/* A stamp from the future, as after the clock was set back, says nothing. */
static bool is_in_future(const struct observation *o)
{
	return stamp_ns(o) > o->now + tolerance(o);
}

/*
 * The start is rounded down to a tick, and the stamp to its grain. So only a marker that is older by more
 * than the tolerance is certainly older, and only one that is younger by more than a tick and the margin is
 * certainly younger. Where the clock has been set forward since, the marker may be as old as it looks or
 * valid: that is as close as stamps get.
 */
static enum age age_by_stamps(const struct process *p, const struct observation *o)
{
	if (is_in_future(o))
		return AGE_UNKNOWN;
	if (evidence_looks_older(p, o))
		return o->clock_was_set ? AGE_CLOSE : AGE_OLDER;
	return evidence_age_at_start(p, o) < -clock_tick_ns() - o->stamps.margin_ns ? AGE_YOUNGER : AGE_CLOSE;
}

static bool is_known_leftover(const struct history *history, const struct marker_stat *marker)
{
	return history->has_leftover && marker_same(&history->leftover, marker);
}

bool evidence_needs_stamps(const struct history *history, const struct marker_stat *marker)
{
	return !history->latched && !history->confirmed && !history->absent_seen &&
	       !is_known_leftover(history, marker);
}

/* Of a process that is gone, the start that was asked for. */
static bool has_start(const struct process *p)
{
	return p->start_known || (p->no_such_process && p->start != 0);
}

/* The owner first: no clock makes another user's file the process's own. */
enum evidence evidence_weigh(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (history->confirmed)
		return EVIDENCE_OWN;
	if (o->ambiguous)
		return EVIDENCE_AMBIGUOUS;
	if (o->foreign)
		return EVIDENCE_FOREIGN;
	if (is_known_leftover(history, &o->marker))
		return EVIDENCE_LEFTOVER;
	if (p->identity_unknown || o->owner_unknown)
		return EVIDENCE_NAMELESS;
	if (history->absent_seen)
		return EVIDENCE_OWN;
	/* If it ended before its start was read, any process that had the pid is meant; one of them wrote
	 * it. */
	if (!has_start(p))
		return o->gone ? EVIDENCE_OWN : EVIDENCE_NAMELESS;
	switch (age_by_stamps(p, o)) {
	case AGE_YOUNGER:
		return EVIDENCE_OWN;
	case AGE_CLOSE:
		return history->strict ? EVIDENCE_UNDATED : EVIDENCE_ASSUMED;
	case AGE_OLDER:
		return EVIDENCE_LEFTOVER;
	case AGE_UNKNOWN:
		return EVIDENCE_UNDATED;
	}
	return EVIDENCE_UNDATED;
}

bool evidence_is_weak(const struct process *p, const struct history *history, const struct observation *o)
{
	return evidence_needs_stamps(history, &o->marker) &&
	       (!has_start(p) || is_in_future(o) ||
		   evidence_age_at_start(p, o) >= -clock_tick_ns() - tolerance(o));
}

void history_saw_none(struct history *history, const struct marker_stat *directory)
{
	history->absent_seen = true;
	history->absent = *directory;
	history->has_leftover = false;
	history->ambiguous.kind = MARKER_ABSENT;
}
