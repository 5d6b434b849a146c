/* Properties of verdicts, their exit status in readyctl(1), and the parsers of the words of verdicts and
 * reasons. */
#ifndef SRC_VERDICT_H
#define SRC_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "readyd/readyd.h"

/* The exit status of readyctl(1) for a verdict. A wait that timed out has 124 instead of that of pending. */
int verdict_exit_code(enum readyd_verdict verdict);

/* Whether a caller that asks only now can be given this answer, instead of waiting: it is not pending. */
static inline bool verdict_answers_query(const struct readyd_answer *answer)
{
	return answer->verdict != READYD_PENDING;
}

/* Whether the answer also ends a wait that has begun earlier. A missing or inaccessible directory does not:
 * it may come back, as may one that does not answer. */
static inline bool verdict_ends_wait(const struct readyd_answer *answer)
{
	return verdict_answers_query(answer) && answer->reason != READYD_REASON_NO_DIRECTORY &&
	       answer->reason != READYD_REASON_DIRECTORY_DENIED &&
	       answer->reason != READYD_REASON_DIRECTORY_HANGS;
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
