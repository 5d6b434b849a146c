#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/target_set.h"

void target_set_init(struct target_set *set)
{
	set->only_used = false;
	set->count = 0;
	set->by_pid = NULL;
	TAILQ_INIT(&set->all);
	STAILQ_INIT(&set->done);
	memset(set->tally, 0, sizeof(set->tally));
}

static struct target *walk(struct target *t, pid_t pid)
{
	while (t != NULL && t->process.pid != pid)
		t = TAILQ_NEXT(t, all);
	return t;
}

struct target *target_set_first(struct target_set *set, pid_t pid)
{
	struct target *t;

	if (set->count <= TARGETS_FEW)
		return walk(TAILQ_FIRST(&set->all), pid);
	HASH_FIND_INT(set->by_pid, &pid, t);
	return t;
}

struct target *target_set_next(const struct target_set *set, const struct target *t)
{
	return set->count <= TARGETS_FEW ? walk(TAILQ_NEXT(t, all), t->process.pid) : t->twin;
}

struct target *target_set_find(struct target_set *set, pid_t pid, uint64_t start)
{
	struct target *t = target_set_first(set, pid);

	while (t != NULL && t->start != start)
		t = target_set_next(set, t);
	return t;
}

/* The analyzer loses sight of the buckets that uthash keeps in the table of the hash. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
/* -1: no memory. */
static int index_target(struct target_set *set, struct target *t)
{
	struct target *first;

	HASH_FIND_INT(set->by_pid, &t->process.pid, first);
	if (first != NULL) {
		t->twin = first->twin;
		first->twin = t;
	} else {
		HASH_ADD_INT(set->by_pid, process.pid, t);
		if (t->hh.tbl == NULL)
			return -1;
	}
	t->indexed = true;
	return 0;
}

/* The first of several is found by the hash, and the others through it. */
static void unindex_target(struct target_set *set, struct target *t)
{
	struct target *at;

	if (t->hh.tbl == NULL) {
		HASH_FIND_INT(set->by_pid, &t->process.pid, at);
		while (at != NULL && at->twin != t)
			at = at->twin;
		if (at != NULL)
			at->twin = t->twin;
		return;
	}
	HASH_DEL(set->by_pid, t);
	/* If memory runs out here, the twins get no events. */
	if (t->twin != NULL)
		HASH_ADD_INT(set->by_pid, process.pid, t->twin);
}

/* The targets that are not indexed were added last, while there were few. -1: no memory. */
static int index_targets(struct target_set *set)
{
	struct target *t;

	if (set->count <= TARGETS_FEW)
		return 0;
	TAILQ_FOREACH_REVERSE (t, &set->all, targets, all) {
		if (t->indexed)
			return 0;
		if (index_target(set, t) != 0)
			return -1;
	}
	return 0;
}

static struct target *allocate(struct target_set *set)
{
	if (set->only_used)
		return calloc(1, sizeof(struct target));
	set->only_used = true;
	memset(&set->only, 0, sizeof(set->only));
	return &set->only;
}

struct target *target_set_add(struct target_set *set, pid_t pid, uint64_t start)
{
	struct target *t = allocate(set);

	if (t == NULL)
		return NULL;
	t->process.pid = pid;
	t->start = start;
	t->process.fd = t->gate = -1;
	t->state.phase = TARGET_WAITING;
	set->tally[TARGET_WAITING][SUBSCRIPTION_NONE]++;
	TAILQ_INSERT_TAIL(&set->all, t, all);
	set->count++;
	if (index_targets(set) == 0)
		return t;
	target_set_remove(set, t);
	errno = ENOMEM;
	return NULL;
}

void target_set_remove(struct target_set *set, struct target *t)
{
	set->tally[t->state.phase][t->state.subscription]--;
	if (target_is_done(t))
		STAILQ_REMOVE(&set->done, t, target, link);
	if (t->indexed)
		unindex_target(set, t);
	TAILQ_REMOVE(&set->all, t, all);
	set->count--;
	if (t == &set->only)
		set->only_used = false;
	else
		free(t);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/* The only place that changes the tally, besides adding and removing. */
static void move(struct target_set *set, struct target *t, struct target_state to)
{
	set->tally[t->state.phase][t->state.subscription]--;
	set->tally[to.phase][to.subscription]++;
	t->state = to;
}

void target_set_not_started(struct target_set *set, struct target *t)
{
	move(set, t, (struct target_state){TARGET_NOT_STARTED, SUBSCRIPTION_NONE});
}

bool target_set_step(
    struct target_set *set, struct target *t, enum target_event event, const struct readyd_answer *answer)
{
	struct target_state to = t->state;

	if (!target_step(&to, event))
		return false;
	move(set, t, to);
	if (answer != NULL)
		t->answer = *answer;
	/* With a gate or a WAIT, the daemon found it pending, whatever is seen here. */
	t->pending |= event == TARGET_SAW_NOTHING || event == TARGET_GATE || event == TARGET_TAKEN;
	if (to.phase == TARGET_DONE)
		STAILQ_INSERT_TAIL(&set->done, t, link);
	return true;
}

size_t target_set_phase(const struct target_set *set, enum target_phase phase)
{
	size_t count = 0;

	for (int s = 0; s < SUBSCRIPTIONS; s++)
		count += set->tally[phase][s];
	return count;
}

size_t target_set_waiting(const struct target_set *set)
{
	return set->count - set->tally[TARGET_DONE][SUBSCRIPTION_NONE];
}
