/* Properties of verdicts, their exit status in readyctl(1), and the parsers of the words of verdicts and
 * reasons. */
#ifndef SRC_VERDICT_H
#define SRC_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "readyd/readyd.h"

/* The exit status of readyctl(1) for a verdict. A wait that timed out has 124 instead of that of pending. */
int verdict_exit_code(enum readyd_verdict verdict);

/* Whether a wait that is about to begin ends with this answer. A stale marker does not end it: the process
 * may still write its own over it. Nor does a directory that does not answer, since it may do so later. */
static inline bool verdict_ends_new_wait(const struct readyd_answer *answer)
{
	return answer->verdict != READYD_PENDING && answer->verdict != READYD_STALE &&
	       answer->reason != READYD_REASON_DIRECTORY_HANGS;
}

/* Whether the answer also ends a wait that has begun earlier. A missing or inaccessible directory does not:
 * it may come back. */
static inline bool verdict_ends_wait(const struct readyd_answer *answer)
{
	return verdict_ends_new_wait(answer) && answer->reason != READYD_REASON_NO_DIRECTORY &&
	       answer->reason != READYD_REASON_DIRECTORY_DENIED;
}

/* Whether a wait can be attached to the process: it was examined, and the answer does not end the wait. */
static inline bool verdict_begins_wait(const struct readyd_answer *answer)
{
	return !verdict_ends_new_wait(answer) && answer->reason != READYD_REASON_NO_RESOURCES;
}

/* The same for a wait until the end of the process. */
static inline bool verdict_begins_end(const struct readyd_answer *answer)
{
	return answer->verdict != READYD_DIED && answer->verdict != READYD_EXITED &&
	       answer->reason != READYD_REASON_NO_RESOURCES;
}

/* Whether the check could not see what it had to: nothing is known, and another check may see it. */
static inline bool verdict_is_blind(const struct readyd_answer *answer)
{
	return answer->reason == READYD_REASON_NO_RESOURCES || answer->reason == READYD_REASON_LOOK_FAILED;
}

/* Whether a marker is there that does not count, by its age or owner: the process may rewrite it in place,
 * which raises no event. */
static inline bool verdict_awaits_rewrite(const struct readyd_answer *answer)
{
	return answer->verdict == READYD_STALE || answer->reason == READYD_REASON_AGE_UNKNOWN;
}

/* Whether the process has exited, by this verdict. */
static inline bool verdict_is_process_gone(enum readyd_verdict verdict)
{
	return verdict == READYD_DIED || verdict == READYD_EXITED;
}

/* Whether the daemon, which remembers earlier markers and may see more of /proc, could add nothing to this
 * answer of a single check. */
static inline bool verdict_needs_no_daemon(const struct readyd_answer *answer)
{
	return answer->verdict == READYD_READY ||
	       (answer->verdict == READYD_EXITED && answer->wait_status >= 0);
}

/* The inverse of readyd_verdict_name() and readyd_reason_name(). 0, or -1 if the len bytes are not a known
 * word. */
int verdict_parse(const char *word, size_t len, enum readyd_verdict *verdict);
int reason_parse(const char *word, size_t len, enum readyd_reason *reason);

#endif
