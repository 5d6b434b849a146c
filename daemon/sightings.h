/*
 * What was seen to lie in the marker directory when no process, or only an ended one, could have left it for
 * itself: leftovers, by the number in their name. A process that starts later and has that number has not
 * written them, whatever their stamps say.
 *
 * A pure data structure. Where there are too many, the user that owns most of them loses its oldest: a flood
 * of one user's files pushes out no leftover of another. What is forgotten is only unknown.
 */
#ifndef DAEMON_SIGHTINGS_H
#define DAEMON_SIGHTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "src/marker.h"
#include "src/process.h"

struct sightings_owner;

struct sighting {
	pid_t ns_pid;
	struct marker_stat marker;
	bool alone;	   /* no process had the number, or only one that has ended when this counts */
	int64_t seen;	   /* CLOCK_BOOTTIME in nanoseconds: it was there then */
	uint64_t position; /* the end of the queue of events before that, see dirwatch_position() */
	struct sightings_owner *owner; /* of the file */
	TAILQ_ENTRY(sighting) age;     /* among those of the owner */
	UT_hash_handle hh;
};

struct sightings {
	struct sighting *leftovers;	/* by ns_pid */
	struct sightings_owner *owners; /* by uid */
	size_t limit;
};

void sightings_init(struct sightings *sightings, size_t limit);
void sightings_fini(struct sightings *sightings);

/* Remembers a leftover; of one that is known already, the first sighting counts, or the first that
 * was alone. One that is not a file is
 * forgotten. owner, age and hh of *seen are not used. */
void sightings_note(struct sightings *sightings, const struct sighting *seen);

/* The leftover that the process cannot have written, if it is still there; NULL if none is known. */
const struct marker_stat *sightings_leftover(
    const struct sightings *sightings, const struct process *process);

/* Whether an event at that position is later than the sighting of that name. False if there is none. */
bool sightings_is_later(const struct sightings *sightings, pid_t ns_pid, uint64_t position);
/* The file of that name was written, by an event at that position. True if that was after the sighting of a
 * leftover, which is forgotten then: it is another file now, even if its stamps do not show it. */
bool sightings_rewritten(struct sightings *sightings, pid_t ns_pid, uint64_t position);

size_t sightings_count(const struct sightings *sightings);

#endif
