#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "client/lib/target_set.h"
#include "src/hot.h"

#define BUCKETS_LEAST 32

void target_set_init(struct target_set *set)
{
	set->only_used = false;
	set->count = set->buckets = 0;
	set->by_pid = NULL;
	set->first = set->first_done = NULL;
	set->end = &set->first;
	set->end_of_done = &set->first_done;
	memset(set->tally, 0, sizeof(set->tally));
}

/* The kernel gives pids in a row, so they need no mixing. */
static struct target **bucket_of(const struct target_set *set, pid_t pid)
{
	return &set->by_pid[(size_t)pid & (set->buckets - 1)];
}

HOT static struct target *find_from(const struct target_set *set, struct target *t, pid_t pid)
{
	while (t != NULL && t->process.pid != pid)
		t = set->by_pid == NULL ? t->next : t->next_in_bucket;
	return t;
}

HOT struct target *target_set_first(struct target_set *set, pid_t pid)
{
	return find_from(set, set->by_pid == NULL ? set->first : *bucket_of(set, pid), pid);
}

HOT struct target *target_set_next(const struct target_set *set, const struct target *t)
{
	return find_from(set, set->by_pid == NULL ? t->next : t->next_in_bucket, t->process.pid);
}

struct target *target_set_find(struct target_set *set, pid_t pid, uint64_t start)
{
	struct target *t = target_set_first(set, pid);

	while (t != NULL && t->start != start)
		t = target_set_next(set, t);
	return t;
}

static void index_target(struct target_set *set, struct target *t)
{
	struct target **bucket = bucket_of(set, t->process.pid);

	t->next_in_bucket = *bucket;
	*bucket = t;
}

static void unindex_target(struct target_set *set, struct target *t)
{
	struct target **at = bucket_of(set, t->process.pid);

	while (*at != t)
		at = &(*at)->next_in_bucket;
	*at = t->next_in_bucket;
}

/* Makes the hash, or doubles it. Without memory, searches take longer. */
static void grow_index(struct target_set *set)
{
	size_t buckets = set->buckets == 0 ? BUCKETS_LEAST : set->buckets * 2;
	struct target **by_pid = calloc(buckets, sizeof(struct target *)), *t, *after;

	if (by_pid == NULL)
		return;
	free(set->by_pid);
	set->by_pid = by_pid;
	set->buckets = buckets;
	TARGETS_EACH (set, t, after)
		index_target(set, t);
}

static void drop_index(struct target_set *set)
{
	free(set->by_pid);
	set->by_pid = NULL;
	set->buckets = 0;
}

static struct target *allocate(struct target_set *set)
{
	if (set->only_used)
		return calloc(1, sizeof(struct target));
	set->only_used = true;
	memset(&set->only, 0, sizeof(set->only));
	return &set->only;
}

static void append(struct target_set *set, struct target *t)
{
	t->to_this = set->end;
	*set->end = t;
	set->end = &t->next;
	set->count++;
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
	append(set, t);
	if (set->by_pid != NULL)
		index_target(set, t);
	if (set->count > (set->by_pid == NULL ? TARGETS_FEW : set->buckets))
		grow_index(set);
	return t;
}

HOT static void unlink_done(struct target_set *set, struct target *t)
{
	struct target **at = &set->first_done;

	while (*at != t)
		at = &(*at)->next_done;
	*at = t->next_done;
	if (set->end_of_done == &t->next_done)
		set->end_of_done = at;
}

HOT static void unlink_target(struct target_set *set, struct target *t)
{
	*t->to_this = t->next;
	if (t->next != NULL)
		t->next->to_this = t->to_this;
	else
		set->end = t->to_this;
	set->count--;
}

HOT void target_set_remove(struct target_set *set, struct target *t)
{
	set->tally[t->state.phase][t->state.subscription]--;
	if (target_is_done(t))
		unlink_done(set, t);
	if (set->by_pid != NULL)
		unindex_target(set, t);
	unlink_target(set, t);
	if (set->count == 0)
		drop_index(set);
	if (t == &set->only)
		set->only_used = false;
	else
		free(t);
}

/* The only place that changes the tally, besides adding and removing. */
HOT static void move(struct target_set *set, struct target *t, struct target_state to)
{
	set->tally[t->state.phase][t->state.subscription]--;
	set->tally[to.phase][to.subscription]++;
	t->state = to;
}

void target_set_not_started(struct target_set *set, struct target *t)
{
	move(set, t, (struct target_state){TARGET_NOT_STARTED, SUBSCRIPTION_NONE});
}

HOT bool target_set_step(
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
	if (to.phase == TARGET_DONE) {
		*set->end_of_done = t;
		set->end_of_done = &t->next_done;
	}
	return true;
}

HOT size_t target_set_phase(const struct target_set *set, enum target_phase phase)
{
	size_t count = 0;

	for (int s = 0; s < SUBSCRIPTIONS; s++)
		count += set->tally[phase][s];
	return count;
}

HOT size_t target_set_waiting(const struct target_set *set)
{
	return set->count - set->tally[TARGET_DONE][SUBSCRIPTION_NONE];
}
