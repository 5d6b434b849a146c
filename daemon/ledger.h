/*
 * The ledger: which processes are known, what is known of each, and who waits for it.
 *
 * A pure data structure: no clock, no event loop, no look at anything. Descriptors it only carries and
 * closes. An entry is one process (pid and start) that lived when it was entered. It stays while somebody
 * waits for it or while its memory must be kept, and leaves when the process ends; a bounded number of ended
 * ones is remembered.
 */
#ifndef DAEMON_LEDGER_H
#define DAEMON_LEDGER_H

#include <sys/queue.h>
#include <uthash.h>

#include "readyd/readyd.h"
#include "src/judge.h"
#include "src/process.h"

struct ledger;
struct ledger_entry;
struct gate;
struct pidwatch;

/* One that waits for an entry; embed it. settled() is called once, with the wait already detached. It may
 * free the wait and detach others, but must not release entries or attach: others are being told. */
struct ledger_wait {
	LIST_ENTRY(ledger_wait) link;
	struct ledger_entry *entry; /* NULL while not attached */
	void (*settled)(struct ledger_wait *wait, const struct readyd_answer *answer);
};

/* A place in the list of all entries that stays valid while entries come and go, so that the list can be gone
 * through in steps. Embed it. */
struct ledger_cursor {
	LIST_ENTRY(ledger_cursor) link; /* at the entry */
	struct ledger_entry *entry;	/* the next one, NULL at the end */
	uint64_t last;			/* number of the last entry there was at the start */
};

struct ledger_entry {
	struct process process; /* owned; closed with the entry */
	struct memory memory;
	LIST_HEAD(, ledger_wait) waits;
	TAILQ_ENTRY(ledger_entry) waited;   /* in ledger->waited while waits is not empty */
	LIST_HEAD(, ledger_cursor) cursors; /* those that this entry is the next one for */
	uint64_t number;		    /* ascends in the order of entering */
	uint64_t round;			    /* of the last ledger_next_waited() that returned it */
	struct gate *gate;		    /* gate.c's own */
	struct pidwatch *watch;		    /* pidwatch.c's own */
	UT_hash_handle hh;
};

/* What is remembered of an ended process. */
struct ledger_grave {
	pid_t pid, name;	     /* name: in its own pid namespace */
	struct readyd_answer answer; /* exited or died, with the status where known */
	struct sight marker;	     /* the marker that lay there when it ended, SIGHT_ABSENT for none */
	TAILQ_ENTRY(ledger_grave) age;
	UT_hash_handle hh, by_name;
};

/* leaving(entry) is called right before an entry is freed, so that its gate and watch can be let go. */
struct ledger *ledger_new(size_t grave_limit, void (*leaving)(struct ledger_entry *entry));
void ledger_free(struct ledger *ledger);

/* NULL when there is none. */
struct ledger_entry *ledger_find(const struct ledger *ledger, pid_t pid);

/* Enters a living process and takes over its pidfd. There must be no entry of that pid. */
struct ledger_entry *ledger_enter(
    struct ledger *ledger, const struct process *process, const struct memory *memory);

/* Whether it holds what cannot be seen again: that the process was ready, or that a marker is contested. */
bool ledger_must_keep(const struct memory *memory);
/* Removes the entry when nobody waits for it and it need not be kept. */
void ledger_release(struct ledger *ledger, struct ledger_entry *entry);

void ledger_attach(struct ledger *ledger, struct ledger_entry *entry, struct ledger_wait *wait);
/* A wait that is not attached is left alone. Does not release the entry. */
void ledger_detach(struct ledger *ledger, struct ledger_wait *wait);

/* Tells everybody who waits for the entry. */
void ledger_settle(struct ledger *ledger, struct ledger_entry *entry, const struct readyd_answer *answer);

/* The process has ended: tells everybody, remembers it, removes it. marker is what lies there now. */
void ledger_bury(struct ledger *ledger, struct ledger_entry *entry, const struct readyd_answer *answer,
    const struct sight *marker);
/* The last remembered process that had this pid, or NULL. Valid until the next ledger_bury(). */
const struct ledger_grave *ledger_grave(const struct ledger *ledger, pid_t pid);
/* The same of the last one that left a marker of this name. */
const struct ledger_grave *ledger_grave_of_name(const struct ledger *ledger, pid_t name);

/* Visits the waited entries in slices: begin a round, then take entries until NULL. Entries may come and
 * go between and during the calls; each that stays through the round is returned once. */
void ledger_begin_round(struct ledger *ledger);
struct ledger_entry *ledger_next_waited(struct ledger *ledger);

/* All entries, in the order of entering: first with NULL, NULL at the end. */
struct ledger_entry *ledger_next(const struct ledger *ledger, const struct ledger_entry *entry);

/* The same in steps: from the first to the last entry that there is at the start. Each entry that stays is
 * returned once, in the order of entering, and none that comes later. The cursor costs nothing but itself,
 * however many entries there are. Ending it twice is nothing. */
void ledger_cursor_start(struct ledger *ledger, struct ledger_cursor *cursor);
struct ledger_entry *ledger_cursor_next(struct ledger_cursor *cursor);
void ledger_cursor_end(struct ledger_cursor *cursor);

struct ledger_counts {
	size_t entries, waited, waits, graves;
};
void ledger_count(const struct ledger *ledger, struct ledger_counts *counts);
bool ledger_is_waited(const struct ledger *ledger);

#endif
