/* Merges the client's own check of a process and the daemon's answer about it. */
#ifndef CLIENT_LIB_OPINION_H
#define CLIENT_LIB_OPINION_H

#include <stdbool.h>

#include "readyd/readyd.h"

/* The answer to a caller that takes no assumed age (READYD_OPTION_STRICT_AGE). */
struct readyd_answer opinion_strict(const struct readyd_answer *answer);

/* Whether the daemon's answer takes precedence over the own check: the daemon may remember what cannot be
 * seen any more, but an answer that it cannot see something adds nothing, and one without a start never
 * overrules what was seen here. refuted: as in struct history, of
 * that check. */
bool opinion_counts(const struct readyd_answer *own, bool refuted, const struct readyd_answer *said);

/* The daemon's answer, completed by the exit status that the own check found, if both are about the same
 * ended process and the daemon was not permitted to read the status. */
struct readyd_answer opinion_complete(const struct readyd_answer *own, const struct readyd_answer *said);

/* The answer of the two that takes precedence. */
struct readyd_answer opinion_merge(
    const struct readyd_answer *own, bool refuted, const struct readyd_answer *said);

#endif
