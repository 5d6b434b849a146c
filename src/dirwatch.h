/*
 * Watches the marker directory by inotify, and further directories where other processes leave their markers.
 *
 * The watch is armed by path, again and again. Adding it again is the only reliable test of which directory
 * the path names now: the same one gives the same wd and keeps its queued events, another one gives another
 * wd or an error. Device and inode number do not tell (a fresh tmpfs can have those of the one before), and a
 * directory that is held open cannot be unmounted and is removed without an event.
 *
 * Events are hints: whatever is reported here has to be looked at. An extra directory is different, since it
 * can be gone together with its last process. Which names have arrived there is therefore remembered.
 */
#ifndef SRC_DIRWATCH_H
#define SRC_DIRWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "src/marker.h"

struct dirwatch_extra;

struct dirwatch {
	const struct marker_place *place;
	int fd; /* inotify instance; -1: none */
	int wd; /* of the directory; -1: not watched */
	LIST_HEAD(, dirwatch_extra) extras;
	const char *at, *end; /* what dirwatch_read() has left for dirwatch_next() */
	bool behind;	      /* events were read ahead and dropped */
	void (*on_behind)(void *context);
	void *context;
};

/*
 * Neither allocates nor opens anything; place must outlive it. on_behind(context) is called when
 * dirwatch_has_arrived() has read events ahead of dirwatch_next(), which then has something to report
 * although the descriptor may not be readable.
 */
void dirwatch_init(
    struct dirwatch *d, const struct marker_place *place, void (*on_behind)(void *context), void *context);
/* Gives up the instance and all that is known; it can be armed again. Instances are few
 * (fs.inotify.max_user_instances, 128 for all processes of a user). */
void dirwatch_close(struct dirwatch *d);

enum dirwatch_armed {
	DIRWATCH_SAME,	/* the same directory as before */
	DIRWATCH_OTHER, /* another one than before: look at everything */
	DIRWATCH_NONE	/* cannot be watched, see errno; after ENOSPC the instance is of more use to others */
};

/* Makes sure that the directory which the path names now is watched, and opens the instance where there is
 * none. */
enum dirwatch_armed dirwatch_arm(struct dirwatch *d);

/* Watches one more directory until dirwatch_age(). True when it was not watched before: look again. *wd is
 * its number; 0 where it cannot be watched or is the marker directory. */
bool dirwatch_add_extra(struct dirwatch *d, const char *dir, int *wd);
/* Gives up the extra directories that were not added again since the last call but one. */
void dirwatch_age(struct dirwatch *d);
void dirwatch_drop_extras(struct dirwatch *d);

/* Whether a marker of that name has come to the extra directory, up to now: reads what the queue holds where
 * that is not known yet. */
bool dirwatch_has_arrived(struct dirwatch *d, int wd, pid_t ns_pid);
/* Only one that comes from now on has arrived: an earlier process may have had the name. */
void dirwatch_forget_arrival(struct dirwatch *d, int wd, pid_t ns_pid);

/* A buffer of this size takes any event. */
#define DIRWATCH_BUFFER_LEAST 512

/* Takes events from the queue into buffer, which must be aligned for struct inotify_event and stay until
 * dirwatch_next() has gone through it. Returns how many bytes; -1 and errno when the instance is of no more
 * use. */
ssize_t dirwatch_read(struct dirwatch *d, void *buffer, size_t size);

enum dirwatch_kind {
	DIRWATCH_UNRELATED, /* nothing to do */
	DIRWATCH_MARKER,    /* something happened to the marker of ns_pid in the directory */
	DIRWATCH_EXTRA,	  /* something happened in an extra directory; ns_pid: to that name, 0: to another */
	DIRWATCH_UNSURE,  /* the directory may be another one, or events were dropped: arm, look at everything
			   */
	DIRWATCH_OVERFLOW /* the same, because the queue was full */
};

struct dirwatch_event {
	enum dirwatch_kind kind;
	pid_t ns_pid;
};

/* The next event of what was read; false at its end. */
bool dirwatch_next(struct dirwatch *d, struct dirwatch_event *event);

#endif
