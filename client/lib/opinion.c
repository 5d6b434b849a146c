#include "config.h"

#include "client/lib/opinion.h"
#include "src/verdict.h"

struct readyd_answer opinion_strict(const struct readyd_answer *answer)
{
	struct readyd_answer strict = *answer;

	if ((answer->flags & READYD_FLAG_AGE_ASSUMED) == 0)
		return strict;
	strict.flags = 0;
	strict.verdict = verdict_is_process_gone(answer->verdict) ? READYD_DIED : READYD_PENDING;
	strict.reason = READYD_REASON_AGE_UNKNOWN;
	return strict;
}

static bool knows_nothing(const struct readyd_answer *own)
{
	return own->verdict == READYD_PENDING || own->verdict == READYD_UNREACHABLE;
}

bool opinion_counts(const struct readyd_answer *own, bool refuted, const struct readyd_answer *said)
{
	/* It may be about another process than the one that was checked here, or made without a look at it.
	 */
	if (said->start == 0 && (own->start != 0 || !knows_nothing(own)))
		return false;
	/* There was a process, but neither side knows its start: what the daemon knows may be another's. */
	if (said->verdict == READYD_EXITED && said->start == 0)
		return false;
	if (verdict_is_blind(own))
		return true;
	if (said->reason == READYD_REASON_NAME_COLLISION)
		return true;
	/* Had it been ready, its marker would have replaced the older one. */
	if (refuted && said->verdict == READYD_EXITED)
		return false;
	if (own->verdict == READYD_READY)
		return said->verdict == READYD_STALE;
	if (own->verdict == READYD_UNREACHABLE && said->verdict == READYD_PENDING)
		return true;
	if (own->verdict == READYD_PENDING && own->reason == READYD_REASON_NONE &&
	    said->reason == READYD_REASON_CAME_AND_WENT)
		return true;
	return said->verdict != READYD_PENDING && said->verdict != READYD_UNREACHABLE;
}

struct readyd_answer opinion_complete(const struct readyd_answer *own, const struct readyd_answer *said)
{
	struct readyd_answer complete = *said;

	if (own->start != 0 && own->start == said->start && verdict_is_process_gone(own->verdict) &&
	    verdict_is_process_gone(said->verdict) && said->wait_status < 0)
		complete.wait_status = own->wait_status;
	if (complete.wait_status >= 0)
		complete.flags &= ~READYD_FLAG_STATUS_HIDDEN;
	return complete;
}

struct readyd_answer opinion_merge(
    const struct readyd_answer *own, bool refuted, const struct readyd_answer *said)
{
	return opinion_counts(own, refuted, said) ? opinion_complete(own, said) : *own;
}
