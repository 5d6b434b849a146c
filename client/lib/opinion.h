/* Own look and the daemon's word on the same process, made into one answer. */
#ifndef CLIENT_LIB_OPINION_H
#define CLIENT_LIB_OPINION_H

#include <stdbool.h>

#include "readyd/readyd.h"

/* Whether what the daemon said counts more than an own look: it may remember what cannot be seen any more,
 * but what it cannot see itself is not news. refuted: as in struct history, of that look. */
bool opinion_counts(const struct readyd_answer *own, bool refuted, const struct readyd_answer *said);

/* What the daemon said, with the exit status that the own look found, where it is of the same ended process
 * and the daemon, with fewer rights, was not told. */
struct readyd_answer opinion_complete(const struct readyd_answer *own, const struct readyd_answer *said);

/* The one of the two that counts. */
struct readyd_answer opinion_merge(
    const struct readyd_answer *own, bool refuted, const struct readyd_answer *said);

#endif
