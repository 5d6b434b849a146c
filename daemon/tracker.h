/*
 * The witness: the only one in the daemon who says what the verdict on a process is. It looks whenever it
 * is asked or hinted, keeps the ledger by what it saw, and has the ledger tell those who wait.
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

/* Pending ones that were asked about last: so that whoever asks again and again has not all of it found out
 * anew, and a marker that comes in between is known to be new. They are as unknown to the ledger as others.
 */
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
	unsigned recent_next; /* whose place is taken by the next one */
	long
	    recent_fds; /* where descriptors are scarce, they are for others: those from this on are closed */
	bool nested;	/* one that is or was waited for has another pid in its marker's name */
	struct dirwatch *dirs;
	void (*on_first_wait)(void *context);
	void *context;
};

/* dirs is where directories of other processes are watched. on_first_wait(context) is called when the first
 * wait comes: from now on there must be a tick. */
void tracker_init(struct tracker *w, struct loop *loop, const struct marker_place *place,
    struct dirwatch *dirs, void (*on_first_wait)(void *context), void *context);
void tracker_fini(struct tracker *w);

/* Looks at pid and answers; of the process with that start, or (0) of whichever has the pid. A process that
 * is seen ready is remembered from now on. */
void tracker_query(struct tracker *w, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* A marker of that pid is there, perhaps one of thousands that were left behind: remembers the process if it
 * is ready. */
void tracker_marker_seen(struct tracker *w, pid_t pid);

/* As tracker_query(); where the answer is pending, returns an entry to attach a wait to (at once, or release
 * it). */
struct registry_entry *tracker_enroll(
    struct tracker *w, pid_t pid, uint64_t start, struct readyd_answer *answer);

void tracker_attach(struct tracker *w, struct registry_entry *entry, struct registry_wait *wait);
void tracker_detach(struct tracker *w, struct registry_wait *wait);
void tracker_release(struct tracker *w, struct registry_entry *entry);

/* Something may have happened to the entry's process or marker. The entry may be gone afterwards. */
void tracker_recheck(struct tracker *w, struct registry_entry *entry);

/* Looks at the entry's own process, whoever has its pid by now. False when that settled it: then all who
 * waited have been told, and the entry may be gone. */
bool tracker_still_waits(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer);

/* Something may have happened to any of them: looks at the entries that are waited for, at most `most` of
 * them. Returns whether some are left for the next call; `fresh` begins anew. */
bool tracker_sweep(struct tracker *w, bool fresh, unsigned most);

#endif
