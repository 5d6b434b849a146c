/* One process that is waited for: what is known of it, and how far the wait has come. */
#ifndef CLIENT_LIB_TARGET_H
#define CLIENT_LIB_TARGET_H

#include <stdbool.h>
#include <sys/queue.h>
#define HASH_NONFATAL_OOM 1 /* else uthash ends the process */
#include <uthash.h>

#include "readyd/readyd.h"
#include "src/evaluate.h"
#include "src/process.h"
#include "src/wire.h"

enum target_phase {
	TARGET_NOT_STARTED, /* no process has had the pid yet, and the wait is for that too */
	TARGET_WAITING,
	TARGET_UNCONFIRMED, /* an own look ends the wait, but the daemon may remember more: ask it first */
	TARGET_DONE
};
#define TARGET_PHASES 4

/* What the daemon has promised. */
enum subscription { SUBSCRIPTION_NONE, SUBSCRIPTION_ASKED, SUBSCRIPTION_GATE, SUBSCRIPTION_WAIT };
#define SUBSCRIPTIONS 4

enum target_event {
	TARGET_BORN,
	TARGET_SAW_NOTHING, /* an own look, which does not end the wait */
	TARGET_SAW_DOUBT,   /* one that does, but is to be confirmed */
	TARGET_SAW_END,	    /* one that does */
	TARGET_ASK,	    /* a GATE or WAIT is sent */
	TARGET_GATE,	    /* the daemon has given a gate */
	TARGET_TAKEN,	    /* it has taken a WAIT */
	TARGET_TOLD,	    /* its word ends the wait */
	TARGET_NOT_HELPED,  /* it has refused, or its word does not count */
	TARGET_LEFT	    /* the gate or the connection has ended, or is given up */
};
#define TARGET_EVENTS 10

struct target_state {
	enum target_phase phase;
	enum subscription subscription;
};

struct target {
	uint64_t start;		/* of the process that was asked for; 0: the one that has the pid */
	struct process process; /* held from when the target is added until it is done */
	struct history history;
	struct readyd_answer answer; /* of the last look; when done, the one to give */
	struct target_state state;
	int gate;		 /* while subscription is GATE, else -1 */
	bool watched;		 /* its pidfd is polled */
	bool no_gate;		 /* none could be had: use WAIT */
	enum wire_error refusal; /* why the daemon does not tell of it; WIRE_OK: it has not said so */
	bool fail_stale;	 /* a stale marker ends the wait */
	bool pending; /* was found waiting once: from then on a missing directory does not end the wait */
	struct marker_stat asked;  /* what lay there when the daemon was asked whose it is */
	STAILQ_ENTRY(target) link; /* of the done ones */
	TAILQ_ENTRY(target) all;
	struct target *twin; /* the next with the same pid, where both are indexed */
	bool indexed;
	UT_hash_handle hh; /* no table: not in the hash */
};

/* What becomes of the state. False, and no change: this cannot happen in that state. */
bool target_step(struct target_state *state, enum target_event event);

/* Whether an own look with this answer ends the wait. Where the daemon has promised to tell, it can see what
 * the client may not. */
bool target_ends_wait(const struct target *t, const struct readyd_answer *answer);

/* The event that an own look with this answer is. has_daemon: one that may know more could be asked. */
enum target_event target_judge(const struct target *t, const struct readyd_answer *answer, bool has_daemon);

static inline bool target_is_done(const struct target *t)
{
	return t->state.phase == TARGET_DONE;
}

static inline bool target_waits_for_gate(const struct target *t)
{
	return t->state.phase == TARGET_UNCONFIRMED && t->state.subscription == SUBSCRIPTION_GATE;
}

#endif
