/* The verdicts' and reasons' words, and the exit status each verdict has in readyctl(1). */
#ifndef SRC_VERDICT_H
#define SRC_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "readyd/readyd.h"

/* The exit code of readyctl(1) for one verdict; a wait that timed out has 124 instead of that of pending. */
int verdict_exit_code(enum readyd_verdict verdict);

/* True where the answer is final for one who asks now. */
static inline bool verdict_answers_query(const struct readyd_answer *answer)
{
	return answer->verdict != READYD_PENDING;
}

/* True where the answer also ends a wait that began earlier: that the directory is missing or closed does
 * not, it may come back. */
static inline bool verdict_ends_wait(const struct readyd_answer *answer)
{
	return verdict_answers_query(answer) && answer->reason != READYD_REASON_NO_DIRECTORY &&
	       answer->reason != READYD_REASON_DIRECTORY_DENIED;
}

/* True where the process is no more. */
static inline bool verdict_is_process_gone(enum readyd_verdict verdict)
{
	return verdict == READYD_DIED || verdict == READYD_EXITED;
}

/* True where somebody who remembers more could add nothing. */
static inline bool verdict_needs_no_daemon(const struct readyd_answer *answer)
{
	return answer->verdict == READYD_READY ||
	       (answer->verdict == READYD_EXITED && answer->wait_status >= 0);
}

/* The words' inverse: 0, or -1 when the len bytes are none of them. */
int verdict_parse(const char *word, size_t len, enum readyd_verdict *verdict);
int reason_parse(const char *word, size_t len, enum readyd_reason *reason);

#endif
