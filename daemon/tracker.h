/*
 * The tracker: the only module of the daemon that determines the verdict on a process. It checks the
 * process on each query or hint, updates the registry with what it observed, and has the registry settle
 * the waits.
 */
#ifndef DAEMON_TRACKER_H
#define DAEMON_TRACKER_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/registry.h"
#include "src/check.h"
#include "src/marker.h"

struct dirwatch;
struct loop;
struct scouts;

/* Pending processes that were queried last. They are kept so that repeated queries need not determine
 * everything again, and so that a marker created in between is known to be new. They have no registry
 * entry. */
#define TRACKER_RECENT 16

struct tracker_recent {
	struct process process; /* pid 0: none; else owned, and with a pidfd */
	struct history history;
};

struct tracker {
	struct loop *loop;
	const struct marker_place *place;
	struct registry *registry;
	uint64_t looks, settled; /* counters for STATS */
	struct collisions collisions;
	struct tracker_recent recent[TRACKER_RECENT];
	unsigned recent_next; /* the slot to reuse next */
	long recent_fds;      /* recent pidfds numbered from this on are closed, to save descriptors */
	bool nested;	      /* a process that is or was waited for has another pid in its marker's name */
	struct dirwatch *dirs;
	struct scouts *scouts;
	void (*on_first_wait)(void *context);
	void *context;
};

/* dirs watches the marker directories of other processes, and scouts look into them. on_first_wait(context)
 * is called for the first wait: from then on there must be a tick. */
void tracker_init(struct tracker *w, struct loop *loop, const struct marker_place *place,
    struct dirwatch *dirs, struct scouts *scouts, void (*on_first_wait)(void *context), void *context);
void tracker_fini(struct tracker *w);

/* Checks pid and answers for the process with that start, or (0) for any process that has the pid. A
 * process that is seen ready is remembered from now on. */
void tracker_query(struct tracker *w, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* A marker of that pid exists, perhaps one of thousands of stale ones: remembers the process if it is
 * ready. */
void tracker_marker_seen(struct tracker *w, pid_t pid);

/* As tracker_query(); if the answer is pending, returns an entry to attach a wait to (at once, or release
 * it). */
struct registry_entry *tracker_enroll(
    struct tracker *w, pid_t pid, uint64_t start, struct readyd_answer *answer);

void tracker_attach(struct tracker *w, struct registry_entry *entry, struct registry_wait *wait);
void tracker_detach(struct tracker *w, struct registry_wait *wait);
void tracker_release(struct tracker *w, struct registry_entry *entry);

/* Something may have happened to the entry's process or marker. The entry may be gone afterwards. */
void tracker_recheck(struct tracker *w, struct registry_entry *entry);

/* Checks the entry's own process, even if another process has its pid by now. False if that settled it:
 * then all waits have been settled, and the entry may be gone. */
bool tracker_still_waits(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer);

/* Something may have happened to any process: checks the entries that are waited for, at most `most` of
 * them. Returns whether some are left for the next call; `fresh` starts a new sweep. */
bool tracker_sweep(struct tracker *w, bool fresh, unsigned most);

#endif
