/* Sees markers for what they are to the next process of their number (daemon/sightings.h): notes what lies in
 * the marker directory, and recalls it when a process is met. */
#ifndef DAEMON_LEFTOVERS_H
#define DAEMON_LEFTOVERS_H

#include "daemon/sightings.h"
#include "src/evidence.h"

struct dirwatch;
struct ns_index;

struct leftovers {
	const struct marker_place *place;
	struct dirwatch *dirs;
	struct ns_index *namespaces;
	struct sightings sightings;
};

void leftovers_init(struct leftovers *leftovers, const struct marker_place *place, struct dirwatch *dirs,
    struct ns_index *namespaces);
void leftovers_fini(struct leftovers *leftovers);

/* Looks at the marker of that name. The caller finds out whether a process has the number, and then notes
 * it. */
void leftovers_look(struct leftovers *leftovers, pid_t ns_pid, struct sighting *seen);
void leftovers_note(struct leftovers *leftovers, const struct sighting *seen);

/* The marker that is there now is a leftover for the next process of p's number; *marker is what was seen.
 * One in another directory is out of reach then. Returns whether a file was seen, after which no other
 * process had that number. */
bool leftovers_note_of(struct leftovers *leftovers, const struct process *p, const struct history *history,
    struct marker_stat *marker);

/* A marker that a process has written is noted while the process lives: at its end, another one may have its
 * pid already. That needs a pidfd: then there is an entry until the end. */
bool leftovers_note_ready(
    struct leftovers *leftovers, const struct process *p, const struct history *history);

/* The history of a process that is met for the first time. */
void leftovers_recall(struct leftovers *leftovers, const struct process *process, struct history *history);

/* sightings_is_later(), sightings_rewritten() */
bool leftovers_is_later(const struct leftovers *leftovers, pid_t ns_pid, uint64_t position);
bool leftovers_rewritten(struct leftovers *leftovers, pid_t ns_pid, uint64_t position);

/* Whether no more are remembered, unless the oldest is forgotten. */
bool leftovers_are_full(const struct leftovers *leftovers);

#endif
