/* The targets of a waiter by pid and start, and the number of targets in each state. */
#ifndef CLIENT_LIB_TARGET_SET_H
#define CLIENT_LIB_TARGET_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "client/lib/target.h"

/* Up to so many are searched linearly; more are in a hash. */
#define TARGETS_FEW 8

/* The single target is embedded, so that a mass wake-up touches no heap pages. */
struct target_set {
	struct target only;
	bool only_used;
	struct target *first, **end; /* all, with the done ones until their answers are taken */
	size_t count;		     /* of all */
	struct target **by_pid;	     /* all in a hash, once there were more than TARGETS_FEW; else NULL */
	size_t buckets;		     /* a power of two */
	struct target *first_done, **end_of_done;
	size_t tally[TARGET_PHASES][SUBSCRIPTIONS];
};

/* Visits every target; the body may remove it. */
#define TARGETS_EACH(set, t, after)                                                                          \
	for ((t) = (set)->first; (t) != NULL && ((after) = (t)->next, true); (t) = (after))

void target_set_init(struct target_set *set);

/* The one that was added with this pid and start. */
struct target *target_set_find(struct target_set *set, pid_t pid, uint64_t start);
/* All that were added with this pid: the first, and the next after t. NULL: there is none. */
struct target *target_set_first(struct target_set *set, pid_t pid);
struct target *target_set_next(const struct target_set *set, const struct target *t);
/* Adds a target in phase WAITING; all of its other members but pid and start are zero. NULL: ENOMEM. */
struct target *target_set_add(struct target_set *set, pid_t pid, uint64_t start);
/* The caller closes its descriptors. */
void target_set_remove(struct target_set *set, struct target *t);

/* The process of a new target has not started. */
void target_set_not_started(struct target_set *set, struct target *t);
/* As target_step(); queues a target that is done now. answer: comes with the event, or NULL. */
bool target_set_step(
    struct target_set *set, struct target *t, enum target_event event, const struct readyd_answer *answer);

/* The target that has been done longest, or NULL. */
static inline struct target *target_set_done(struct target_set *set)
{
	return set->first_done;
}

/* The number of targets in this phase. */
size_t target_set_phase(const struct target_set *set, enum target_phase phase);
size_t target_set_waiting(const struct target_set *set);

#endif
