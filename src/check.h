/*
 * The check of a process: observes its marker and whether it lives, in an order that misses nothing, and has
 * src/evaluate.h come to a verdict.
 */
#ifndef SRC_CHECK_H
#define SRC_CHECK_H

#include "src/collision.h"
#include "src/evaluate.h"

/*
 * Checks p, with its marker in place as the viewer sees it, and updates the history by what was seen. Never
 * fails: what could not be seen for lack of descriptors or memory gives READYD_REASON_NO_RESOURCES.
 * answer->backend is left 0.
 *
 * collisions NULL: do not check whether the marker may be another process's, because the daemon can do that
 * cheaply; history->unconfirmed is set where it may be.
 *
 * Marker first, then the process, then the marker again: a process may write its marker, perhaps over a
 * leftover, and exit between the first look at the marker and the check of the process, and then the marker
 * decides. In the other order, a marker seen before the process was found gone, nothing can be missed.
 */
void check_process(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, const struct marker_viewer *viewer, struct readyd_answer *answer);

/* No marker was in that directory (MARKER_ABSENT), while the process lived, or had not started. */
void check_note_absence(struct history *history, const struct marker_stat *directory);

#endif
