/*
 * The evaluation: from what is known of a process to its verdict. Pure functions: no system call, no state,
 * so that a table can test every combination. The daemon and the client share them, so their verdicts cannot
 * differ. src/check.h makes the observation.
 */
#ifndef SRC_EVALUATE_H
#define SRC_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "readyd/readyd.h"
#include "src/marker.h"
#include "src/process.h"

/* What the caller has seen of this very process (pid and start) so far. */
struct history {
	bool latched; /* it was seen ready */
	/* It was alive while no marker was in the directory `absent`: a marker that appears there later
	 * cannot be older than the process, whatever the clocks say, so setting the clock does not affect
	 * such waits. */
	bool absent_seen;
	struct marker_stat absent;
	bool has_leftover; /* the marker `leftover` existed when an earlier process with this pid ended */
	struct marker_stat leftover;
	bool in_other_dir; /* its marker directory is not ours; /proc/<pid>/root leads there while it lives */
	int extra_watch;   /* number of the watch on that directory; 0: none */
	bool arrived; /* an event reported its marker there: the only evidence once the process has ended */
	struct marker_stat ambiguous; /* a marker that may be another process's; MARKER_ABSENT: none */
	bool confirmed;	  /* the daemon, which tracks all processes, has said that the marker is its own */
	bool unconfirmed; /* the last check found it ready, but on weak evidence: the daemon should be asked.
			   * See evaluate_needs_confirmation() and observation.ambiguity_unchecked */
};

/* What one check saw. */
struct observation {
	struct marker_stat marker;
	bool gone;		  /* the process has exited, or never existed */
	bool foreign;		  /* the marker's owner is neither root nor one of the process's uids */
	int64_t now;		  /* CLOCK_REALTIME in nanoseconds when the marker was seen */
	int64_t boot_offset;	  /* clock_boot_offset() at that time */
	bool clock_was_set;	  /* since boot, so that the marker's stamp may only look too old */
	bool inaccessible;	  /* the process's marker directory cannot be entered */
	bool ambiguous;		  /* the marker may be another process's, see src/collision.h */
	bool ambiguity_unchecked; /* it may be ambiguous, but that was not checked */
	bool hangs;   /* the process's directory, or that of one that may have left the marker, does
		       * not answer */
	bool unknown; /* descriptors or memory ran out before all of this could be seen */
	bool arrived; /* its directory ended with it, but its marker was reported there before */
};

/* File stamps come from a coarse clock (current_time(), fs/inode.c) that advances with the timer tick, every
 * 10 ms or more often (HZ is at least 100, see time(7)). In a virtual machine that is preempted, the tick is
 * late. */
#define EVALUATE_STAMP_GRAIN_NS 40000000LL

/* Fills in the whole answer but backend and wait_status, which are 0 and -1. */
void evaluate(const struct process *p, const struct history *history, const struct observation *o,
    struct readyd_answer *answer);

/* How many nanoseconds before the start of the process the marker was written, by its stamp; negative: after
 * it. Meaningless where the start is not known. */
int64_t evaluate_age_at_start(const struct process *p, const struct observation *o);

/* Whether a marker that counts may yet be an older one: its stamp is too close to the start of the process,
 * or in the future, as after the clock was set back. An observer that saw the marker appear knows. */
bool evaluate_needs_confirmation(
    const struct process *p, const struct history *history, const struct observation *o);

/* Records that no marker was in that directory (MARKER_ABSENT): a later one is a new file, even if it has the
 * inode number and stamp of an earlier one. */
void history_saw_none(struct history *history, const struct marker_stat *directory);

#endif
