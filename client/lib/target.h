/* A target is a process that is waited for: what is known of it, and the state of the wait. */
#ifndef CLIENT_LIB_TARGET_H
#define CLIENT_LIB_TARGET_H

#include <stdbool.h>

#include "readyd/readyd.h"
#include "src/evaluate.h"
#include "src/process.h"
#include "src/wire.h"

enum target_phase {
	TARGET_NOT_STARTED, /* no process has had the pid yet, and that is waited for as well */
	TARGET_WAITING,
	TARGET_UNCONFIRMED, /* the own check would end the wait, but the daemon may know more: ask it first */
	TARGET_DONE
};
#define TARGET_PHASES 4

/* How the daemon will tell. */
enum subscription { SUBSCRIPTION_NONE, SUBSCRIPTION_ASKED, SUBSCRIPTION_GATE, SUBSCRIPTION_WAIT };
#define SUBSCRIPTIONS 4

enum target_event {
	TARGET_BORN,
	TARGET_SAW_NOTHING, /* the own check does not end the wait */
	TARGET_SAW_DOUBT,   /* the own check ends it, but needs confirmation */
	TARGET_SAW_END,	    /* the own check ends it */
	TARGET_ASK,	    /* GATE or WAIT has been sent */
	TARGET_GATE,	    /* the daemon has sent a gate */
	TARGET_TAKEN,	    /* it has accepted a WAIT */
	TARGET_TOLD,	    /* its answer ends the wait */
	TARGET_NOT_HELPED,  /* it has refused, or its answer does not count */
	TARGET_LEFT	    /* the gate or the connection was closed, by either side */
};
#define TARGET_EVENTS 10

struct target_state {
	enum target_phase phase;
	enum subscription subscription;
};

struct target {
	uint64_t start;		/* of the process that was asked for; 0: the one that has the pid */
	struct process process; /* open from the addition of the target until it is done */
	struct history history;
	struct readyd_answer answer; /* of the last check; of a done target, the final one */
	struct target_state state;
	int gate;	   /* -1 unless the subscription is GATE */
	bool gate_is_hint; /* the gate came without a start: its byte proves nothing */
	bool watched;	   /* its pidfd is polled */
	bool no_gate;	   /* a gate was refused: use WAIT */
	bool asked_reply;  /* the last request, a GATE or a QUERY, has a reply in any case */
	bool told;	   /* a remote daemon has said something of it ... */
	bool nameless;	   /* ... but not its start */
	bool was_ready;	   /* it has said that it is ready, and its end is waited for */
	uint64_t
	    former; /* of a remote process that has not started: the start of the last one of its number */
	enum wire_error refusal; /* why the daemon has refused the wait; WIRE_OK: it has not */
	uint64_t known_from;	 /* the position of the directory's events when the process was opened */
	bool fail_stale;	 /* a stale marker ends the wait */
	bool pending; /* it was pending once: from then on, a missing directory does not end the wait */
	struct marker_stat asked; /* what was there when the daemon was asked about it */
	/* For target_set. */
	struct target *next, **to_this;
	struct target *next_done;
	struct target *next_in_bucket;
};

/* Applies the event to the state. False, without a change, if it cannot occur in that state. */
bool target_step(struct target_state *state, enum target_event event);

/* Whether an own check with this answer ends the wait. With a subscription, the daemon may see what the
 * client cannot. */
bool target_ends_wait(const struct target *t, const struct readyd_answer *answer);

/* The event for an own check with this answer. has_daemon: a daemon that may know more can be asked. */
enum target_event target_judge(const struct target *t, const struct readyd_answer *answer, bool has_daemon);

static inline bool target_is_done(const struct target *t)
{
	return t->state.phase == TARGET_DONE;
}

/* The daemon has promised to report. */
static inline bool target_is_covered(const struct target *t)
{
	return t->state.subscription == SUBSCRIPTION_GATE || t->state.subscription == SUBSCRIPTION_WAIT;
}

static inline bool target_waits_for_gate(const struct target *t)
{
	return t->state.phase == TARGET_UNCONFIRMED && t->state.subscription == SUBSCRIPTION_GATE;
}

#endif
