/*
 * From what is known to a verdict. Daemon and file backend both come here, so they cannot disagree:
 * judge() is a pure function of what was seen, inspect() does the seeing in the order that is right.
 */
#ifndef SRC_JUDGE_H
#define SRC_JUDGE_H

#include <stdbool.h>

#include "readyd/readyd.h"
#include "src/marker.h"
#include "src/process.h"
#include "src/rival.h"

/* What the asker remembers of this very process (pid and start). */
struct memory {
	bool latched; /* it was seen ready */
	/* It was alive while no marker was in this directory: a later one there cannot be older than it,
	 * whatever the clocks say, so setting the clock harms nobody who waited. */
	bool absent_seen;
	struct sight absent;
	bool left_behind; /* the marker `leftover` was there when an earlier holder of the pid ended */
	struct sight leftover;
	bool elsewhere; /* its directory is not the one here: its root leads there while it lives */
	int post;	/* that directory's watch, the asker's own number; 0: none */
	bool posted;	/* the kernel has told that its marker came there: all there is to go by once it has
			   ended */
	struct sight contested; /* perhaps another process's marker, not its own; SIGHT_ABSENT: none */
	bool vouched; /* somebody who keeps account of all processes has said that the marker is its own */
	bool unsure; /* seen ready by a marker whose stamp is too close to the start of the process, or in the
		      * future, or which may be another's: somebody who knows more should be asked */
};

/* What was seen, at one instant as far as the asker can tell. */
struct evidence {
	struct sight sight;
	bool gone;	     /* the process has exited (or never was) */
	bool foreign;	     /* the marker's owner is neither root nor one of the process's uids */
	int64_t boot_offset; /* clock_boot_offset() at the time of the look */
	bool closed;	     /* where its marker would be may not be looked at */
	bool collision;	     /* the marker may as well be another process's, see rival.h */
	bool open;	     /* whether it may be was left open */
	bool unknown;	     /* descriptors or memory ran out before all of this could be seen */
	bool posted;	     /* its directory is gone with it, and its marker had come there */
	bool excused;	     /* the clock has been set since boot so that the stamp may only look older */
};

void judge(const struct process *p, const struct memory *memory, const struct evidence *e,
    struct readyd_answer *answer);

/* Looks and judges. Updates the memory by what it saw. rivals NULL: whether the marker may be another
 * process's is left open, for a daemon that knows cheaply; where it may be, memory->unsure says so. */
void inspect(const struct marker_place *place, const struct process *p, struct memory *memory,
    struct rivals *rivals, struct readyd_answer *answer);

/* No marker was in that directory (SIGHT_ABSENT): a later one is another one, even where it has the same
 * number and stamp as one before. */
void memory_saw_none(struct memory *memory, const struct sight *directory);

/* Whether both sights are of the same file, which nobody has written in between: chmod(2) and the like, which
 * change the ctime too, make no new marker. */
bool sight_same(const struct sight *a, const struct sight *b);

#endif
