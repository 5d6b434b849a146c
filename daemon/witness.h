/*
 * The witness: the only one in the daemon who says what the verdict on a process is. It looks whenever it
 * is asked or hinted, keeps the ledger by what it saw, and has the ledger tell those who wait.
 */
#ifndef DAEMON_WITNESS_H
#define DAEMON_WITNESS_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/ledger.h"
#include "src/marker.h"

struct event_base;

struct witness_hooks {
	/* Called when the first wait comes: from now on there must be a tick. */
	void (*wanted)(void *context);
	/* Somebody waits for a process that leaves its marker in dir, not in our directory. True when that is
	 * news: then it is looked at again. *post is what witness_posted() will call the directory. */
	bool (*elsewhere)(void *context, const char *dir, int *post);
	/* Such a process has ended: calls witness_posted() with what has been posted so far. */
	void (*catch_up)(void *context);
};

/* Pending ones that were asked about last: so that whoever asks again and again has not all of it found out
 * anew, and a marker that comes in between is known to be new. They are as unknown to the ledger as others.
 */
#define WITNESS_MET 16

struct witness_met {
	struct process process; /* pid 0: none; else owned, and with a pidfd */
	struct memory memory;
};

struct witness {
	struct event_base *base;
	const struct marker_place *place;
	struct ledger *ledger;
	uint64_t looks, settled; /* counters for STATS */
	struct rivals rivals;
	struct witness_met met[WITNESS_MET];
	unsigned met_next; /* whose place is taken by the next one */
	long met_fds; /* where descriptors are scarce, they are for others: those from this on are closed */
	bool nested;  /* one that is or was waited for has another pid in its marker's name */
	struct witness_hooks hooks;
	void *context;
};

void witness_init(struct witness *w, struct event_base *base, const struct marker_place *place,
    const struct witness_hooks *hooks, void *context);
void witness_fini(struct witness *w);

/* Looks at pid and answers; of the process with that start, or (0) of whichever has the pid. A process that
 * is seen ready is remembered from now on. */
void witness_query(struct witness *w, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* A marker of that pid is there, perhaps one of thousands that were left behind: remembers the process if it
 * is ready. */
void witness_sighted(struct witness *w, pid_t pid);

/* As witness_query(); where the answer is pending, returns an entry to attach a wait to (at once, or release
 * it). */
struct ledger_entry *witness_enroll(
    struct witness *w, pid_t pid, uint64_t start, struct readyd_answer *answer);

void witness_attach(struct witness *w, struct ledger_entry *entry, struct ledger_wait *wait);
void witness_detach(struct witness *w, struct ledger_wait *wait);
void witness_release(struct witness *w, struct ledger_entry *entry);

/* A marker of that name has come to that directory. */
void witness_posted(struct witness *w, int post, pid_t name);

/* Something may have happened to the entry's process or marker. The entry may be gone afterwards. */
void witness_recheck(struct witness *w, struct ledger_entry *entry);

/* Looks at the entry's own process, whoever has its pid by now. False when that settled it: then all who
 * waited have been told, and the entry may be gone. */
bool witness_still_waits(struct witness *w, struct ledger_entry *entry, struct readyd_answer *answer);

/* Something may have happened to any of them: looks at the entries that are waited for, at most `most` of
 * them. Returns whether some are left for the next call; `fresh` begins anew. */
bool witness_round(struct witness *w, bool fresh, unsigned most);

#endif
