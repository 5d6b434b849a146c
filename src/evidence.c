#include "config.h"

#include "src/clock.h"
#include "src/evidence.h"

/* A marker is written as soon as it is created, but for a worker that is preempted in between. */
#define WRITING_NS 1000000000

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

/* How many nanoseconds before the start of the process a stamp was made, as converted to our clock; negative:
 * after it. Where the clock was set, that is a range. */
static int64_t age_of(
    const struct process *p, const struct timespec *stamp, const struct observation *o, int64_t offset)
{
	return clock_ticks_to_ns(p->start) - (clock_to_ns(stamp) - o->stamps.skew_ns - offset);
}

static int64_t least_age(const struct process *p, const struct observation *o)
{
	return age_of(p, &o->marker.ctime, o, o->offsets.least);
}

static int64_t most_age(const struct process *p, const struct observation *o)
{
	return age_of(p, &o->marker.ctime, o, o->offsets.most);
}

/* By how much a stamp may differ from the moment of writing. */
static int64_t tolerance(const struct observation *o)
{
	return o->stamps.grain_ns + o->stamps.margin_ns;
}

/* A stamp from the future, as after the clock was set back, says nothing. */
static bool is_in_future(const struct observation *o)
{
	return stamp_ns(o) - o->offsets.least > o->now + tolerance(o);
}

/*
 * The start is rounded down to a tick, and the stamp to its grain. So only a marker that is older by more
 * than the tolerance is certainly older, and only one that is younger by more than a tick and the margin is
 * certainly younger. Where the clock was set in between, the marker may be as old as it looks or valid: that
 * is as close as stamps get.
 */
static enum age age_by_stamps(const struct process *p, const struct observation *o)
{
	if (is_in_future(o))
		return AGE_UNKNOWN;
	if (least_age(p, o) > tolerance(o))
		return AGE_OLDER;
	return most_age(p, o) < -clock_tick_ns() - o->stamps.margin_ns ? AGE_YOUNGER : AGE_CLOSE;
}

/* The start is rounded down. */
bool evidence_took_longer(int64_t start, int64_t elapsed, int64_t now)
{
	return elapsed > now - start + STAMP_GRAIN_NS;
}

/* Of a process that is gone, the start that was asked for. */
static bool has_start(const struct process *p)
{
	return p->start_known || (p->no_such_process && p->start != 0);
}

int64_t evidence_start(const struct process *p, const struct history *history)
{
	return has_start(p) ? clock_ticks_to_ns(p->start) : history->absent_since;
}

/* How long before the last change of the file a stamp was made. Neither a link nor a rename changes the times
 * of birth and of writing. */
static int64_t time_to_change(const struct observation *o, const struct timespec *stamp)
{
	return clock_to_ns(&o->marker.ctime) - clock_to_ns(stamp);
}

/* The process was never seen, so that the file alone tells when it was created. */
static bool was_never_seen(const struct process *p, const struct history *history)
{
	return !has_start(p) && p->no_such_process && history->absent_since == 0;
}

bool evidence_was_born_before(
    const struct process *p, const struct history *history, const struct observation *o)
{
	const int64_t start = evidence_start(p, history);

	const int64_t born = clock_to_ns(&o->born) - o->birth_offsets.least;
	const int64_t changed = clock_to_ns(&o->marker.ctime) - o->offsets.most;

	if (!o->has_birth)
		return false;
	if (was_never_seen(p, history))
		return time_to_change(o, &o->born) > WRITING_NS;
	return o->known_old || evidence_took_longer(start, changed - born, o->now) ||
	       start - (born - o->stamps.skew_ns) > tolerance(o);
}

static bool was_written_before(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (was_never_seen(p, history))
		return time_to_change(o, &o->marker.mtime) > WRITING_NS;
	return age_of(p, &o->marker.mtime, o, o->offsets.least) > tolerance(o);
}

bool evidence_may_be_moved(
    const struct process *p, const struct history *history, const struct observation *o)
{
	return o->marker.links > 1 || evidence_was_born_before(p, history, o) ||
	       (was_never_seen(p, history) && was_written_before(p, history, o));
}

static bool is_moved(const struct process *p, const struct history *history, const struct observation *o)
{
	return o->shared && evidence_may_be_moved(p, history, o);
}

/* The file that had the name before the process. */
static bool is_rewritten_leftover(const struct history *history, const struct observation *o)
{
	return history->leftover.kind == MARKER_FILE && history->leftover.dev == o->marker.dev &&
	       history->leftover.ino == o->marker.ino && o->marker.links <= 1;
}

static bool is_known_leftover(const struct history *history, const struct marker_stat *marker)
{
	return history->has_leftover && marker_same(&history->leftover, marker);
}

bool evidence_needs_stamps(const struct history *history, const struct marker_stat *marker)
{
	return !history->latched && !history->absent_seen && !is_known_leftover(history, marker);
}

/* What was not seen to come may be a leftover that the process has written over. */
static enum evidence weigh_moved(
    const struct process *p, const struct history *history, const struct observation *o)
{
	bool may_be_own = o->marker.links <= 1 && !was_written_before(p, history, o);

	return may_be_own && !history->strict ? EVIDENCE_ASSUMED : EVIDENCE_UNDATED;
}

static enum evidence weigh_stamps(
    const struct process *p, const struct history *history, const struct observation *o)
{
	enum age age = age_by_stamps(p, o);

	if (age == AGE_OLDER)
		return EVIDENCE_LEFTOVER;
	if (age == AGE_UNKNOWN)
		return EVIDENCE_UNDATED;
	if (is_moved(p, history, o) && !is_rewritten_leftover(history, o))
		return weigh_moved(p, history, o);
	if (age == AGE_CLOSE)
		return history->strict ? EVIDENCE_UNDATED : EVIDENCE_ASSUMED;
	return EVIDENCE_OWN;
}

/* The owner first: no clock makes another user's file the process's own. */
enum evidence evidence_weigh(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (o->ambiguous)
		return EVIDENCE_AMBIGUOUS;
	if (o->foreign)
		return EVIDENCE_FOREIGN;
	if (is_known_leftover(history, &o->marker))
		return EVIDENCE_LEFTOVER;
	if (p->identity_unknown || o->owner_unknown)
		return EVIDENCE_NAMELESS;
	if (history->absent_seen)
		return is_moved(p, history, o) ? EVIDENCE_UNDATED : EVIDENCE_OWN;
	if (has_start(p))
		return weigh_stamps(p, history, o);
	if (!p->no_such_process)
		return EVIDENCE_NAMELESS;
	/* Any process that had the pid is meant; one of them wrote it. */
	return is_moved(p, history, o) ? weigh_moved(p, history, o) : EVIDENCE_OWN;
}

bool evidence_is_weak(const struct process *p, const struct history *history, const struct observation *o)
{
	return evidence_needs_stamps(history, &o->marker) &&
	       (!has_start(p) || is_in_future(o) || is_moved(p, history, o) ||
		   most_age(p, o) >= -clock_tick_ns() - tolerance(o));
}

void history_note_event(struct history *history, dev_t dev, ino_t ino)
{
	if (history->present)
		return;
	history->came = true;
	history->came_dev = dev;
	history->came_ino = ino;
}

void history_saw_none(struct history *history, const struct marker_stat *directory)
{
	history->absent_seen = true;
	history->absent = *directory;
	history->has_leftover = false;
	history->leftover.kind = MARKER_ABSENT;
	history->ambiguous.kind = MARKER_ABSENT;
}
