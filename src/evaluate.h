/*
 * The evaluation: from what is known of a process to its verdict. Pure functions: no system call, no state,
 * so that a table can test every combination. The daemon and the client share them, so their verdicts cannot
 * differ. src/check.h makes the observation.
 */
#ifndef SRC_EVALUATE_H
#define SRC_EVALUATE_H

#include "readyd/readyd.h"
#include "src/evidence.h"

/* Fills in the whole answer but backend and wait_status, which are 0 and -1. */
void evaluate(const struct process *p, const struct history *history, const struct observation *o,
    struct readyd_answer *answer);

#endif
