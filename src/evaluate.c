#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include "src/marker_dir.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/evaluate.h"

/* File stamps are taken from a coarse clock that moves with the tick, every 10 ms at worst (HZ = 100); and in
 * a virtual machine that is put aside the tick itself comes late. */
#define STAMP_GRAIN_NS 40000000LL

bool marker_same(const struct marker_stat *a, const struct marker_stat *b)
{
	return a->kind == b->kind && a->dev == b->dev && a->ino == b->ino &&
	       clock_to_ns(&a->mtime) == clock_to_ns(&b->mtime);
}

/* How much older than the process the marker is by its stamp, in nanoseconds. */
static int64_t age_at_start(const struct process *p, const struct observation *o)
{
	return (int64_t)p->start * clock_tick_ns() - (clock_to_ns(&o->marker.ctime) - o->boot_offset);
}

/*
 * Whether the marker was there before the process. What the asker saw itself decides first. Only for
 * what was there before it looked do stamps count: start is rounded down to a tick and the stamp to its
 * grain, so only a marker that is older by more than both is surely older. That the clock is set between
 * the writing of a good marker and the first look must not make it stale: see clock_excuses().
 */
static bool older_than_process(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (history->has_leftover && marker_same(&history->leftover, &o->marker))
		return true;
	if (history->absent_seen || p->start == 0 || o->clock_was_set)
		return false;
	return age_at_start(p, o) > STAMP_GRAIN_NS;
}

/* Whether a stamp that does not convict does not acquit either: too close to tell, or from the future, as
 * after a clock that was set back. */
static bool unsure(const struct process *p, const struct history *history, const struct observation *o)
{
	if (history->absent_seen || history->confirmed)
		return false;
	return p->start == 0 || age_at_start(p, o) > -clock_tick_ns() - STAMP_GRAIN_NS ||
	       clock_to_ns(&o->marker.ctime) > clock_now_ns(CLOCK_REALTIME) + STAMP_GRAIN_NS;
}

static void set(struct readyd_answer *answer, enum readyd_verdict verdict, enum readyd_reason reason)
{
	answer->verdict = verdict;
	answer->reason = reason;
}

/* No marker counts: what a living process is told. */
static void evaluate_unmarked(const struct observation *o, struct readyd_answer *answer)
{
	if (o->inaccessible) {
		set(answer, READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED);
		return;
	}
	switch (o->marker.kind) {
	case MARKER_FILE:
	case MARKER_ABSENT:
		set(answer, READYD_PENDING, READYD_REASON_NONE);
		return;
	case MARKER_OTHER:
		set(answer, READYD_PENDING, READYD_REASON_NOT_A_FILE);
		return;
	case MARKER_NO_DIRECTORY:
		set(answer, READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY);
		return;
	case MARKER_DENIED:
		set(answer, READYD_UNREACHABLE, READYD_REASON_DIRECTORY_DENIED);
		return;
	case MARKER_UNKNOWN:
		set(answer, READYD_PENDING, READYD_REASON_NO_RESOURCES);
		return;
	}
}

/* Why a marker that is there does not count; NONE when it does. */
static enum readyd_reason why_not_its_own(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (history->confirmed)
		return READYD_REASON_NONE;
	if (o->ambiguous)
		return READYD_REASON_NAME_COLLISION;
	if (o->foreign)
		return READYD_REASON_FOREIGN_OWNER;
	if (older_than_process(p, history, o))
		return READYD_REASON_OLDER;
	return READYD_REASON_NONE;
}

HOT void evaluate(const struct process *p, const struct history *history, const struct observation *o,
    struct readyd_answer *answer)
{
	/* Whose marker lies there is not known when the process that was meant is long gone. */
	bool marked = o->marker.kind == MARKER_FILE && !p->reused;
	enum readyd_reason against = READYD_REASON_NONE;

	memset(answer, 0, sizeof(*answer));
	answer->pid = p->pid;
	answer->start = p->start;
	answer->wait_status = -1;
	if (marked && o->marker.size == 0)
		answer->flags |= READYD_FLAG_EMPTY;
	if (history->latched && !marked)
		answer->flags |= READYD_FLAG_LATCHED;
	if (marked && !history->latched)
		against = why_not_its_own(p, history, o);
	if (o->unknown)
		set(answer, READYD_PENDING, READYD_REASON_NO_RESOURCES);
	else if (history->latched || o->arrived || (marked && against == READYD_REASON_NONE))
		set(answer, o->gone ? READYD_EXITED : READYD_READY, READYD_REASON_NONE);
	else if (p->no_such_process)
		set(answer, READYD_DIED, p->reused ? READYD_REASON_PID_REUSED : READYD_REASON_NO_PROCESS);
	else if (o->gone)
		set(answer, READYD_DIED, against);
	else if (marked)
		set(answer, o->ambiguous ? READYD_UNREACHABLE : READYD_STALE, against);
	else
		evaluate_unmarked(o, answer);
}

/* Whether the marker that is seen may as well be another process's. Once it was, that stays so, also when the
 * other one has ended, as long as nobody has touched it. */
static bool find_ambiguity(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, struct observation *o)
{
	if (history->latched || history->confirmed || !collision_is_possible(p))
		return false;
	if (history->ambiguous.kind == MARKER_FILE && marker_same(&history->ambiguous, &o->marker))
		return true;
	o->ambiguity_unchecked = collisions == NULL;
	if (o->ambiguity_unchecked)
		return false;
	switch (collision_find(collisions, place, p, &o->marker)) {
	case COLLISION_FOUND:
		history->ambiguous = o->marker;
		return true;
	case COLLISION_UNKNOWN:
		o->unknown = true;
		return false;
	case COLLISION_NONE:
		return false;
	}
	return false;
}

/* Root can leave a marker for any process. */
static bool is_foreign(const struct process *p, struct observation *o)
{
	enum process_uid uid = PROCESS_UID_OWN;

	if (o->marker.uid != 0 && !p->no_such_process)
		uid = process_check_uid(p, o->marker.uid);
	o->unknown |= uid == PROCESS_UID_UNKNOWN;
	return uid == PROCESS_UID_FOREIGN;
}

/* Whether the path still leads to the directory that was seen without a marker. Something may have been
 * mounted over it, with old markers in it. */
static bool is_still_there(const struct marker_place *place, const struct marker_stat *directory)
{
	dev_t dev;
	ino_t ino;

	return marker_place_identify(place, &dev, &ino) && dev == directory->dev && ino == directory->ino;
}

/* That the marker here is its own is known. What is left to see is only whether it is there (still), which is
 * all that a crowd of waiters has to do when it is woken. */
static bool needs_no_proof(const struct history *history)
{
	return (history->latched || history->confirmed) && !history->in_other_dir;
}

/* Where the process leaves its marker may change while it sets itself up, so that is found anew. */
HOT static void look(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, struct observation *o)
{
	struct marker_place there;
	enum marker_dir where;

	if (needs_no_proof(history)) {
		marker_stat(place, p->ns_pid, &o->marker);
		if (history->latched || o->marker.kind == MARKER_FILE)
			return;
	}
	where = marker_dir_find(place, p, &there);
	if (where == MARKER_DIR_OTHER)
		history->in_other_dir = true;
	/* Gone, and its directory with it. */
	if (where == MARKER_DIR_SAME && history->in_other_dir && process_gone(p)) {
		o->arrived = history->arrived;
		return;
	}
	o->inaccessible = where == MARKER_DIR_INACCESSIBLE && process_in_child_ns(p);
	o->unknown |= where == MARKER_DIR_UNKNOWN;
	if (o->inaccessible || o->unknown)
		return;
	marker_stat(&there, p->ns_pid, &o->marker);
	o->unknown |= o->marker.kind == MARKER_UNKNOWN;
	if (o->marker.kind != MARKER_FILE)
		return;
	if (history->absent_seen && !is_still_there(&there, &history->absent))
		history->absent_seen = false;
	o->ambiguous = find_ambiguity(place, p, history, collisions, o);
	o->boot_offset = clock_boot_offset();
	o->foreign = is_foreign(p, o);
	o->clock_was_set = age_at_start(p, o) > STAMP_GRAIN_NS &&
			   clock_excuses(clock_to_ns(&o->marker.ctime), age_at_start(p, o));
}

void history_saw_none(struct history *history, const struct marker_stat *directory)
{
	history->absent_seen = true;
	history->absent = *directory;
	history->has_leftover = false;
	history->ambiguous.kind = MARKER_ABSENT;
}

/*
 * Look, check the process, look again: a process may write its marker and exit between the first look
 * and the check, and then the marker wins. In the other order of events, a marker that is seen before
 * the process is found gone, nothing can be missed.
 */
HOT void check_process(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, struct readyd_answer *answer)
{
	struct observation o = {
	    .marker = {.kind = MARKER_ABSENT}, .unknown = p->unread && !p->no_such_process};
	enum process_life life;

	look(place, p, history, collisions, &o);
	life = process_life(p);
	o.gone = life == PROCESS_GONE;
	o.unknown |= life == PROCESS_UNKNOWN;
	if (o.gone && o.marker.kind != MARKER_FILE)
		look(place, p, history, collisions, &o);
	evaluate(p, history, &o, answer);
	history->unconfirmed = o.ambiguity_unchecked || (answer->verdict == READYD_READY &&
							    !history->latched && unsure(p, history, &o));
	if (answer->verdict == READYD_READY && !o.ambiguity_unchecked)
		history->latched = true;
	if (life == PROCESS_LIVES && !o.unknown && !o.inaccessible && o.marker.kind == MARKER_ABSENT)
		history_saw_none(history, &o.marker);
	if (o.gone && !p->no_such_process)
		answer->wait_status = process_wait_status(p);
}
