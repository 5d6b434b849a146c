#include "config.h"

#include <sys/stat.h>
#include <unistd.h>

#include "src/check.h"
#include "src/check_stamps.h"
#include "src/clock.h"
#include "src/marker_dir.h"
#include "src/shortage.h"
#include "src/uidmap.h"

/* Whether age or owner prove that the marker is not the process's own, whichever other process has left it.
 */
static bool is_refuted(const struct process *p, const struct history *history, const struct observation *o)
{
	enum evidence evidence = evidence_weigh(p, history, o);

	return evidence == EVIDENCE_FOREIGN || evidence == EVIDENCE_LEFTOVER;
}

/* Sets o->ambiguous where the marker may be another process's. A marker stays ambiguous until it is
 * rewritten, even if the other process has ended. Called last, since the search may take long. */
static void check_ambiguity(const struct marker_place *place, const struct process *p,
    struct history *history, struct collisions *collisions, const struct marker_view *view,
    const struct marker_viewer *viewer, struct observation *o)
{
	if (history->latched)
		return;
	if (history->ambiguous.kind == MARKER_FILE && marker_same(&history->ambiguous, &o->marker)) {
		o->ambiguous = true;
		return;
	}
	o->ambiguity_unchecked = collisions == NULL;
	if (o->ambiguity_unchecked || is_refuted(p, history, o))
		return;
	switch (collision_find(collisions, place, p, view, viewer)) {
	case COLLISION_FOUND:
		history->ambiguous = o->marker;
		o->ambiguous = true;
		return;
	case COLLISION_HANGS:
		o->hangs = true;
		return;
	case COLLISION_UNKNOWN:
		o->unknown = true;
		return;
	case COLLISION_NONE:
		return;
	}
}

/* Root may leave a marker for any process. Of one that was never seen no uid is known, so any user may have
 * created the file: root's and our user's count. */
static enum process_uid check_uid(const struct process *p, uid_t uid)
{
	if (uid == 0)
		return PROCESS_UID_OWN;
	if (!p->no_such_process)
		return process_check_uid(p, uid);
	return uid == geteuid() ? PROCESS_UID_OWN : PROCESS_UID_UNREADABLE;
}

/* Two users that look alike in our user namespace need not be one. */
static void check_owner(const struct process *p, struct history *history, struct observation *o)
{
	enum process_uid uid = check_uid(p, o->marker.uid);

	if (uid == PROCESS_UID_OWN && !uidmap_identifies(o->marker.uid))
		uid = PROCESS_UID_UNREADABLE;
	o->foreign = uid == PROCESS_UID_FOREIGN ||
		     (history->foreign.kind == MARKER_FILE && marker_same(&history->foreign, &o->marker) &&
			 history->foreign.uid == o->marker.uid);
	if (o->foreign)
		history->foreign = o->marker;
	o->owner_unknown = uid == PROCESS_UID_UNREADABLE;
	o->unknown |= uid == PROCESS_UID_UNKNOWN;
}

/* Whether it is in that directory. Something may have been mounted over it, with old markers in it, and may
 * be gone again: so it is seen again after the directory. */
static bool is_in_directory(const struct marker_place *place, const struct process *p,
    const struct marker_view *view, const struct marker_stat *directory)
{
	dev_t dev = view->dev;
	ino_t ino = view->ino;
	struct marker_stat again;

	if (view->where == MARKER_DIR_OTHER)
		return dev == directory->dev && ino == directory->ino;
	if (!marker_place_identify(place, &dev, &ino) || dev != directory->dev || ino != directory->ino)
		return false;
	marker_stat(place, p->ns_pid, &again);
	return marker_same(&again, &view->marker);
}

/* Neither proves anything. A shortage does not last; another error may. */
static void note_failure(struct observation *o)
{
	bool failed = o->marker.kind == MARKER_UNKNOWN, shortage = is_shortage(o->marker.error);

	o->unknown |= failed && shortage;
	o->look_failed = failed && !shortage;
}

/* What is seen counts by itself. When it is gone again, the event that reported it must not count for a
 * marker. */
static void note_presence(struct history *history, const struct observation *o)
{
	if (o->marker.kind == MARKER_UNKNOWN)
		return;
	history->present = o->marker.kind == MARKER_FILE || o->marker.kind == MARKER_OTHER;
	history->came &= !history->present;
}

/* Whether the file came in what is our directory now, and only root and the user of the process can write to
 * it. In another one, anybody could have made a file that was removed before it was looked at. */
static bool came_in_private(const struct marker_place *place, const struct process *p,
    const struct history *history, const struct marker_stat *absent)
{
	struct stat st;

	return absent->dev == history->came_dev && absent->ino == history->came_ino &&
	       stat(place->dir, &st) == 0 && st.st_dev == history->came_dev &&
	       st.st_ino == history->came_ino && !check_stamps_is_shared(p, st.st_mode, st.st_uid);
}

/* A process may change its root or mount namespace during its set-up, so resolve its directory each time. */
static void observe_marker(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, const struct marker_viewer *viewer, struct observation *o)
{
	struct marker_view view;

	/* Then only its existence matters. */
	if (history->latched && !history->in_other_dir) {
		marker_stat(place, p->ns_pid, &o->marker);
		return;
	}
	viewer->view(place, p, &view, viewer->context);
	if (view.where == MARKER_DIR_OTHER)
		history->in_other_dir = true;
	/* The process has ended, and its directory cannot be reached any more. */
	if ((view.where == MARKER_DIR_SAME || view.where == MARKER_DIR_NONE) && history->in_other_dir &&
	    process_gone(p)) {
		o->arrived = history->arrived;
		return;
	}
	o->inaccessible = view.where == MARKER_DIR_INACCESSIBLE ||
			  (view.where == MARKER_DIR_HIDDEN && process_in_child_ns(p));
	o->unknown |= view.where == MARKER_DIR_UNKNOWN;
	o->hangs = view.where == MARKER_DIR_HANGS;
	if (o->inaccessible || o->unknown || o->hangs)
		return;
	o->marker = view.marker;
	note_failure(o);
	note_presence(history, o);
	if (o->marker.kind == MARKER_ABSENT && history->came && view.where == MARKER_DIR_SAME) {
		o->arrived = came_in_private(place, p, history, &o->marker);
		o->went = !o->arrived;
	}
	if (o->marker.kind != MARKER_FILE)
		return;
	if (history->absent_seen && !is_in_directory(place, p, &view, &history->absent))
		history->absent_seen = false;
	check_stamps(place, p, history, &view, viewer->steps, o);
	check_owner(p, history, o);
	check_ambiguity(place, p, history, collisions, &view, viewer, o);
}

/* If another process has the pid now, the marker says nothing of this one. */
static bool is_leftover(const struct process *p, const struct history *history, const struct observation *o)
{
	return o->marker.kind == MARKER_FILE && !p->reused && !o->succeeded &&
	       evidence_weigh(p, history, o) == EVIDENCE_LEFTOVER;
}

/* What clocks have proved, they cannot take back when they are set afterwards. Weak evidence is kept too: a
 * process that counted as ready stays ready, and its answers say on what. */
static void remember(const struct process *p, struct history *history, const struct observation *o,
    const struct readyd_answer *answer)
{
	bool first = answer->verdict == READYD_READY && !history->latched;

	if (answer->reason == READYD_REASON_OLDER && o->marker.kind == MARKER_FILE) {
		history->has_leftover = true;
		history->leftover = o->marker;
	}
	history->unconfirmed = o->ambiguity_unchecked || (first && evidence_is_weak(p, history, o));
	history->refuted = answer->verdict == READYD_DIED && is_leftover(p, history, o);
	if (!first || o->ambiguity_unchecked)
		return;
	history->latched = true;
	history->assumed = (answer->flags & READYD_FLAG_AGE_ASSUMED) != 0;
}

void check_note_absence(struct history *history, const struct marker_stat *directory)
{
	if (!history->absent_seen || history->absent_since == 0)
		history->absent_since = clock_now_ns(CLOCK_BOOTTIME);
	history_saw_none(history, directory);
}

static enum process_life observe(const struct marker_place *place, const struct process *p,
    struct history *history, struct collisions *collisions, const struct marker_viewer *viewer,
    struct observation *o)
{
	enum process_life life;

	*o = (struct observation){
	    .marker = {.kind = MARKER_ABSENT}, .unknown = p->unread && !p->no_such_process};
	observe_marker(place, p, history, collisions, viewer, o);
	life = process_life(p);
	o->gone = life == PROCESS_GONE;
	o->succeeded = o->gone && o->marker.kind == MARKER_FILE && process_has_successor(p);
	o->unknown |= life == PROCESS_UNKNOWN;
	return life;
}

void check_process(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, const struct marker_viewer *viewer, struct readyd_answer *answer)
{
	struct observation o;
	enum process_life life = observe(place, p, history, collisions, viewer, &o);

	evaluate(p, history, &o, answer);
	if (o.gone && answer->verdict == READYD_DIED) {
		life = observe(place, p, history, collisions, viewer, &o);
		evaluate(p, history, &o, answer);
	}
	remember(p, history, &o, answer);
	if (life == PROCESS_LIVES && !o.unknown && !o.inaccessible && !o.hangs &&
	    o.marker.kind == MARKER_ABSENT)
		check_note_absence(history, &o.marker);
	if (o.gone && !p->no_such_process)
		answer->wait_status = process_wait_status(p);
}
