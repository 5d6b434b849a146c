#include "config.h"

#include <sys/stat.h>

#include "src/check.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/marker_dir.h"
#include "src/shortage.h"

/* Sets o->ambiguous where the marker may be another process's. A marker stays ambiguous until it is
 * rewritten, even if the other process has ended. */
static void check_ambiguity(const struct marker_place *place, const struct process *p,
    struct history *history, struct collisions *collisions, struct observation *o)
{
	if (history->latched || history->confirmed || !collision_is_possible(p))
		return;
	if (history->ambiguous.kind == MARKER_FILE && marker_same(&history->ambiguous, &o->marker)) {
		o->ambiguous = true;
		return;
	}
	o->ambiguity_unchecked = collisions == NULL;
	if (o->ambiguity_unchecked)
		return;
	switch (collision_find(collisions, place, p, &o->marker)) {
	case COLLISION_FOUND:
		history->ambiguous = o->marker;
		o->ambiguous = true;
		return;
	case COLLISION_UNKNOWN:
		o->unknown = true;
		return;
	case COLLISION_NONE:
		return;
	}
}

/* Root may leave a marker for any process. */
static void check_owner(const struct process *p, struct history *history, struct observation *o)
{
	enum process_uid uid = PROCESS_UID_OWN;

	if (o->marker.uid != 0 && !p->no_such_process)
		uid = process_check_uid(p, o->marker.uid);
	/* The uids of a process that has been reaped cannot be read any more. */
	o->foreign = uid == PROCESS_UID_FOREIGN ||
		     (history->foreign.kind == MARKER_FILE && marker_same(&history->foreign, &o->marker) &&
			 history->foreign.uid == o->marker.uid);
	if (o->foreign)
		history->foreign = o->marker;
	o->unknown |= uid == PROCESS_UID_UNKNOWN;
}

static void check_clocks(const struct process *p, struct observation *o)
{
	int64_t age;

	o->now = clock_now_ns(CLOCK_REALTIME);
	o->boot_offset = clock_boot_offset();
	age = evaluate_age_at_start(p, o);
	o->clock_was_set = age > EVALUATE_STAMP_GRAIN_NS && clock_excuses(clock_to_ns(&o->marker.ctime), age);
}

/* Whether the path still leads to that directory. Something may have been mounted over it, with old markers
 * in it. */
static bool is_same_directory(const struct marker_place *place, const struct marker_stat *directory)
{
	dev_t dev;
	ino_t ino;

	return marker_place_identify(place, &dev, &ino) && dev == directory->dev && ino == directory->ino;
}

/* Whether a marker in our directory is known to be the process's own. Then only its existence matters, which
 * is all that thousands of waiters check when they are woken at once. */
static bool is_ownership_known(const struct history *history)
{
	return (history->latched || history->confirmed) && !history->in_other_dir;
}

/* Neither is an acquittal: a shortage is over soon, and another error may be. */
static void note_failure(struct observation *o)
{
	bool failed = o->marker.kind == MARKER_UNKNOWN, shortage = is_shortage(o->marker.error);

	o->unknown |= failed && shortage;
	o->look_failed = failed && !shortage;
}

/* A process may change its root or mount namespace during its set-up, so resolve its directory each time. */
HOT static void observe_marker(const struct marker_place *place, const struct process *p,
    struct history *history, struct collisions *collisions, struct observation *o)
{
	struct marker_place there;
	enum marker_dir where;

	if (is_ownership_known(history)) {
		marker_stat(place, p->ns_pid, &o->marker);
		if (history->latched || o->marker.kind == MARKER_FILE)
			return;
	}
	where = marker_dir_find(place, p, &there);
	if (where == MARKER_DIR_OTHER)
		history->in_other_dir = true;
	/* The process has ended, and its directory cannot be reached any more. */
	if (where == MARKER_DIR_SAME && history->in_other_dir && process_gone(p)) {
		o->arrived = history->arrived;
		return;
	}
	o->inaccessible = where == MARKER_DIR_INACCESSIBLE && process_in_child_ns(p);
	o->unknown |= where == MARKER_DIR_UNKNOWN;
	if (o->inaccessible || o->unknown)
		return;
	marker_stat(&there, p->ns_pid, &o->marker);
	note_failure(o);
	if (o->marker.kind != MARKER_FILE)
		return;
	if (history->absent_seen && !is_same_directory(&there, &history->absent))
		history->absent_seen = false;
	check_ambiguity(place, p, history, collisions, o);
	check_clocks(p, o);
	check_owner(p, history, o);
}

HOT void check_process(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, struct readyd_answer *answer)
{
	struct observation o = {
	    .marker = {.kind = MARKER_ABSENT}, .unknown = p->unread && !p->no_such_process};
	enum process_life life;

	observe_marker(place, p, history, collisions, &o);
	life = process_life(p);
	o.gone = life == PROCESS_GONE;
	o.unknown |= life == PROCESS_UNKNOWN;
	if (o.gone && o.marker.kind != MARKER_FILE)
		observe_marker(place, p, history, collisions, &o);
	evaluate(p, history, &o, answer);
	history->unconfirmed =
	    o.ambiguity_unchecked || (answer->verdict == READYD_READY && !history->latched &&
					 evaluate_needs_confirmation(p, history, &o));
	history->refuted = answer->verdict == READYD_DIED && o.marker.kind == MARKER_FILE && !p->reused &&
			   !o.foreign && !o.ambiguous;
	if (answer->verdict == READYD_READY && !o.ambiguity_unchecked)
		history->latched = true;
	if (life == PROCESS_LIVES && !o.unknown && !o.inaccessible && o.marker.kind == MARKER_ABSENT)
		history_saw_none(history, &o.marker);
	if (o.gone && !p->no_such_process)
		answer->wait_status = process_wait_status(p);
}
