/*
 * What the broker has to hold of one node's processes, and how much of that it is known to hold. There is no
 * queue of messages: each process has its newest state, and a mark if the broker may hold another one. So
 * what waits to be published is bounded by the number of processes, and a slow broker gets the newest state,
 * not each that was. Without I/O and clock; times are in milliseconds.
 */
#ifndef FLEET_MIRROR_H
#define FLEET_MIRROR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "fleet/payload.h"
#include "fleet/table.h"

/* More than a daemon knows; what is retained below the node's topic may be a stranger's. */
#define MIRROR_MAX 200000
/* Within this time, programs that wait for a process have told a daemon that was started again. */
#define MIRROR_PATIENCE_MS 10000
/* Messages that the broker has not acknowledged. */
#define MIRROR_WINDOW 64

struct mirror_entry {
	struct {
		uint64_t start;
		uint64_t pid;
	} key;
	bool is_wanted; /* the broker has to hold state; else nothing */
	bool is_listed; /* while a snapshot is taken: it has the process */
	bool is_queued; /* the broker may hold another state */
	bool in_flight;
	bool is_shown;	   /* by the check, or sent since it began */
	int64_t due_at;	   /* when it is cleared or, if unlisted, asked for; 0: not by time */
	unsigned unlisted; /* it is not known to have ended, but the snapshot lacks it: it is asked for once
			      more, or twice */
	uint64_t serial;   /* of what is queued or in flight; ascends in the queue */
	struct payload_process state;
	TAILQ_ENTRY(mirror_entry) queue, timed;
	UT_hash_handle hh;
};
TAILQ_HEAD(mirror_queue, mirror_entry);

struct mirror {
	struct mirror_entry *entries;
	struct mirror_queue queue;	     /* is_queued and not in_flight */
	struct mirror_queue timed, unlisted; /* due_at, soonest first */
	struct mirror_entry *window[MIRROR_WINDOW];
	int window_mids[MIRROR_WINDOW];
	int64_t window_sent[MIRROR_WINDOW];
	size_t in_flight;
	uint64_t serial; /* the last one that was given */
	int64_t keep_ms;
	bool in_snapshot;
	uint64_t left_out; /* that MIRROR_MAX had no room for */
};

/* Where in the daemon's order a snapshot has ended, and when by the clock that mirror_expire() is called
 * with. */
struct mirror_position {
	uint64_t epoch, seq;
	int64_t ms;
};

void mirror_init(struct mirror *mirror, int64_t keep_ms);
void mirror_fini(struct mirror *mirror);

/* Between these two, each process of the present state is put. What has ended stays for as long as it is
 * kept; each other one that was not put becomes unlisted. */
void mirror_begin_snapshot(struct mirror *mirror);
void mirror_end_snapshot(struct mirror *mirror, const struct mirror_position *position);
/* now_ms: of the clock that mirror_expire() is called with. age_ms: how long the state has lasted. */
void mirror_put(struct mirror *mirror, pid_t pid, uint64_t start, const struct payload_process *state,
    int64_t now_ms, int64_t age_ms);
/* The process is not followed any more. */
void mirror_forget(struct mirror *mirror, pid_t pid, uint64_t start);
/* The broker holds something of this process; state NULL: unreadable. True: that is cleared, or will be if no
 * snapshot has it. */
bool mirror_found(struct mirror *mirror, pid_t pid, uint64_t start, const struct payload_process *state);
/* Between these two, all that the broker holds is found. What it was not found to hold is published again. */
void mirror_begin_check(struct mirror *mirror);
void mirror_end_check(struct mirror *mirror);

/* The broker is another one, or may have forgotten: everything is published again. */
void mirror_restart(struct mirror *mirror);
/* The next entry to publish, if the window has room; else NULL. is_wanted: its state, else an empty message.
 */
struct mirror_entry *mirror_next(struct mirror *mirror);
void mirror_sent(struct mirror *mirror, struct mirror_entry *entry, int mid, int64_t now_ms);
/* Returns when it was sent; -1: it was not. */
int64_t mirror_acknowledged(struct mirror *mirror, int mid);
/* Nothing is to be published, and all is acknowledged. */
bool mirror_is_at_rest(const struct mirror *mirror);
/* A point in the order of what is to be published, and whether the broker holds everything before it. */
uint64_t mirror_mark(const struct mirror *mirror);
bool mirror_has_passed(const struct mirror *mirror, uint64_t mark);

/* Clears what has been kept for long enough. Returns when the next one is due; -1: none is. */
int64_t mirror_expire(struct mirror *mirror, int64_t now_ms);

/* The process of which the daemon has to be asked next, from due_at on; NULL: none. If it has ended, it is
 * put; if not, mirror_still_lives() lets it be asked for again later, or clears it. */
struct mirror_entry *mirror_unlisted(const struct mirror *mirror);
void mirror_still_lives(struct mirror *mirror, struct mirror_entry *entry, int64_t now_ms);

#endif
