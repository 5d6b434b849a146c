/* The verdicts' and reasons' words, and the exit status each verdict has in readyctl(1). */
#ifndef SRC_VERDICT_H
#define SRC_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "readyd/readyd.h"

/* True for every verdict that ends a wait. */
static inline bool verdict_settles(enum readyd_verdict verdict)
{
	return verdict != READYD_PENDING;
}

/* True where the process is no more. */
static inline bool verdict_is_end(enum readyd_verdict verdict)
{
	return verdict == READYD_DIED || verdict == READYD_EXITED;
}

/* The words' inverse: 0, or -1 when the len bytes are none of them. */
int verdict_parse(const char *word, size_t len, enum readyd_verdict *verdict);
int reason_parse(const char *word, size_t len, enum readyd_reason *reason);

#endif
