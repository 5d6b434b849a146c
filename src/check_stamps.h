/* The part of a check that asks when a marker was written and created, for src/evidence.h. */
#ifndef SRC_CHECK_STAMPS_H
#define SRC_CHECK_STAMPS_H

#include "src/clock_steps.h"
#include "src/evidence.h"
#include "src/marker_dir.h"

/* Fills in what the evidence for the marker in o needs of clocks and of its birth. steps NULL: nothing is
 * known of the clock before. A file that is older than the process is noted in history. */
void check_stamps(const struct marker_place *place, const struct process *p, struct history *history,
    const struct marker_view *view, const struct clock_steps *steps, struct observation *o);

/* Whether others than root and the user of p can write to a directory with this mode and owner. */
bool check_stamps_is_shared(const struct process *p, mode_t mode, uid_t owner);

#endif
