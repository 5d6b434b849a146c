/*
 * Watches the marker directory by inotify, and further directories where other processes leave their
 * markers.
 *
 * The watch is armed by path, repeatedly. Adding it again is the only reliable test of which directory the
 * path names now: the same directory gives the same wd and keeps its queued events, another one gives
 * another wd or an error. Device and inode number are not enough (a fresh tmpfs can reuse those of the
 * previous one), and a directory that is held open cannot be unmounted and is removed without an event.
 *
 * Events are hints: whatever is reported here has to be checked. An extra directory is different, since it
 * can disappear together with its last process. So the names that have arrived there are remembered.
 */
#ifndef SRC_DIRWATCH_H
#define SRC_DIRWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/marker.h"

struct dirwatch_extra;

struct dirwatch {
	const struct marker_place *place;
	int fd; /* inotify instance; -1: none */
	int wd; /* of the directory; -1: not watched */
	struct dirwatch_extra *extras;
	const char *at, *end; /* what dirwatch_read() has left for dirwatch_next() */
	bool behind;	      /* events were read ahead and dropped */
	/* Set before it is armed: also report that a marker was written (closed), or its owner or mode
	 * changed. */
	bool reports_writes;
	bool counts_once;      /* set by the caller: a long queue is counted once between two reads */
	uint64_t read;	       /* bytes read from the queue so far */
	uint64_t end_of_queue; /* as counted since the last read, where that is long; 0: not counted */
	/* The extra watch that dirwatch_charge_extra() was called for has ended. */
	void (*on_extra_gone)(void *charged, void *context);
	void *extra_context;
	void (*on_behind)(void *context);
	void *context;
};

/*
 * Does not allocate or open anything; place must outlive it. on_behind(context) is called when
 * dirwatch_has_arrived() has read events ahead of dirwatch_next(), which then has something to report
 * although the descriptor may not be readable.
 */
void dirwatch_init(
    struct dirwatch *d, const struct marker_place *place, void (*on_behind)(void *context), void *context);
/* Closes the instance and forgets everything; it can be armed again. Instances are scarce
 * (fs.inotify.max_user_instances, 128 for all processes of a user). */
void dirwatch_close(struct dirwatch *d);

enum dirwatch_armed {
	DIRWATCH_SAME,	/* the same directory as before */
	DIRWATCH_OTHER, /* another directory than before: recheck everything */
	DIRWATCH_NONE	/* cannot be watched, see errno; after ENOSPC, better close it */
};

/* Makes sure that the directory which the path names now is watched; opens an instance if there is none. */
enum dirwatch_armed dirwatch_arm(struct dirwatch *d);

/* Watches one more directory until dirwatch_age(). True if it was not watched before: check again. *wd is
 * its number; 0 if it cannot be watched or is the marker directory. */
bool dirwatch_add_extra(struct dirwatch *d, const char *dir, int *wd);
/* The same for a watch that another process has added by dirwatch_add_watch(). Returns its number, or 0. */
int dirwatch_adopt_extra(struct dirwatch *d, int wd);
/* What the extra watch is charged to; NULL: not charged, or there is none. */
void *dirwatch_extra_charged(const struct dirwatch *d, int wd);
/* Charges one that is not charged: on_extra_gone(charged, extra_context) is called when it ends. */
void dirwatch_charge_extra(struct dirwatch *d, int wd, void *charged);
/* Adds a watch to an inotify instance. Returns its number, or -1 with errno. */
int dirwatch_add_watch(int inotify, const char *dir);
/* Stops watching the extra directories that were not added again since the last call but one. */
void dirwatch_age(struct dirwatch *d);
void dirwatch_drop_extras(struct dirwatch *d);

/* Whether a marker of that name has arrived in the extra directory by now: reads the queue if that is not
 * known yet. */
bool dirwatch_has_arrived(struct dirwatch *d, int wd, pid_t ns_pid);
/* Only what arrives from now on counts, not what is in the queue: an earlier process may have had the name,
 * or it has been seen and is not the marker. */
void dirwatch_forget_arrival(struct dirwatch *d, int wd, pid_t ns_pid);

/* The position of the queue's end: an event with a greater one happens later. UINT64_MAX if that is not
 * known. The kernel counts event by event, which for a full queue takes longer than a hundred looks. With
 * counts_once, the end of a long queue may be that at an earlier call: an event with a greater position may
 * then have happened before. */
uint64_t dirwatch_position(struct dirwatch *d);

/* A buffer of this size takes any event. */
#define DIRWATCH_BUFFER_LEAST 512

/* Reads events from the queue into buffer, which must be aligned for struct inotify_event and stay valid
 * until dirwatch_next() has gone through it. Returns the number of bytes; -1 and errno if the instance is
 * no longer usable. */
ssize_t dirwatch_read(struct dirwatch *d, void *buffer, size_t size);

enum dirwatch_kind {
	DIRWATCH_UNRELATED, /* nothing to do */
	DIRWATCH_MARKER,    /* something happened to the marker of ns_pid in the directory */
	DIRWATCH_EXTRA, /* something happened to the marker of ns_pid in an extra directory; 0: to that itself
			 */
	DIRWATCH_UNSURE,  /* other directory or events dropped: arm, recheck everything */
	DIRWATCH_OVERFLOW /* the same, because the queue was full */
};

struct dirwatch_event {
	enum dirwatch_kind kind;
	int wd; /* of the directory */
	pid_t ns_pid;
	bool came;	   /* an entry of that name, no directory, was created or renamed to it */
	bool created;	   /* it was created */
	bool written;	   /* nothing but that its file was open for writing, and was closed */
	uint64_t position; /* in the queue, comparable with dirwatch_position() */
};

/* The next of the events read; false at the end. */
bool dirwatch_next(struct dirwatch *d, struct dirwatch_event *event);

#endif
