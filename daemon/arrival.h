/* What an event says about the age of a marker: a file that came while a process lived is not older than the
 * process, whatever the clocks say. */
#ifndef DAEMON_ARRIVAL_H
#define DAEMON_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/marker.h"
#include "src/process.h"

/* An event on a name in the marker directory. */
struct arrival {
	int64_t since; /* CLOCK_BOOTTIME in nanoseconds: an entry of that name came later than that; 0: not
			  known */
	dev_t dev;     /* the directory */
	ino_t ino;
	bool created;	    /* by creating it: an event for the end of its writing will follow */
	uint64_t position;  /* in the queue of events, see dirwatch_position(); 0: not known */
	unsigned *searches; /* left for the events that were read together: see tracker_marker_seen() */
};

/* Whether it was a new file that came, while the process lived: an old file that was linked or renamed, or
 * the event of an earlier process that is read late, says nothing. */
bool arrival_is_new(const struct arrival *arrival, const struct marker_place *place, const struct process *p);

/* Whether something came while the process lived, and is gone by now. */
bool arrival_went(const struct arrival *arrival, const struct marker_place *place, const struct process *p);

#endif
