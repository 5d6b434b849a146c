/*
 * Turns what the tracker has seen of processes into transitions in the journal. Compares each answer with
 * what was told of the process last (registry_standing), so that it does not matter how often it is checked.
 *
 * What is told is a copy of what the daemon knows: a process is in it from its first transition until EXITED,
 * DIED or FORGOTTEN. The number of waits for a process may change thousands of times a second; it is told
 * when transitions_settle() is called.
 */
#ifndef DAEMON_TRANSITIONS_H
#define DAEMON_TRANSITIONS_H

#include "daemon/journal.h"
#include "daemon/registry.h"

struct transitions {
	struct journal journal;
	TAILQ_HEAD(, registry_entry) unsettled; /* the waits for it have changed since it was told */
	bool followed;			/* by a monitor: names are read again, since execve(2) changes them */
	void (*on_news)(void *context); /* while followed: there is a record, or something unsettled */
	void *context;
};

void transitions_init(struct transitions *t);
void transitions_fini(struct transitions *t);

/* A check of the entry's process, which lives, has given this answer. */
void transitions_see(struct transitions *t, struct registry_entry *entry, const struct readyd_answer *answer);
/* The waits for the entry have changed. */
void transitions_see_waits(struct transitions *t, struct registry_entry *entry);
/* Its process has ended, as the answer says. The entry will be removed. */
void transitions_see_end(
    struct transitions *t, struct registry_entry *entry, const struct readyd_answer *answer);
/* The entry will be removed: if its process has not ended, it is not followed any more. */
void transitions_see_removal(struct transitions *t, struct registry_entry *entry);

/* A file of its marker's name has come, by an event (`created`: by creating it, so its writing will be told
 * too; `later`: after the process was noted as ready), or was written. */
void transitions_see_arrival(struct transitions *t, struct registry_entry *entry, bool created, bool later);
void transitions_see_write(struct transitions *t, struct registry_entry *entry, bool later);

/* A process that cannot be followed was seen ready, or was met when it had ended already. */
void transitions_see_unfollowed(
    struct transitions *t, const struct process *process, const struct readyd_answer *answer);

/* Tells of the waits of at most `most` entries. Returns whether some are left. */
bool transitions_settle(struct transitions *t, unsigned most);

/* What is known of an entry that was told of; false: it was not. */
bool transitions_describe(struct transitions *t, struct registry_entry *entry, struct journal_record *record);

#endif
