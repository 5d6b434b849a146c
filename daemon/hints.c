#include "config.h"

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include <uthash.h>

#include "daemon/arrival.h"
#include "daemon/hints.h"
#include "daemon/loop.h"
#include "daemon/quota.h"
#include "daemon/registry.h"
#include "daemon/tracker.h"

struct hint {
	struct turns_client client; /* first: cast back to the hint */
	pid_t ns_pid;
	struct quota_user *user; /* of the entry; NULL: there is none */
	bool seen, written;
	bool searches; /* whether to search for processes in child pid namespaces */
	struct arrival arrival;
	uint64_t position; /* of the write */
	UT_hash_handle hh;
};

static void on_turn(void *context);

void hints_init(struct hints *hints, struct loop *loop, struct tracker *tracker,
    void (*on_lost)(void *context), void *context)
{
	*hints = (struct hints){.loop = loop, .tracker = tracker, .on_lost = on_lost, .context = context};
	turns_init(&hints->turns);
	turns_user_init(&hints->unknown);
	hints->turn = loop_timer_new(loop, on_turn, hints);
}

static void remove_hint(struct hints *hints, struct hint *hint)
{
	turns_cancel(&hints->turns, &hint->client);
	HASH_DEL(hints->all, hint);
	if (hint->user != NULL)
		quota_leave(hints->tracker->quota, hint->user);
	else
		hints->unknown_count--;
	xalloc_free(hint);
}

void hints_fini(struct hints *hints)
{
	while (hints->all != NULL)
		remove_hint(hints, hints->all);
	loop_timer_free(hints->turn);
}

static struct turns_user *turns_of(struct hints *hints, struct quota_user *user)
{
	return user == NULL ? &hints->unknown : &user->hints;
}

/* An arrival says more than another event. */
static void take_arrival(struct hint *hint, const struct arrival *arrival)
{
	if (!hint->seen || hint->arrival.since == 0)
		hint->arrival = *arrival;
	hint->seen = true;
	hint->searches |= *arrival->searches > 0;
}

static void take_write(struct hint *hint, uint64_t position)
{
	hint->written = true;
	hint->position = position;
}

static void add_hint(struct hints *hints, struct quota_user *user, const struct hint *new)
{
	struct hint *hint;

	if (user == NULL && hints->unknown_count >= HINTS_MOST) {
		hints->lost = true;
		return;
	}
	hint = xalloc_new(sizeof(*hint));
	*hint = *new;
	hint->user = user == NULL ? NULL : quota_hold(user);
	hints->unknown_count += user == NULL;
	HASH_ADD_INT(hints->all, ns_pid, hint);
	turns_queue(&hints->turns, turns_of(hints, user), &hint->client);
	loop_soon(hints->turn);
}

static void tell(struct hints *hints, const struct hint *hint)
{
	struct arrival arrival = hint->arrival;
	unsigned searches = hint->searches;

	arrival.searches = &searches;
	if (hint->seen)
		tracker_marker_seen(hints->tracker, hint->ns_pid, &arrival);
	if (hint->written)
		tracker_marker_written(hints->tracker, hint->ns_pid, hint->position);
}

/* The user may leave the registry with its entry. */
static void tell_and_charge(struct hints *hints, struct quota_user *user, const struct hint *hint)
{
	struct turns_user *turns = turns_of(hints, user);
	const uint64_t cost = tracker_extra_cost(hints->tracker);

	turns_spend(turns, TURNS_EVENT);
	if (user != NULL)
		(void)quota_hold(user);
	tell(hints, hint);
	turns_spend(turns, tracker_extra_cost(hints->tracker) - cost);
	if (user != NULL)
		quota_leave(hints->tracker->quota, user);
}

static void tell_or_add(struct hints *hints, const struct hint *hint)
{
	const struct registry_entry *entry = registry_find(hints->tracker->registry, hint->ns_pid);
	struct quota_user *user = entry == NULL ? NULL : entry->user;

	if (turns_is_free(turns_of(hints, user), loop_pass_number(hints->loop)))
		tell_and_charge(hints, user, hint);
	else
		add_hint(hints, user, hint);
}

static struct hint *find(const struct hints *hints, pid_t ns_pid)
{
	struct hint *hint;

	HASH_FIND_INT(hints->all, &ns_pid, hint);
	return hint;
}

void hints_seen(struct hints *hints, pid_t ns_pid, const struct arrival *arrival)
{
	struct hint *waiting = find(hints, ns_pid), hint = {.ns_pid = ns_pid};

	take_arrival(waiting == NULL ? &hint : waiting, arrival);
	if (waiting != NULL)
		return;
	tell_or_add(hints, &hint);
	*arrival->searches -= *arrival->searches > 0;
}

void hints_written(struct hints *hints, pid_t ns_pid, uint64_t position)
{
	struct hint *waiting = find(hints, ns_pid), hint = {.ns_pid = ns_pid};

	take_write(waiting == NULL ? &hint : waiting, position);
	if (waiting == NULL)
		tell_or_add(hints, &hint);
}

static void serve(struct hints *hints, struct hint *waiting)
{
	tell_and_charge(hints, waiting->user, waiting);
	remove_hint(hints, waiting);
}

static void on_turn(void *context)
{
	struct hints *hints = context;
	const uint64_t pass = loop_pass_number(hints->loop);
	struct turns_client *client;

	while ((client = turns_next(&hints->turns, pass)) != NULL)
		serve(hints, (struct hint *)client);
	if (hints->turns.count > 0)
		loop_soon(hints->turn);
	if (!hints->lost || hints->unknown_count > 0)
		return;
	hints->lost = false;
	hints->on_lost(hints->context);
}
