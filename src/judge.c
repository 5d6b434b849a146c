#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include "src/abode.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/judge.h"

/* File stamps are taken from a coarse clock that moves with the tick, every 10 ms at worst (HZ = 100); and in
 * a virtual machine that is put aside the tick itself comes late. */
#define STAMP_GRAIN_NS 40000000LL

bool sight_same(const struct sight *a, const struct sight *b)
{
	return a->kind == b->kind && a->dev == b->dev && a->ino == b->ino &&
	       clock_to_ns(&a->mtime) == clock_to_ns(&b->mtime);
}

/* How much older than the process the marker is by its stamp, in nanoseconds. */
static int64_t age_at_start(const struct process *p, const struct evidence *e)
{
	return (int64_t)p->start * clock_tick_ns() - (clock_to_ns(&e->sight.ctime) - e->boot_offset);
}

/*
 * Whether the marker was there before the process. What the asker saw itself decides first. Only for
 * what was there before it looked do stamps count: start is rounded down to a tick and the stamp to its
 * grain, so only a marker that is older by more than both is surely older. That the clock is set between
 * the writing of a good marker and the first look must not make it stale: see clock_excuses().
 */
static bool older_than_process(const struct process *p, const struct memory *memory, const struct evidence *e)
{
	if (memory->left_behind && sight_same(&memory->leftover, &e->sight))
		return true;
	if (memory->absent_seen || p->start == 0 || e->excused)
		return false;
	return age_at_start(p, e) > STAMP_GRAIN_NS;
}

/* Whether a stamp that does not convict does not acquit either: too close to tell, or from the future, as
 * after a clock that was set back. */
static bool unsure(const struct process *p, const struct memory *memory, const struct evidence *e)
{
	if (memory->absent_seen || memory->vouched)
		return false;
	return p->start == 0 || age_at_start(p, e) > -clock_tick_ns() - STAMP_GRAIN_NS ||
	       clock_to_ns(&e->sight.ctime) > clock_now_ns(CLOCK_REALTIME) + STAMP_GRAIN_NS;
}

static void set(struct readyd_answer *answer, enum readyd_verdict verdict, enum readyd_reason reason)
{
	answer->verdict = verdict;
	answer->reason = reason;
}

/* No marker counts: what a living process is told. */
static void judge_unmarked(const struct evidence *e, struct readyd_answer *answer)
{
	if (e->closed) {
		set(answer, READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED);
		return;
	}
	switch (e->sight.kind) {
	case SIGHT_FILE:
	case SIGHT_ABSENT:
		set(answer, READYD_PENDING, READYD_REASON_NONE);
		return;
	case SIGHT_OTHER:
		set(answer, READYD_PENDING, READYD_REASON_NOT_A_FILE);
		return;
	case SIGHT_NO_DIRECTORY:
		set(answer, READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY);
		return;
	case SIGHT_DENIED:
		set(answer, READYD_UNREACHABLE, READYD_REASON_DIRECTORY_DENIED);
		return;
	case SIGHT_UNKNOWN:
		set(answer, READYD_PENDING, READYD_REASON_NO_RESOURCES);
		return;
	}
}

/* Why a marker that is there does not count; NONE when it does. */
static enum readyd_reason disowned(
    const struct process *p, const struct memory *memory, const struct evidence *e)
{
	if (memory->vouched)
		return READYD_REASON_NONE;
	if (e->collision)
		return READYD_REASON_NAME_COLLISION;
	if (e->foreign)
		return READYD_REASON_FOREIGN_OWNER;
	if (older_than_process(p, memory, e))
		return READYD_REASON_OLDER;
	return READYD_REASON_NONE;
}

HOT void judge(const struct process *p, const struct memory *memory, const struct evidence *e,
    struct readyd_answer *answer)
{
	/* Whose marker lies there is not known when the process that was meant is long gone. */
	bool marked = e->sight.kind == SIGHT_FILE && !p->reused;
	enum readyd_reason against = READYD_REASON_NONE;

	memset(answer, 0, sizeof(*answer));
	answer->pid = p->pid;
	answer->start = p->start;
	answer->wait_status = -1;
	if (marked && e->sight.size == 0)
		answer->flags |= READYD_FLAG_EMPTY;
	if (memory->latched && !marked)
		answer->flags |= READYD_FLAG_LATCHED;
	if (marked && !memory->latched)
		against = disowned(p, memory, e);
	if (e->unknown)
		set(answer, READYD_PENDING, READYD_REASON_NO_RESOURCES);
	else if (memory->latched || e->posted || (marked && against == READYD_REASON_NONE))
		set(answer, e->gone ? READYD_EXITED : READYD_READY, READYD_REASON_NONE);
	else if (p->never)
		set(answer, READYD_DIED, p->reused ? READYD_REASON_PID_REUSED : READYD_REASON_NO_PROCESS);
	else if (e->gone)
		set(answer, READYD_DIED, against);
	else if (marked)
		set(answer, e->collision ? READYD_UNREACHABLE : READYD_STALE, against);
	else
		judge_unmarked(e, answer);
}

/* Whether the marker that is seen may as well be another process's. Once it was, that stays so, also when the
 * other one has ended, as long as nobody has touched it. */
static bool is_contested(const struct marker_place *place, const struct process *p, struct memory *memory,
    struct rivals *rivals, struct evidence *e)
{
	if (memory->latched || memory->vouched || !rival_is_possible(p))
		return false;
	if (memory->contested.kind == SIGHT_FILE && sight_same(&memory->contested, &e->sight))
		return true;
	e->open = rivals == NULL;
	if (e->open)
		return false;
	switch (rival_find(rivals, place, p, &e->sight)) {
	case RIVAL_FOUND:
		memory->contested = e->sight;
		return true;
	case RIVAL_UNKNOWN:
		e->unknown = true;
		return false;
	case RIVAL_NONE:
		return false;
	}
	return false;
}

/* Root can leave a marker for any process. */
static bool is_foreign(const struct process *p, struct evidence *e)
{
	enum process_uid uid = PROCESS_UID_OWN;

	if (e->sight.uid != 0 && !p->never)
		uid = process_check_uid(p, e->sight.uid);
	e->unknown |= uid == PROCESS_UID_UNKNOWN;
	return uid == PROCESS_UID_FOREIGN;
}

/* Whether the path still leads to the directory that was seen without a marker. Something may have been
 * mounted over it, with old markers in it. */
static bool is_still_there(const struct marker_place *place, const struct sight *directory)
{
	struct stat st;

	return stat(place->dir, &st) == 0 && st.st_dev == directory->dev && st.st_ino == directory->ino;
}

/* That the marker here is its own is known. What is left to see is only whether it is there (still), which is
 * all that a crowd of waiters has to do when it is woken. */
static bool needs_no_proof(const struct memory *memory)
{
	return (memory->latched || memory->vouched) && !memory->elsewhere;
}

/* Where the process leaves its marker may change while it sets itself up, so that is found anew. */
HOT static void look(const struct marker_place *place, const struct process *p, struct memory *memory,
    struct rivals *rivals, struct evidence *e)
{
	struct marker_place there;
	enum abode abode;

	if (needs_no_proof(memory)) {
		marker_look(place, p->name, &e->sight);
		if (memory->latched || e->sight.kind == SIGHT_FILE)
			return;
	}
	abode = abode_find(place, p, &there);
	if (abode == ABODE_ELSEWHERE)
		memory->elsewhere = true;
	/* Gone, and its directory with it. */
	if (abode == ABODE_HERE && memory->elsewhere && process_gone(p)) {
		e->posted = memory->posted;
		return;
	}
	e->closed = abode == ABODE_CLOSED && process_is_nested(p);
	e->unknown |= abode == ABODE_UNKNOWN;
	if (e->closed || e->unknown)
		return;
	marker_look(&there, p->name, &e->sight);
	e->unknown |= e->sight.kind == SIGHT_UNKNOWN;
	if (e->sight.kind != SIGHT_FILE)
		return;
	if (memory->absent_seen && !is_still_there(&there, &memory->absent))
		memory->absent_seen = false;
	e->collision = is_contested(place, p, memory, rivals, e);
	e->boot_offset = clock_boot_offset();
	e->foreign = is_foreign(p, e);
	e->excused = age_at_start(p, e) > STAMP_GRAIN_NS &&
		     clock_excuses(clock_to_ns(&e->sight.ctime), age_at_start(p, e));
}

void memory_saw_none(struct memory *memory, const struct sight *directory)
{
	memory->absent_seen = true;
	memory->absent = *directory;
	memory->left_behind = false;
	memory->contested.kind = SIGHT_ABSENT;
}

/*
 * Look, check the process, look again: a process may write its marker and exit between the first look
 * and the check, and then the marker wins. In the other order of events, a marker that is seen before
 * the process is found gone, nothing can be missed.
 */
HOT void inspect(const struct marker_place *place, const struct process *p, struct memory *memory,
    struct rivals *rivals, struct readyd_answer *answer)
{
	struct evidence e = {.sight = {.kind = SIGHT_ABSENT}, .unknown = p->unread && !p->never};
	enum process_life life;

	look(place, p, memory, rivals, &e);
	life = process_life(p);
	e.gone = life == PROCESS_GONE;
	e.unknown |= life == PROCESS_UNKNOWN;
	if (e.gone && e.sight.kind != SIGHT_FILE)
		look(place, p, memory, rivals, &e);
	judge(p, memory, &e, answer);
	memory->unsure =
	    e.open || (answer->verdict == READYD_READY && !memory->latched && unsure(p, memory, &e));
	if (answer->verdict == READYD_READY && !e.open)
		memory->latched = true;
	if (life == PROCESS_LIVES && !e.unknown && !e.closed && e.sight.kind == SIGHT_ABSENT)
		memory_saw_none(memory, &e.sight);
	if (e.gone && !p->never)
		answer->wait_status = process_wait_status(p);
}
