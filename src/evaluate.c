#include "config.h"

#include <string.h>

#include "src/evaluate.h"

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
		set_verdict(answer, READYD_PENDING, READYD_REASON_LOOK_FAILED);
		return;
	}
}

/* Why a marker does not count; NONE if it does. */
static enum readyd_reason reason_against(enum evidence evidence)
{
	switch (evidence) {
	case EVIDENCE_OWN:
	case EVIDENCE_ASSUMED:
		return READYD_REASON_NONE;
	case EVIDENCE_UNDATED:
		return READYD_REASON_AGE_UNKNOWN;
	case EVIDENCE_NAMELESS:
		return READYD_REASON_IDENTITY_UNKNOWN;
	case EVIDENCE_LEFTOVER:
		return READYD_REASON_OLDER;
	case EVIDENCE_FOREIGN:
		return READYD_REASON_FOREIGN_OWNER;
	case EVIDENCE_AMBIGUOUS:
		return READYD_REASON_NAME_COLLISION;
	}
	return READYD_REASON_NONE;
}

/* For a living process with a marker that does not count. */
static enum readyd_verdict verdict_against(enum evidence evidence)
{
	if (evidence == EVIDENCE_UNDATED || evidence == EVIDENCE_NAMELESS)
		return READYD_PENDING;
	return evidence == EVIDENCE_AMBIGUOUS ? READYD_UNREACHABLE : READYD_STALE;
}

/* If another process has the pid now, the marker under its name may be from either. */
static bool is_marked(const struct process *p, const struct observation *o)
{
	return o->marker.kind == MARKER_FILE && !p->reused && !o->succeeded;
}

/* What the latch rests on is known from when it was set. */
static unsigned flags_of(const struct process *p, const struct history *history, const struct observation *o,
    enum evidence evidence)
{
	bool marked = is_marked(p, o), assumed = evidence == EVIDENCE_ASSUMED;

	if (history->latched)
		assumed = history->assumed;
	return (marked && o->marker.size == 0 ? READYD_FLAG_EMPTY : 0) |
	       (history->latched && !marked ? READYD_FLAG_LATCHED : 0) |
	       (assumed && !o->unknown && (!o->hangs || history->latched) ? READYD_FLAG_AGE_ASSUMED : 0);
}

/* Why a living process has no marker, as far as that is known. */
static enum readyd_reason reason_for_absence(const struct process *p, const struct observation *o)
{
	if (p->identity_unknown)
		return READYD_REASON_IDENTITY_UNKNOWN;
	return o->went ? READYD_REASON_CAME_AND_WENT : READYD_REASON_NONE;
}

/* What is there although no process was may be a marker, but nothing proves it. */
static enum readyd_reason reason_of_nothing(const struct process *p, enum evidence evidence)
{
	if (p->reused)
		return READYD_REASON_PID_REUSED;
	if (evidence == EVIDENCE_NAMELESS)
		return READYD_REASON_IDENTITY_UNKNOWN;
	return evidence == EVIDENCE_UNDATED ? READYD_REASON_AGE_UNKNOWN : READYD_REASON_NO_PROCESS;
}

void evaluate(const struct process *p, const struct history *history, const struct observation *o,
    struct readyd_answer *answer)
{
	bool weigh = is_marked(p, o) && !history->latched;
	enum evidence evidence = weigh ? evidence_weigh(p, history, o) : EVIDENCE_OWN;
	enum readyd_reason against = reason_against(evidence);

	memset(answer, 0, sizeof(*answer));
	answer->pid = p->pid;
	answer->start = p->start;
	answer->wait_status = -1;
	answer->flags = flags_of(p, history, o, evidence);
	if (o->unknown)
		set_verdict(answer, READYD_PENDING, READYD_REASON_NO_RESOURCES);
	else if (o->hangs && !history->latched)
		set_verdict(answer, READYD_UNREACHABLE, READYD_REASON_DIRECTORY_HANGS);
	else if (o->look_failed)
		set_verdict(answer, READYD_PENDING, READYD_REASON_LOOK_FAILED);
	else if (history->latched || (o->arrived && !p->identity_unknown) ||
		 (weigh && against == READYD_REASON_NONE))
		set_verdict(answer, o->gone ? READYD_EXITED : READYD_READY, READYD_REASON_NONE);
	else if (p->no_such_process)
		set_verdict(answer, READYD_DIED, reason_of_nothing(p, evidence));
	else if (o->gone)
		set_verdict(answer, READYD_DIED, against);
	else if (weigh)
		set_verdict(answer, verdict_against(evidence), against);
	else
		evaluate_unmarked(o, answer);
	if (answer->verdict == READYD_PENDING && answer->reason == READYD_REASON_NONE)
		answer->reason = reason_for_absence(p, o);
}
