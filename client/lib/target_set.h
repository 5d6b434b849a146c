/* The targets of a waiter, found by pid and start, and how many are in which state. */
#ifndef CLIENT_LIB_TARGET_SET_H
#define CLIENT_LIB_TARGET_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "client/lib/target.h"

/* So few are found by a walk; for more of them there is a hash. */
#define TARGETS_FEW 8

TAILQ_HEAD(targets, target);

/* The single target is embedded, so that a mass wake-up touches no heap pages. */
struct target_set {
	struct target only;
	bool only_used;
	struct targets all;    /* done ones too, until they are taken */
	size_t count;	       /* of all */
	struct target *by_pid; /* where they are not few: one of each pid, which leads to its twins */
	STAILQ_HEAD(, target) done;
	size_t tally[TARGET_PHASES][SUBSCRIPTIONS];
};

/* Every target, while the body may remove it. */
#define TARGETS_EACH(set, t, next)                                                                           \
	for ((t) = TAILQ_FIRST(&(set)->all); (t) != NULL && ((next) = TAILQ_NEXT(t, all), true); (t) = (next))

void target_set_init(struct target_set *set);

/* The one that was added with this pid and start. */
struct target *target_set_find(struct target_set *set, pid_t pid, uint64_t start);
/* All that were added with this pid: the first, and the next after t. NULL: there is none. */
struct target *target_set_first(struct target_set *set, pid_t pid);
struct target *target_set_next(const struct target_set *set, const struct target *t);
/* A new one, zeroed but for this, in phase WAITING. NULL: ENOMEM. */
struct target *target_set_add(struct target_set *set, pid_t pid, uint64_t start);
/* Its descriptors are the caller's to close. */
void target_set_remove(struct target_set *set, struct target *t);

/* A new target turns out not to have started. */
void target_set_not_started(struct target_set *set, struct target *t);
/* One that is done is queued. answer: the one that comes with the event, or NULL. False: see target_step().
 */
bool target_set_step(
    struct target_set *set, struct target *t, enum target_event event, const struct readyd_answer *answer);

/* The one that was done first; NULL: none is. */
static inline struct target *target_set_done(struct target_set *set)
{
	return STAILQ_FIRST(&set->done);
}

/* How many are in this phase, and not done. */
size_t target_set_phase(const struct target_set *set, enum target_phase phase);
size_t target_set_waiting(const struct target_set *set);

#endif
