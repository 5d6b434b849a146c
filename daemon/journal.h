/*
 * The journal: the last transitions of processes, numbered, in a ring of bounded size. Pure.
 *
 * It records from journal_start() on, which is called for the first monitor, and then as long as the daemon
 * runs, so that a monitor that was cut off can continue where it was. Before that no token has been given
 * out, so nothing can be missed.
 */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/secrecy.h"
#include "readyd/readyd.h"
#include "src/process.h"

/* One pass of the loop can see as many ends of processes as the kernel returns events, 4096; a monitor reads
 * between two passes. About 700 KiB. */
#define JOURNAL_SIZE 8192

struct journal_record {
	int64_t time_ms;
	enum readyd_change change;
	struct readyd_answer answer;
	struct owner owner;
	unsigned waiters;
	char comm[PROCESS_COMM_SIZE];
};

struct journal {
	struct journal_record
	    *ring; /* the transition with the number n is in slot n % size; NULL: not started */
	size_t size;
	uint64_t head; /* number of the last one; 0: there was none yet */
};

void journal_fini(struct journal *journal);

/* Records from now on; does nothing if it does already. */
void journal_start(struct journal *journal, size_t size);
static inline bool journal_runs(const struct journal *journal)
{
	return journal->ring != NULL;
}

/* Returns the number of the record. If the journal does not run, nothing is recorded. */
uint64_t journal_add(struct journal *journal, const struct journal_record *record);

/* The record with this number, from 1 to head; NULL: it was overwritten. */
const struct journal_record *journal_get(const struct journal *journal, uint64_t seq);

/* Whether the numbers up to seq were given out, and every record after it is still there. */
bool journal_can_resume(const struct journal *journal, uint64_t seq);

#endif
