/*
 * The registry: the known processes, what is known of each, and the waits for each.
 *
 * A pure data structure: it uses no clock and no event loop and examines nothing. It only carries and
 * closes descriptors. An entry is one process (pid and start) that lived when it was entered. It stays
 * while there are waits for it or while its history must be kept, and leaves when the process ends; a
 * bounded number of ended processes is remembered for each user. A few other entries, those used last, stay
 * as well, idle: so that repeated queries need not determine everything again.
 */
#ifndef DAEMON_REGISTRY_H
#define DAEMON_REGISTRY_H

#include <sys/queue.h>
#include <uthash.h>

#include "daemon/agenda.h"
#include "daemon/name_index.h"
#include "daemon/secrecy.h"
#include "readyd/readyd.h"
#include "src/evaluate.h"
#include "src/process.h"

struct registry;
struct registry_entry;
struct gate;
struct pidwatch;
struct quota;
struct quota_user;

/* A wait for an entry; embed it. There are many: what waits have in common is not in each of them. */
struct registry_wait {
	LIST_ENTRY(registry_wait) link;
	struct registry_entry *entry; /* NULL while not attached */
	const struct registry_wait_kind {
		bool until_end; /* only the end of the process settles it */
		/* Called once, with the wait already detached from the entry. It may free the wait and detach
		 * others, but must not release entries or attach: the entry's other waits are still being
		 * settled. */
		void (*settled)(struct registry_wait *wait, const struct registry_entry *entry,
		    const struct readyd_answer *answer);
	} * kind;
};

/* A position in the list of all entries that stays valid while entries come and go, so that the list can be
 * walked in steps. Embed it. */
struct registry_cursor {
	LIST_ENTRY(registry_cursor) link; /* at the entry */
	struct registry_entry *entry;	  /* the next one, NULL at the end */
	uint64_t last;			  /* number of the newest entry at the start */
};

/* What the journal was told of a process last; used by transitions.c only. */
struct registry_standing {
	bool told; /* the process is in the copy that monitors keep */
	struct readyd_answer answer;
	int64_t since_ms; /* CLOCK_REALTIME: the verdict is that */
	unsigned waiters;
	bool is_written; /* its marker was created, and the writing has not been reported yet */
	bool unsettled;	 /* in transitions->unsettled */
	TAILQ_ENTRY(registry_entry) link;
};

struct registry_entry {
	struct process process;	 /* owned; closed with the entry */
	struct quota_user *user; /* that the entry, if charged, and its tombstone are charged to */
	bool charged;
	struct history history;
	LIST_HEAD(, registry_wait) waits; /* those that any settled verdict ends ... */
	LIST_HEAD(, registry_wait) ends;  /* ... and those until the end */
	size_t wait_count;		  /* both, that of the gate included */
	size_t gate_waiters;		  /* that hold the gate, or held it; used by gate.c only */
	struct registry_standing standing;
	TAILQ_ENTRY(registry_entry) waited;   /* in registry->waited while there are waits */
	LIST_HEAD(, registry_cursor) cursors; /* cursors that point at this entry */
	uint64_t number;		      /* ascends in the order of entering */
	uint64_t sweep;			      /* of the last registry_next_waited() that returned it */
	struct agenda_item agenda;	      /* only while there are waits, as the next one */
	struct name_item name;	    /* where registry_find() does not find it by its marker's name */
	struct name_item directory; /* the same with 0 for the name, where there is an extra watch */
	struct gate *gate;	    /* used by gate.c only */
	struct pidwatch *watch;	    /* used by pidwatch.c only */
	bool idle;
	TAILQ_ENTRY(registry_entry) unused; /* in user->idle while idle */
	UT_hash_handle hh;
};

/* What is remembered of an ended process. */
struct registry_tombstone {
	pid_t pid, ns_pid;	     /* ns_pid: in its own pid namespace */
	struct readyd_answer answer; /* exited or died, with the status where known */
	struct marker_stat marker;   /* the marker that was there when it ended, MARKER_ABSENT for none */
	struct owner owner;	     /* of the process; it may be charged to a user that asked about it */
	struct quota_user *user;     /* that it is charged to */
	TAILQ_ENTRY(registry_tombstone) age; /* in user->tombstones */
	UT_hash_handle hh;
};

/* Keeps at most `idle` idle entries for each user. leaving(entry, context) is called right before an entry is
 * freed, to release its gate and watch. */
struct registry *registry_new(struct quota *quota, size_t idle,
    void (*leaving)(struct registry_entry *entry, void *context), void *context);
void registry_free(struct registry *registry);

/* NULL if there is no entry. */
struct registry_entry *registry_find(const struct registry *registry, pid_t pid);

/* Enters a living process and takes over its pidfd, if there is one, for which the user must have room. There
 * must be no entry of that pid. */
struct registry_entry *registry_enter(struct registry *registry, const struct process *process,
    const struct history *history, struct quota_user *user);

/* An entry without a pidfd gets one, for which its user must have room. */
void registry_take_pidfd(struct registry *registry, struct registry_entry *entry, int fd);

/* From now on the entry is that user's, if it has room. */
void registry_give(struct registry *registry, struct registry_entry *entry, struct quota_user *user);

/* Whether the history holds what cannot be observed again: that the process was ready, or that a marker is
 * ambiguous. */
bool registry_must_keep(const struct history *history);
/* The entry is not used any more: if there are no waits for it and it need not be kept, it becomes idle, and
 * the user's idle entry that has not been used for longest may be removed; this one, if it has no pidfd. */
void registry_release(struct registry *registry, struct registry_entry *entry);

void registry_attach(struct registry *registry, struct registry_entry *entry, struct registry_wait *wait);
/* Ignores a wait that is not attached. Does not release the entry. */
void registry_detach(struct registry *registry, struct registry_wait *wait);

/* How many wait for it. Which of those that hold a gate have given up is not known before all have. */
static inline unsigned registry_waiters(const struct registry_entry *entry)
{
	return (unsigned)(entry->wait_count - (entry->gate != NULL) + entry->gate_waiters);
}

/* Whether only its end is waited for. */
static inline bool registry_awaits_only_end(const struct registry_entry *entry)
{
	return entry->wait_count > 0 && LIST_EMPTY(&entry->waits);
}

/* Settles all waits for the entry but those until its end. */
void registry_settle(
    struct registry *registry, struct registry_entry *entry, const struct readyd_answer *answer);

/* The process has ended: settles all waits, remembers the process, removes the entry. A user at its limit
 * forgets its oldest one instead. marker is what is there now. */
void registry_retire(struct registry *registry, struct registry_entry *entry,
    const struct readyd_answer *answer, const struct marker_stat *marker);
/* The last remembered process that had this pid, or NULL. Valid until the next registry_retire(). */
const struct registry_tombstone *registry_tombstone(const struct registry *registry, pid_t pid);

/* Visits the waited entries in slices: begin a sweep, then take entries until NULL. Entries may come and go
 * between and during the calls; each that stays through the sweep is returned once. */
void registry_begin_sweep(struct registry *registry);
struct registry_entry *registry_next_waited(struct registry *registry);

/* What is known of a waited entry has changed: whether it is polled (daemon/agenda.h), and, if its marker is
 * in another directory, which one. Ignores one that is not waited for. */
void registry_update(struct registry *registry, struct registry_entry *entry, bool polled);
/* The waited entry is due. */
void registry_queue(struct registry *registry, struct registry_entry *entry);
/* A tick: makes polled entries due. */
void registry_tick(struct registry *registry);
/* Takes the next waited entry that is due, of a user that has its turn in this pass of the loop; NULL: none.
 */
struct registry_entry *registry_next_due(struct registry *registry, uint64_t pass);
bool registry_is_due(const struct registry *registry);

/* Visits the waited entries with a marker of that name, 0: of any name in that extra directory, in no order.
 * A visit may remove its entry. */
void registry_visit_named(struct registry *registry, struct name_key key,
    void (*visit)(struct registry_entry *entry, void *context), void *context);

/* All entries that are not idle, in steps, up to the last entry that existed at the start. Each entry that
 * stays is returned once, in the order of entering; later ones are not returned. The cost does not depend on
 * the number of entries. Ending a cursor twice is allowed. */
void registry_cursor_start(struct registry *registry, struct registry_cursor *cursor);
struct registry_entry *registry_cursor_next(struct registry_cursor *cursor);
/* The same with those that are idle. */
struct registry_entry *registry_cursor_next_of_all(struct registry_cursor *cursor);
void registry_cursor_end(struct registry_cursor *cursor);

struct registry_counts {
	size_t entries, waited, waits, polled, idle, tombstones; /* entries: without the idle ones */
};
void registry_count(const struct registry *registry, struct registry_counts *counts);
bool registry_is_waited(const struct registry *registry);

#endif
