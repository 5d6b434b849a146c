#include "config.h"

#include <string.h>

#include "src/clock.h"
#include "src/evaluate.h"
#include "src/hot.h"

int64_t evaluate_age_at_start(const struct process *p, const struct observation *o)
{
	return (int64_t)p->start * clock_tick_ns() - (clock_to_ns(&o->marker.ctime) - o->boot_offset);
}

/*
 * Whether the marker existed before the process. What the caller itself saw decides first; stamps count only
 * for a marker that existed before the first check. The start is rounded down to a tick and the stamp to its
 * grain, so only a marker that is older by more than both is certainly older. Setting the clock between the
 * writing of a valid marker and the first check must not make it stale: see clock_excuses().
 */
static bool is_older_than_process(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (history->has_leftover && marker_same(&history->leftover, &o->marker))
		return true;
	if (history->absent_seen || p->start == 0 || o->clock_was_set)
		return false;
	return evaluate_age_at_start(p, o) > EVALUATE_STAMP_GRAIN_NS;
}

HOT bool evaluate_needs_confirmation(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (history->absent_seen || history->confirmed)
		return false;
	return p->start == 0 || evaluate_age_at_start(p, o) > -clock_tick_ns() - EVALUATE_STAMP_GRAIN_NS ||
	       clock_to_ns(&o->marker.ctime) > o->now + EVALUATE_STAMP_GRAIN_NS;
}

static void set_verdict(struct readyd_answer *answer, enum readyd_verdict verdict, enum readyd_reason reason)
{
	answer->verdict = verdict;
	answer->reason = reason;
}

/* For a living process without a marker that counts. */
static void evaluate_unmarked(const struct observation *o, struct readyd_answer *answer)
{
	if (o->inaccessible) {
		set_verdict(answer, READYD_UNREACHABLE, READYD_REASON_NAMESPACE_DENIED);
		return;
	}
	switch (o->marker.kind) {
	case MARKER_FILE:
	case MARKER_ABSENT:
		set_verdict(answer, READYD_PENDING, READYD_REASON_NONE);
		return;
	case MARKER_OTHER:
		set_verdict(answer, READYD_PENDING, READYD_REASON_NOT_A_FILE);
		return;
	case MARKER_NO_DIRECTORY:
		set_verdict(answer, READYD_UNREACHABLE, READYD_REASON_NO_DIRECTORY);
		return;
	case MARKER_DENIED:
		set_verdict(answer, READYD_UNREACHABLE, READYD_REASON_DIRECTORY_DENIED);
		return;
	case MARKER_UNKNOWN:
		set_verdict(answer, READYD_PENDING, READYD_REASON_NO_RESOURCES);
		return;
	}
}

/* Why an existing marker does not count; NONE if it does. */
static enum readyd_reason reason_against_marker(
    const struct process *p, const struct history *history, const struct observation *o)
{
	if (history->confirmed)
		return READYD_REASON_NONE;
	if (o->ambiguous)
		return READYD_REASON_NAME_COLLISION;
	if (o->foreign)
		return READYD_REASON_FOREIGN_OWNER;
	if (is_older_than_process(p, history, o))
		return READYD_REASON_OLDER;
	return READYD_REASON_NONE;
}

HOT void evaluate(const struct process *p, const struct history *history, const struct observation *o,
    struct readyd_answer *answer)
{
	/* If another process has the pid now, the marker under its name may be from either. */
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
		against = reason_against_marker(p, history, o);
	if (o->unknown)
		set_verdict(answer, READYD_PENDING, READYD_REASON_NO_RESOURCES);
	else if (o->hangs && !history->latched)
		set_verdict(answer, READYD_UNREACHABLE, READYD_REASON_DIRECTORY_HANGS);
	else if (history->latched || o->arrived || (marked && against == READYD_REASON_NONE))
		set_verdict(answer, o->gone ? READYD_EXITED : READYD_READY, READYD_REASON_NONE);
	else if (p->no_such_process)
		set_verdict(
		    answer, READYD_DIED, p->reused ? READYD_REASON_PID_REUSED : READYD_REASON_NO_PROCESS);
	else if (o->gone)
		set_verdict(answer, READYD_DIED, against);
	else if (marked)
		set_verdict(answer, o->ambiguous ? READYD_UNREACHABLE : READYD_STALE, against);
	else
		evaluate_unmarked(o, answer);
}

void history_saw_none(struct history *history, const struct marker_stat *directory)
{
	history->absent_seen = true;
	history->absent = *directory;
	history->has_leftover = false;
	history->ambiguous.kind = MARKER_ABSENT;
}
