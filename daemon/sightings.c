#include "config.h"

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include "daemon/sightings.h"
#include "src/clock.h"
#include "src/stamp_trust.h"

struct sightings_owner {
	uid_t uid;
	TAILQ_HEAD(, sighting) by_age;
	size_t count;
	UT_hash_handle hh;
};

void sightings_init(struct sightings *sightings, size_t limit)
{
	*sightings = (struct sightings){.limit = limit};
}

static struct sightings_owner *enter_owner(struct sightings *sightings, uid_t uid)
{
	struct sightings_owner *owner;

	HASH_FIND(hh, sightings->owners, &uid, sizeof(uid), owner);
	if (owner != NULL)
		return owner;
	owner = xalloc_new(sizeof(*owner));
	owner->uid = uid;
	TAILQ_INIT(&owner->by_age);
	HASH_ADD(hh, sightings->owners, uid, sizeof(owner->uid), owner);
	return owner;
}

static void join_owner(struct sightings *sightings, struct sighting *sighting)
{
	struct sightings_owner *owner = enter_owner(sightings, sighting->marker.uid);

	sighting->owner = owner;
	owner->count++;
	TAILQ_INSERT_TAIL(&owner->by_age, sighting, age);
}

static void leave_owner(struct sightings *sightings, struct sighting *sighting)
{
	struct sightings_owner *owner = sighting->owner;

	TAILQ_REMOVE(&owner->by_age, sighting, age);
	if (--owner->count > 0)
		return;
	HASH_DEL(sightings->owners, owner);
	xalloc_free(owner);
}

static void update(struct sightings *sightings, struct sighting *sighting, const struct marker_stat *marker)
{
	if (marker->uid == sighting->owner->uid) {
		sighting->marker = *marker;
		return;
	}
	leave_owner(sightings, sighting);
	sighting->marker = *marker;
	join_owner(sightings, sighting);
}

static void forget(struct sightings *sightings, struct sighting *sighting)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
	HASH_DEL(sightings->leftovers, sighting);
	leave_owner(sightings, sighting);
	xalloc_free(sighting);
}

static void forget_oldest_of_most(struct sightings *sightings)
{
	struct sightings_owner *owner, *next, *most = sightings->owners;

	HASH_ITER (hh, sightings->owners, owner, next)
		if (owner->count > most->count)
			most = owner;
	forget(sightings, TAILQ_FIRST(&most->by_age));
}

void sightings_fini(struct sightings *sightings)
{
	while (sightings->owners != NULL)
		forget_oldest_of_most(sightings);
}

static struct sighting *find(const struct sightings *sightings, pid_t ns_pid)
{
	struct sighting *sighting;

	HASH_FIND_INT(sightings->leftovers, &ns_pid, sighting);
	return sighting;
}

/* A worker writes its marker right after creating it, so it may have been seen in between. */
static bool is_same_write(const struct marker_stat *a, const struct marker_stat *b)
{
	const int64_t passed = clock_to_ns(&b->mtime) - clock_to_ns(&a->mtime);

	return a->kind == b->kind && a->dev == b->dev && a->ino == b->ino && passed >= 0 &&
	       passed <= STAMP_GRAIN_NS;
}

void sightings_note(struct sightings *sightings, const struct sighting *seen)
{
	struct sighting *known = find(sightings, seen->ns_pid);

	if (known != NULL && is_same_write(&known->marker, &seen->marker) && (known->alone || !seen->alone)) {
		update(sightings, known, &seen->marker);
		return;
	}
	if (known != NULL)
		forget(sightings, known);
	if (seen->marker.kind != MARKER_FILE)
		return;
	if (sightings_count(sightings) >= sightings->limit)
		forget_oldest_of_most(sightings);
	known = xalloc_new(sizeof(*known));
	*known = *seen;
	HASH_ADD_INT(sightings->leftovers, ns_pid, known);
	join_owner(sightings, known);
}

/* Without a clock: only processes that had ended had the number then, but this one certainly lives. */
static bool started_later(const struct sighting *sighting, const struct process *process)
{
	if (sighting->alone && process_life(process) == PROCESS_LIVES)
		return true;
	return process->start_known && clock_ticks_to_ns(process->start) >= sighting->seen;
}

const struct marker_stat *sightings_leftover(const struct sightings *sightings, const struct process *process)
{
	const struct sighting *sighting = find(sightings, process->ns_pid);

	if (sighting == NULL || !started_later(sighting, process))
		return NULL;
	return &sighting->marker;
}

static bool is_before(const struct sighting *sighting, uint64_t position)
{
	return sighting != NULL && position > sighting->position;
}

bool sightings_is_later(const struct sightings *sightings, pid_t ns_pid, uint64_t position)
{
	return is_before(find(sightings, ns_pid), position);
}

bool sightings_rewritten(struct sightings *sightings, pid_t ns_pid, uint64_t position)
{
	struct sighting *sighting = find(sightings, ns_pid);

	if (!is_before(sighting, position))
		return false;
	forget(sightings, sighting);
	return true;
}

size_t sightings_count(const struct sightings *sightings)
{
	return HASH_COUNT(sightings->leftovers);
}
