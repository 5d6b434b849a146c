/* The targets of a waiter by pid, and the number of targets in each state. */
#ifndef CLIENT_LIB_TARGET_SET_H
#define CLIENT_LIB_TARGET_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "client/lib/target.h"

/* Up to so many are searched linearly; more are in a hash. */
#define TARGETS_FEW 8

TAILQ_HEAD(targets, target);

/* The single target is embedded, so that a mass wake-up touches no heap pages. */
struct target_set {
	struct target only;
	bool only_used;
	struct targets all;    /* with the done ones until their answers are taken */
	size_t count;	       /* of all */
	struct target *by_pid; /* all of them, if there are more than TARGETS_FEW */
	STAILQ_HEAD(, target) done;
	size_t tally[TARGET_PHASES][SUBSCRIPTIONS];
};

/* Visits every target; the body may remove it. */
#define TARGETS_EACH(set, t, next)                                                                           \
	for ((t) = TAILQ_FIRST(&(set)->all); (t) != NULL && ((next) = TAILQ_NEXT(t, all), true); (t) = (next))

void target_set_init(struct target_set *set);

struct target *target_set_find(struct target_set *set, pid_t pid);
/* Adds a target in phase WAITING; all of its members but the pid are zero. NULL: ENOMEM. */
struct target *target_set_add(struct target_set *set, pid_t pid);
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
	return STAILQ_FIRST(&set->done);
}

/* The number of targets in this phase. */
size_t target_set_phase(const struct target_set *set, enum target_phase phase);
size_t target_set_waiting(const struct target_set *set);

#endif
