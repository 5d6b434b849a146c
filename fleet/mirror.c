#include "config.h"

#include <stdlib.h>

#include "fleet/memory.h"
#include "fleet/mirror.h"
#include "src/verdict.h"

void mirror_init(struct mirror *mirror, int64_t keep_ms)
{
	*mirror = (struct mirror){.keep_ms = keep_ms};
	TAILQ_INIT(&mirror->queue);
	TAILQ_INIT(&mirror->timed);
	TAILQ_INIT(&mirror->unlisted);
}

static struct mirror_entry *find(const struct mirror *mirror, pid_t pid, uint64_t start)
{
	struct mirror_entry *found, key = {.key = {start, (uint64_t)pid}};

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): all bytes of the key are set */
	HASH_FIND(hh, mirror->entries, &key.key, sizeof(key.key), found);
	return found;
}

static struct mirror_entry *find_or_add(struct mirror *mirror, pid_t pid, uint64_t start)
{
	struct mirror_entry *entry = find(mirror, pid, start);

	if (entry != NULL)
		return entry;
	if (HASH_COUNT(mirror->entries) >= MIRROR_MAX) {
		mirror->left_out++;
		return NULL;
	}
	entry = memory_new(sizeof(*entry));
	entry->key.start = start;
	entry->key.pid = (uint64_t)pid;
	HASH_ADD(hh, mirror->entries, key, sizeof(entry->key), entry);
	return entry;
}

static void append(struct mirror *mirror, struct mirror_entry *entry)
{
	entry->serial = ++mirror->serial;
	TAILQ_INSERT_TAIL(&mirror->queue, entry, queue);
}

static void enqueue(struct mirror *mirror, struct mirror_entry *entry)
{
	if (!entry->is_queued && !entry->in_flight)
		append(mirror, entry);
	entry->is_queued = true;
}

static void dequeue(struct mirror *mirror, struct mirror_entry *entry)
{
	if (entry->is_queued && !entry->in_flight)
		TAILQ_REMOVE(&mirror->queue, entry, queue);
	entry->is_queued = false;
}

static struct mirror_queue *timed_of(struct mirror *mirror, const struct mirror_entry *entry)
{
	return entry->unlisted != 0 ? &mirror->unlisted : &mirror->timed;
}

static void stop_timing(struct mirror *mirror, struct mirror_entry *entry)
{
	if (entry->due_at != 0)
		TAILQ_REMOVE(timed_of(mirror, entry), entry, timed);
	entry->due_at = 0;
	entry->unlisted = 0;
}

/* Most come in the order of their times. */
static void start_timing(struct mirror *mirror, struct mirror_entry *entry, unsigned unlisted, int64_t at)
{
	struct mirror_queue *queue;
	struct mirror_entry *before;

	stop_timing(mirror, entry);
	entry->due_at = at != 0 ? at : 1;
	entry->unlisted = unlisted;
	queue = timed_of(mirror, entry);
	TAILQ_FOREACH_REVERSE (before, queue, mirror_queue, timed) {
		if (before->due_at <= entry->due_at) {
			TAILQ_INSERT_AFTER(queue, before, entry, timed);
			return;
		}
	}
	TAILQ_INSERT_HEAD(queue, entry, timed);
}

static void clear(struct mirror *mirror, struct mirror_entry *entry)
{
	stop_timing(mirror, entry);
	entry->is_wanted = false;
	enqueue(mirror, entry);
}

static void remove_entry(struct mirror *mirror, struct mirror_entry *entry)
{
	stop_timing(mirror, entry);
	dequeue(mirror, entry);
	HASH_DEL(mirror->entries, entry);
	free(entry);
}

void mirror_fini(struct mirror *mirror)
{
	struct mirror_entry *entry, *next;

	mirror_restart(mirror);
	HASH_ITER (hh, mirror->entries, entry, next)
		remove_entry(mirror, entry);
}

void mirror_begin_snapshot(struct mirror *mirror)
{
	struct mirror_entry *entry, *next;

	mirror->in_snapshot = true;
	HASH_ITER (hh, mirror->entries, entry, next)
		entry->is_listed = false;
}

/* What has ended does not come back, so it is true of the epoch that the snapshot begins, too. Of all others,
 * only the daemon knows whether they have ended meanwhile. */
static void miss(struct mirror *mirror, struct mirror_entry *entry, const struct mirror_position *position)
{
	if (!entry->is_wanted)
		clear(mirror, entry);
	else if (!verdict_is_process_gone(entry->state.verdict))
		start_timing(mirror, entry, 1, position->ms);
	else if (entry->state.epoch != position->epoch) {
		entry->state.epoch = position->epoch;
		entry->state.seq = position->seq;
		enqueue(mirror, entry);
	}
}

void mirror_end_snapshot(struct mirror *mirror, const struct mirror_position *position)
{
	struct mirror_entry *entry, *next;

	mirror->in_snapshot = false;
	HASH_ITER (hh, mirror->entries, entry, next)
		if (!entry->is_listed)
			miss(mirror, entry, position);
}

static bool is_same(const struct payload_process *a, const struct payload_process *b)
{
	return a->epoch == b->epoch && a->verdict == b->verdict && a->reason == b->reason &&
	       a->wait_status == b->wait_status && a->status_hidden == b->status_hidden;
}

void mirror_put(struct mirror *mirror, pid_t pid, uint64_t start, const struct payload_process *state,
    int64_t now_ms, int64_t age_ms)
{
	bool is_over = verdict_is_process_gone(state->verdict);
	struct mirror_entry *entry;
	bool known;

	if (is_over && age_ms >= mirror->keep_ms && find(mirror, pid, start) == NULL)
		return;
	entry = find_or_add(mirror, pid, start);
	if (entry == NULL)
		return;
	entry->is_listed = true;
	known = entry->is_wanted && is_same(&entry->state, state);
	entry->is_wanted = true;
	entry->state = *state;
	if (!known)
		enqueue(mirror, entry);
	if (!is_over)
		stop_timing(mirror, entry);
	else if (entry->due_at == 0 || entry->unlisted != 0)
		start_timing(
		    mirror, entry, 0, now_ms + (age_ms < mirror->keep_ms ? mirror->keep_ms - age_ms : 0));
}

void mirror_forget(struct mirror *mirror, pid_t pid, uint64_t start)
{
	struct mirror_entry *entry = find(mirror, pid, start);

	if (entry != NULL && entry->is_wanted)
		clear(mirror, entry);
}

bool mirror_found(struct mirror *mirror, pid_t pid, uint64_t start, const struct payload_process *state)
{
	struct mirror_entry *entry = find_or_add(mirror, pid, start);

	if (entry == NULL)
		return false;
	if (entry->is_wanted) {
		entry->is_shown |= state != NULL && is_same(&entry->state, state);
		return false;
	}
	if (!mirror->in_snapshot)
		clear(mirror, entry);
	return true;
}

void mirror_begin_check(struct mirror *mirror)
{
	struct mirror_entry *entry, *next;

	HASH_ITER (hh, mirror->entries, entry, next)
		entry->is_shown = false;
}

void mirror_end_check(struct mirror *mirror)
{
	struct mirror_entry *entry, *next;

	HASH_ITER (hh, mirror->entries, entry, next)
		if (entry->is_wanted && !entry->is_shown)
			enqueue(mirror, entry);
}

void mirror_restart(struct mirror *mirror)
{
	struct mirror_entry *entry, *next;

	HASH_ITER (hh, mirror->entries, entry, next) {
		entry->in_flight = entry->is_queued = false;
	}
	TAILQ_INIT(&mirror->queue);
	mirror->in_flight = 0;
	HASH_ITER (hh, mirror->entries, entry, next)
		enqueue(mirror, entry);
}

struct mirror_entry *mirror_next(struct mirror *mirror)
{
	return mirror->in_flight < MIRROR_WINDOW ? TAILQ_FIRST(&mirror->queue) : NULL;
}

void mirror_sent(struct mirror *mirror, struct mirror_entry *entry, int mid, int64_t now_ms)
{
	dequeue(mirror, entry);
	entry->in_flight = entry->is_shown = true;
	mirror->window[mirror->in_flight] = entry;
	mirror->window_sent[mirror->in_flight] = now_ms;
	mirror->window_mids[mirror->in_flight++] = mid;
}

/* It has changed meanwhile. It keeps its place, so that mirror_has_passed() does not pass it by. */
static void put_back(struct mirror *mirror, struct mirror_entry *entry)
{
	struct mirror_entry *next = TAILQ_FIRST(&mirror->queue);

	while (next != NULL && next->serial < entry->serial)
		next = TAILQ_NEXT(next, queue);
	if (next != NULL)
		TAILQ_INSERT_BEFORE(next, entry, queue);
	else
		TAILQ_INSERT_TAIL(&mirror->queue, entry, queue);
}

int64_t mirror_acknowledged(struct mirror *mirror, int mid)
{
	struct mirror_entry *entry;
	int64_t sent;
	size_t i = 0;

	while (i < mirror->in_flight && mirror->window_mids[i] != mid)
		i++;
	if (i == mirror->in_flight)
		return -1;
	entry = mirror->window[i];
	sent = mirror->window_sent[i];
	mirror->window[i] = mirror->window[--mirror->in_flight];
	mirror->window_mids[i] = mirror->window_mids[mirror->in_flight];
	mirror->window_sent[i] = mirror->window_sent[mirror->in_flight];
	entry->in_flight = false;
	if (entry->is_queued)
		put_back(mirror, entry);
	else if (!entry->is_wanted && !mirror->in_snapshot)
		remove_entry(mirror, entry);
	return sent;
}

bool mirror_is_at_rest(const struct mirror *mirror)
{
	return mirror->in_flight == 0 && TAILQ_EMPTY(&mirror->queue);
}

uint64_t mirror_mark(const struct mirror *mirror)
{
	return mirror->serial;
}

/* What is queued behind what is in flight has a greater serial, or will get one. */
bool mirror_has_passed(const struct mirror *mirror, uint64_t mark)
{
	const struct mirror_entry *first = TAILQ_FIRST(&mirror->queue);

	for (size_t i = 0; i < mirror->in_flight; i++)
		if (mirror->window[i]->serial <= mark)
			return false;
	return first == NULL || first->serial > mark;
}

int64_t mirror_expire(struct mirror *mirror, int64_t now_ms)
{
	struct mirror_entry *entry;

	while ((entry = TAILQ_FIRST(&mirror->timed)) != NULL && entry->due_at <= now_ms)
		clear(mirror, entry);
	return entry != NULL ? entry->due_at : -1;
}

struct mirror_entry *mirror_unlisted(const struct mirror *mirror)
{
	return TAILQ_FIRST(&mirror->unlisted);
}

/* A process that was ready would have been listed: the daemon reads all markers. One that was only waited for
 * is listed when those that wait have found the daemon. */
void mirror_still_lives(struct mirror *mirror, struct mirror_entry *entry, int64_t now_ms)
{
	if (entry->unlisted == 1 && entry->state.verdict != READYD_READY)
		start_timing(mirror, entry, 2, now_ms + MIRROR_PATIENCE_MS);
	else
		clear(mirror, entry);
}
