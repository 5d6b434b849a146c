/*
 * From what is known of a process to a verdict. Daemon and file backend both come here, so they cannot
 * disagree: evaluate() is a pure function of one observation, check_process() makes the observation in the
 * right order.
 */
#ifndef SRC_EVALUATE_H
#define SRC_EVALUATE_H

#include <stdbool.h>

#include "readyd/readyd.h"
#include "src/collision.h"
#include "src/marker.h"
#include "src/process.h"

/* What the caller has seen of this very process (pid and start) so far. */
struct history {
	bool latched; /* it was seen ready */
	/* It was alive while no marker was in the directory `absent`: a marker that comes there later cannot
	 * be older than the process, whatever the clocks say, so setting the clock does not affect such
	 * waits. */
	bool absent_seen;
	struct marker_stat absent;
	bool has_leftover; /* the marker `leftover` was there when an earlier holder of the pid ended */
	struct marker_stat leftover;
	bool in_other_dir; /* its marker directory is not the one here; its root leads there while it lives */
	int extra_watch;   /* number of the watch on that directory; 0: none */
	bool arrived; /* an event reported its marker there, which is all that is left once it has ended */
	struct marker_stat ambiguous; /* a marker that may be another process's; MARKER_ABSENT: none */
	bool confirmed;	  /* an observer that tracks all processes has said that the marker is its own */
	bool unconfirmed; /* it was found ready by a marker whose stamp is too close to its start or in the
			   * future, or which may be another process's: an observer that knows more should be
			   * asked */
};

/* What was seen, at one instant as far as the caller can tell. */
struct observation {
	struct marker_stat marker;
	bool gone;		  /* the process has exited, or never existed */
	bool foreign;		  /* the marker's owner is neither root nor one of the process's uids */
	int64_t boot_offset;	  /* clock_boot_offset() at that time */
	bool inaccessible;	  /* the directory where its marker would be cannot be entered */
	bool ambiguous;		  /* the marker may be another process's, see collision.h */
	bool ambiguity_unchecked; /* whether it may be was not checked */
	bool unknown;		  /* descriptors or memory ran out before all of this could be seen */
	bool arrived;		  /* its directory is gone with it, and its marker had been reported there */
	bool clock_was_set; /* the clock has been set since boot, so that the stamp may only look older */
};

void evaluate(const struct process *p, const struct history *history, const struct observation *o,
    struct readyd_answer *answer);

/* Observes and evaluates, and updates the history by what was seen. collisions NULL: whether the marker may
 * be another process's is left unchecked, for a daemon that knows cheaply; where it may be,
 * history->unconfirmed is set. */
void check_process(const struct marker_place *place, const struct process *p, struct history *history,
    struct collisions *collisions, struct readyd_answer *answer);

/* No marker was in that directory (MARKER_ABSENT): a later one is another file, even if it has the same inode
 * number and stamp as an earlier one. */
void history_saw_none(struct history *history, const struct marker_stat *directory);

/* Whether both are the same file, not written in between. chmod(2) and the like, which change the ctime too,
 * make no new marker. */
bool marker_same(const struct marker_stat *a, const struct marker_stat *b);

#endif
