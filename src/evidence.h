/*
 * Decides which process left a marker. Weighs what was seen of a process and of the file that has its
 * marker's name. Pure functions: no system call, no state. src/evaluate.h turns the result into a verdict.
 *
 * What was seen decides before what clocks say, and what is not known acquits nothing:
 *   1. seen to come while the process lived: its own;
 *   2. seen to be there before the process: a leftover, until it is replaced or rewritten;
 *   3. seen to be absent while the process lived: what comes later is its own;
 *      Both count only for a file with one link that was not created before the process, where others can
 *      write to the directory: they may have linked or renamed any file of its user to the name;
 *   4. time stamps, for a file that was there before the first look, as far as the clock of its file system
 *      can be trusted (src/stamp_trust.h);
 *   5. else it is unknown.
 */
#ifndef SRC_EVIDENCE_H
#define SRC_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "readyd/readyd.h"
#include "src/clock_steps.h"
#include "src/marker.h"
#include "src/process.h"
#include "src/stamp_trust.h"

/* What the caller has seen of this very process (pid and start) so far. */
struct history {
	bool strict;  /* set by the caller: no EVIDENCE_ASSUMED, but EVIDENCE_UNDATED */
	bool latched; /* it was seen ready */
	bool assumed; /* when latched: on EVIDENCE_ASSUMED alone */
	/* It was alive while no marker was in the directory `absent`: a marker that appears there later
	 * cannot be older than the process, whatever the clocks say, so setting the clock does not affect
	 * such waits. */
	bool absent_seen;
	struct marker_stat absent;
	int64_t absent_since; /* CLOCK_BOOTTIME in nanoseconds: it was without a marker then, and lived, or
			       * had not started; 0: not known */
	bool
	    has_leftover; /* the marker `leftover` was there while an earlier process, or none, had the pid */
	struct marker_stat leftover;
	bool in_other_dir; /* its marker directory is not ours; /proc/<pid>/root leads there while it lives */
	int extra_watch;   /* number of the watch on that directory; 0: none */
	bool came;	/* an event reported a file of its marker's name in our directory, while it lived, and
			 * no look has seen it: set by history_note_event() */
	dev_t came_dev; /* that directory: another one may have its name by now */
	ino_t came_ino;
	bool present; /* the last look saw something under that name, so an event may be about that */
	bool arrived; /* an event reported its marker there: the only evidence once the process has ended */
	struct marker_stat ambiguous; /* a marker that may be another process's; MARKER_ABSENT: none */
	struct marker_stat foreign; /* a marker that was seen to have a foreign owner; MARKER_ABSENT: none */
	/* A file that was created before the process started. When the clock is set back later, it looks
	 * younger. */
	struct old_file {
		bool known;
		dev_t dev;
		ino_t ino;
		struct timespec born;
	} old_file;
	bool refuted;	  /* by the last check, it has ended, and the marker that is there is older than it */
	bool unconfirmed; /* the last check found it ready, but on weak evidence: the daemon should be asked.
			   * See evidence_is_weak() and observation.ambiguity_unchecked */
};

/* What one check saw. */
struct observation {
	struct marker_stat marker;
	bool gone;		      /* the process has exited, or never existed */
	bool succeeded;		      /* by another process, which had its pid after the look at the marker */
	bool foreign;		      /* the marker's owner is neither root nor one of the process's uids */
	bool owner_unknown;	      /* whether that is so cannot be read */
	int64_t now;		      /* CLOCK_BOOTTIME in nanoseconds when the marker was seen */
	struct clock_offsets offsets; /* CLOCK_REALTIME minus that when it was written */
	struct stamp_trust stamps;    /* of the marker's file system */
	bool shared;	      /* others than root and the user of the process can write to the directory */
	bool has_birth;	      /* its file system keeps the times of birth */
	struct timespec born; /* when the file was created, under whatever name */
	bool known_old;	      /* it is history.old_file */
	struct clock_offsets birth_offsets; /* as offsets, for born */
	bool inaccessible;		    /* the process's marker directory cannot be entered */
	bool ambiguous;			    /* the marker may be another process's, see src/collision.h */
	bool ambiguity_unchecked;	    /* it may be ambiguous, but that was not checked */
	bool hangs;	  /* the process's directory, or that of one that may have left the marker, does not
			   * answer */
	bool unknown;	  /* descriptors or memory ran out before all of this could be seen */
	bool look_failed; /* the file system did not say whether the marker is there */
	bool arrived;	  /* its directory ended with it, but its marker was reported there before */
	bool went;	  /* a file came and is gone, where others could have created and removed it */
};

enum evidence {
	EVIDENCE_OWN,	    /* it is this process's marker */
	EVIDENCE_ASSUMED,   /* its stamp is too close to the start to tell: a young leftover of the same pid
			     * is far rarer than a valid marker */
	EVIDENCE_UNDATED,   /* it cannot be determined whether it is older than the process */
	EVIDENCE_NAMELESS,  /* nor which process this is, or which user owns the file */
	EVIDENCE_LEFTOVER,  /* it is older than the process */
	EVIDENCE_FOREIGN,   /* its owner is another user */
	EVIDENCE_AMBIGUOUS, /* it may be that of a process with the same pid in another namespace */
};

/* Weighs the file o->marker, which is a MARKER_FILE. */
enum evidence evidence_weigh(
    const struct process *p, const struct history *history, const struct observation *o);

/* Whether time stamps decide, so that the observation needs them (now, offsets, stamps). */
bool evidence_needs_stamps(const struct history *history, const struct marker_stat *marker);

/* Whether evidence for the marker may yet be overruled by an observer that saw the file earlier: nothing was
 * seen of it before, and its stamp is near the start, or in the future. The conversion between the clocks is
 * not exact: slewing since the marker was written shifts it. */
bool evidence_is_weak(const struct process *p, const struct history *history, const struct observation *o);

/* Whether a file was created before `start`: from its birth to its last change took `elapsed` nanoseconds, by
 * the clock of the file system alone, which is more than from start to now (CLOCK_BOOTTIME, both). A link or
 * a rename sets the time of change, but not that of birth. */
bool evidence_took_longer(int64_t start, int64_t elapsed, int64_t now);

/* Whether the file was created before the process; if that was never seen, well before its last change. */
bool evidence_was_born_before(
    const struct process *p, const struct history *history, const struct observation *o);

/* Whether others can have given an old file that name, if they can write to the directory: it has several
 * links, or was created before the process. */
bool evidence_may_be_moved(
    const struct process *p, const struct history *history, const struct observation *o);

/* The start of the process (CLOCK_BOOTTIME in nanoseconds), or a later moment at which it was seen. 0: none
 * is known. */
int64_t evidence_start(const struct process *p, const struct history *history);

/* An event has reported a file of the marker's name in our directory, while the process lived. What a look
 * has seen counts by itself. */
void history_note_event(struct history *history, dev_t dev, ino_t ino);

/* Records that no marker was in that directory (MARKER_ABSENT): a later one is a new file, even if it has the
 * inode number and stamp of an earlier one. */
void history_saw_none(struct history *history, const struct marker_stat *directory);

#endif
