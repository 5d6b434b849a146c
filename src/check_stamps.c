#include "config.h"

#include <sys/stat.h>
#include <unistd.h>

#include "src/check_stamps.h"
#include "src/clock.h"
#include "src/clock_set.h"
#include "src/stamp.h"

/* Of a process that was never seen no user is known: our own counts. */
static bool is_its_user(const struct process *p, uid_t uid)
{
	return p->no_such_process ? uid == geteuid() : process_check_uid(p, uid) == PROCESS_UID_OWN;
}

bool check_stamps_is_shared(const struct process *p, mode_t mode, uid_t owner)
{
	return (mode & (S_IWGRP | S_IWOTH)) != 0 || (owner != 0 && !is_its_user(p, owner));
}

/* Setting our clock does not set that of another machine or program. */
static struct clock_offsets convert(const struct clock_steps *steps, const struct clock_view *clock,
    const struct stamp_trust *stamps, const struct timespec *stamp)
{
	if (stamps->skew_ns != 0)
		return (struct clock_offsets){clock->offset, clock->offset};
	return clock_steps_offsets(steps, clock, clock_to_ns(stamp), stamps->grain_ns + stamps->margin_ns);
}

/* What the stamps of another directory are worth came with the look at it. */
static void check_clocks(const struct marker_place *place, const struct process *p,
    const struct marker_view *view, const struct clock_steps *steps, struct observation *o)
{
	struct clock_view clock = {.offset = clock_boot_offset()};
	int64_t first = steps != NULL && steps->count > 0 ? steps->regimes[0].offset : clock.offset;

	if (view->where == MARKER_DIR_OTHER)
		o->stamps = view->stamps;
	else if (!stamp_read(
		     place->dir, &o->marker.ctime, clock_ticks_to_ns(p->start) + clock.offset, &o->stamps))
		o->unknown = true;
	clock.was_set = clock_set_since_boot(first, &clock.at_boot);
	clock.now = o->now = clock_now_ns(CLOCK_BOOTTIME);
	o->offsets = convert(steps, &clock, &o->stamps, &o->marker.ctime);
	o->birth_offsets = convert(steps, &clock, &o->stamps, &o->born);
}

/* What changed in between is looked at again soon. */
static void check_birth(const struct marker_place *place, const struct process *p,
    const struct marker_view *view, struct observation *o)
{
	enum marker_birth birth = view->birth;

	o->born = view->born;
	if (view->where != MARKER_DIR_OTHER)
		birth = marker_birth(place, p->ns_pid, &o->marker, &o->born);
	o->has_birth = birth == MARKER_BIRTH_KNOWN;
	o->look_failed |= birth == MARKER_BIRTH_UNKNOWN;
}

static bool is_shared(
    const struct marker_place *place, const struct process *p, const struct marker_view *view)
{
	struct stat st = {.st_mode = view->mode, .st_uid = view->owner};

	if (view->where != MARKER_DIR_OTHER && stat(place->dir, &st) != 0)
		return true;
	return check_stamps_is_shared(p, st.st_mode, st.st_uid);
}

/* A file that was seen to come, and was created after the start by any clock, needs no closer look: that is
 * what thousands of waiters see when they are woken at once. */
static bool is_plainly_new(
    const struct process *p, const struct history *history, const struct observation *o)
{
	const int64_t start = evidence_start(p, history);

	if (!o->has_birth || o->marker.links > 1)
		return o->marker.links <= 1;
	return clock_to_ns(&o->born) - clock_boot_offset() > start &&
	       !evidence_took_longer(start, clock_to_ns(&o->marker.ctime) - clock_to_ns(&o->born),
		   clock_now_ns(CLOCK_BOOTTIME));
}

static bool is_known_old(const struct history *history, const struct observation *o)
{
	const struct old_file *old = &history->old_file;

	return old->known && o->has_birth && old->dev == o->marker.dev && old->ino == o->marker.ino &&
	       old->born.tv_sec == o->born.tv_sec && old->born.tv_nsec == o->born.tv_nsec;
}

static void note_old_file(const struct process *p, struct history *history, const struct observation *o)
{
	if (o->has_birth && evidence_was_born_before(p, history, o))
		history->old_file = (struct old_file){true, o->marker.dev, o->marker.ino, o->born};
}

void check_stamps(const struct marker_place *place, const struct process *p, struct history *history,
    const struct marker_view *view, const struct clock_steps *steps, struct observation *o)
{
	bool needs_stamps = evidence_needs_stamps(history, &o->marker);

	if (history->latched || (!needs_stamps && !history->absent_seen))
		return;
	check_birth(place, p, view, o);
	o->known_old = is_known_old(history, o);
	if (!needs_stamps && !o->known_old && is_plainly_new(p, history, o))
		return;
	check_clocks(place, p, view, steps, o);
	note_old_file(p, history, o);
	o->shared = evidence_may_be_moved(p, history, o) && is_shared(place, p, view);
}
