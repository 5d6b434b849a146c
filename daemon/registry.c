#include "config.h"

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include <stddef.h>

#include "daemon/quota.h"
#include "daemon/registry.h"

TAILQ_HEAD(entry_queue, registry_entry);

struct registry {
	struct registry_entry *entries;	       /* by pid */
	struct registry_tombstone *tombstones; /* by pid */
	struct entry_queue waited; /* entries with waits; those visited in this sweep are at the end */
	struct agenda agenda;	   /* of entries with waits */
	struct name_index names;   /* of those with waits that registry_find() does not find */
	uint64_t sweep;
	uint64_t entered; /* number of the newest entry */
	size_t waited_count, wait_count, idle_count;
	size_t idle_limit;
	struct quota *quota;
	void (*leaving)(struct registry_entry *entry, void *context);
	void *context;
};

struct registry *registry_new(struct quota *quota, size_t idle,
    void (*leaving)(struct registry_entry *entry, void *context), void *context)
{
	struct registry *registry = xalloc_new(sizeof(*registry));

	TAILQ_INIT(&registry->waited);
	agenda_init(&registry->agenda);
	registry->quota = quota;
	registry->idle_limit = idle;
	registry->leaving = leaving;
	registry->context = context;
	return registry;
}

static void remove_tombstone(struct registry *registry, struct registry_tombstone *tombstone)
{
	HASH_DEL(registry->tombstones, tombstone);
	TAILQ_REMOVE(&tombstone->user->tombstones, tombstone, age);
	quota_release(registry->quota, tombstone->user, QUOTA_TOMBSTONES, 1);
	xalloc_free(tombstone);
}

static void move_cursor(struct registry_cursor *cursor, struct registry_entry *entry)
{
	if (cursor->entry != NULL)
		LIST_REMOVE(cursor, link);
	cursor->entry = entry != NULL && entry->number <= cursor->last ? entry : NULL;
	if (cursor->entry != NULL)
		LIST_INSERT_HEAD(&entry->cursors, cursor, link);
}

static void set_idle(struct registry *registry, struct registry_entry *entry)
{
	TAILQ_INSERT_TAIL(&entry->user->idle, entry, unused);
	entry->user->idle_count++;
	entry->idle = true;
	registry->idle_count++;
}

static void set_used(struct registry *registry, struct registry_entry *entry)
{
	if (!entry->idle)
		return;
	TAILQ_REMOVE(&entry->user->idle, entry, unused);
	entry->user->idle_count--;
	entry->idle = false;
	registry->idle_count--;
}

static void charge(struct registry *registry, struct registry_entry *entry, bool on)
{
	if (on)
		entry->charged = quota_charge(registry->quota, entry->user, QUOTA_PROCESSES, 1);
	else if (entry->charged)
		quota_release(registry->quota, entry->user, QUOTA_PROCESSES, 1);
	entry->charged &= on;
}

static void remove_entry(struct registry *registry, struct registry_entry *entry)
{
	set_used(registry, entry);
	registry->leaving(entry, registry->context);
	while (!LIST_EMPTY(&entry->cursors))
		move_cursor(LIST_FIRST(&entry->cursors), entry->hh.next);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): an entry is in the table, so there is one */
	HASH_DEL(registry->entries, entry);
	process_close(&entry->process);
	charge(registry, entry, false);
	quota_leave(registry->quota, entry->user);
	xalloc_free(entry);
}

void registry_free(struct registry *registry)
{
	struct registry_entry *entry, *next_entry;
	struct registry_tombstone *tombstone, *next_tombstone;

	if (registry == NULL)
		return;
	HASH_ITER (hh, registry->entries, entry, next_entry) {
		while (!LIST_EMPTY(&entry->waits))
			registry_detach(registry, LIST_FIRST(&entry->waits));
		while (!LIST_EMPTY(&entry->ends))
			registry_detach(registry, LIST_FIRST(&entry->ends));
		remove_entry(registry, entry);
	}
	HASH_ITER (hh, registry->tombstones, tombstone, next_tombstone)
		remove_tombstone(registry, tombstone);
	xalloc_free(registry);
}

struct registry_entry *registry_find(const struct registry *registry, pid_t pid)
{
	struct registry_entry *entry;

	HASH_FIND_INT(registry->entries, &pid, entry);
	return entry;
}

struct registry_entry *registry_enter(struct registry *registry, const struct process *process,
    const struct history *history, struct quota_user *user)
{
	struct registry_entry *entry = xalloc_new(sizeof(*entry));

	entry->process = *process;
	entry->history = *history;
	entry->user = quota_hold(user);
	charge(registry, entry, process->fd >= 0);
	LIST_INIT(&entry->waits);
	LIST_INIT(&entry->ends);
	LIST_INIT(&entry->cursors);
	entry->number = ++registry->entered;
	HASH_ADD_INT(registry->entries, process.pid, entry);
	return entry;
}

void registry_take_pidfd(struct registry *registry, struct registry_entry *entry, int fd)
{
	entry->process.fd = fd;
	charge(registry, entry, true);
}

void registry_give(struct registry *registry, struct registry_entry *entry, struct quota_user *user)
{
	struct quota_user *before = entry->user;

	if (user == before || (entry->charged && !quota_has_room(registry->quota, user, QUOTA_PROCESSES, 1)))
		return;
	set_used(registry, entry);
	charge(registry, entry, false);
	entry->user = quota_hold(user);
	charge(registry, entry, entry->process.fd >= 0);
	agenda_move(&registry->agenda, &user->agenda, &entry->agenda);
	quota_leave(registry->quota, before);
}

bool registry_must_keep(const struct history *history)
{
	return history->latched || history->ambiguous.kind == MARKER_FILE;
}

void registry_release(struct registry *registry, struct registry_entry *entry)
{
	/* Without a pidfd its end would never be seen. */
	const bool has_pidfd = entry->process.fd >= 0;

	set_used(registry, entry);
	if (entry->wait_count > 0 || (has_pidfd && registry_must_keep(&entry->history)))
		return;
	if (!has_pidfd) {
		remove_entry(registry, entry);
		return;
	}
	set_idle(registry, entry);
	if (entry->user->idle_count > registry->idle_limit)
		remove_entry(registry, TAILQ_FIRST(&entry->user->idle));
}

void registry_attach(struct registry *registry, struct registry_entry *entry, struct registry_wait *wait)
{
	set_used(registry, entry);
	if (entry->wait_count == 0) {
		TAILQ_INSERT_TAIL(&registry->waited, entry, waited);
		entry->sweep = registry->sweep; /* the caller that attaches has just checked it */
		registry->waited_count++;
	}
	if (wait->kind->until_end)
		LIST_INSERT_HEAD(&entry->ends, wait, link);
	else
		LIST_INSERT_HEAD(&entry->waits, wait, link);
	wait->entry = entry;
	entry->wait_count++;
	registry->wait_count++;
}

void registry_detach(struct registry *registry, struct registry_wait *wait)
{
	struct registry_entry *entry = wait->entry;

	if (entry == NULL)
		return;
	LIST_REMOVE(wait, link);
	wait->entry = NULL;
	entry->wait_count--;
	registry->wait_count--;
	if (entry->wait_count == 0) {
		TAILQ_REMOVE(&registry->waited, entry, waited);
		registry->waited_count--;
		agenda_drop(&registry->agenda, &entry->agenda);
		name_index_remove(&registry->names, &entry->name);
		name_index_remove(&registry->names, &entry->directory);
	}
}

void registry_settle(
    struct registry *registry, struct registry_entry *entry, const struct readyd_answer *answer)
{
	struct registry_wait *wait;

	/* The head is reread each time: settled() may detach any other wait of this entry. */
	while ((wait = LIST_FIRST(&entry->waits)) != NULL) {
		registry_detach(registry, wait);
		wait->kind->settled(wait, entry, answer);
	}
}

static void settle_ends(
    struct registry *registry, struct registry_entry *entry, const struct readyd_answer *answer)
{
	struct registry_wait *wait;

	while ((wait = LIST_FIRST(&entry->ends)) != NULL) {
		registry_detach(registry, wait);
		wait->kind->settled(wait, entry, answer);
	}
}

static void add_tombstone(struct registry *registry, const struct process *process, struct quota_user *user,
    const struct readyd_answer *answer, const struct marker_stat *marker)
{
	struct registry_tombstone *tombstone;

	HASH_FIND_INT(registry->tombstones, &process->pid, tombstone);
	if (tombstone == NULL && !quota_has_room(registry->quota, user, QUOTA_TOMBSTONES, 1))
		tombstone = TAILQ_FIRST(&user->tombstones);
	if (tombstone != NULL)
		remove_tombstone(registry, tombstone);
	if (!quota_charge(registry->quota, user, QUOTA_TOMBSTONES, 1))
		return;
	tombstone = xalloc_new(sizeof(*tombstone));
	tombstone->user = user;
	tombstone->pid = process->pid;
	tombstone->ns_pid = process->ns_pid;
	tombstone->answer = *answer;
	tombstone->marker = *marker;
	tombstone->owner = secrecy_owner(process);
	HASH_ADD_INT(registry->tombstones, pid, tombstone);
	TAILQ_INSERT_TAIL(&user->tombstones, tombstone, age);
}

void registry_retire(struct registry *registry, struct registry_entry *entry,
    const struct readyd_answer *answer, const struct marker_stat *marker)
{
	add_tombstone(registry, &entry->process, entry->user, answer, marker);
	registry_settle(registry, entry, answer);
	settle_ends(registry, entry, answer);
	remove_entry(registry, entry);
}

const struct registry_tombstone *registry_tombstone(const struct registry *registry, pid_t pid)
{
	struct registry_tombstone *tombstone;

	HASH_FIND_INT(registry->tombstones, &pid, tombstone);
	return tombstone;
}

void registry_begin_sweep(struct registry *registry)
{
	registry->sweep++;
}

struct registry_entry *registry_next_waited(struct registry *registry)
{
	struct registry_entry *entry = TAILQ_FIRST(&registry->waited);

	if (entry == NULL || entry->sweep == registry->sweep)
		return NULL;
	entry->sweep = registry->sweep;
	TAILQ_REMOVE(&registry->waited, entry, waited);
	TAILQ_INSERT_TAIL(&registry->waited, entry, waited);
	return entry;
}

static void index_name(struct registry *registry, struct name_item *item, struct name_key key, bool on)
{
	if (on)
		name_index_set(&registry->names, item, key);
	else
		name_index_remove(&registry->names, item);
}

void registry_update(struct registry *registry, struct registry_entry *entry, bool polled)
{
	const struct name_key key = {
	    entry->history.in_other_dir ? entry->history.extra_watch : 0, entry->process.ns_pid};

	if (entry->wait_count == 0)
		return;
	agenda_poll(&registry->agenda, &entry->user->agenda, &entry->agenda, polled);
	index_name(registry, &entry->name, key, key.wd != 0 || process_in_child_ns(&entry->process));
	index_name(registry, &entry->directory, (struct name_key){.wd = key.wd}, key.wd != 0);
}

void registry_queue(struct registry *registry, struct registry_entry *entry)
{
	if (entry->wait_count > 0)
		agenda_queue(&registry->agenda, &entry->user->agenda, &entry->agenda);
}

void registry_tick(struct registry *registry)
{
	agenda_tick(&registry->agenda);
}

struct registry_entry *registry_next_due(struct registry *registry, uint64_t pass)
{
	struct agenda_item *item = agenda_next(&registry->agenda, pass);
	struct registry_entry *entry;

	if (item == NULL)
		return NULL;
	entry = (struct registry_entry *)((char *)item - offsetof(struct registry_entry, agenda));
	turns_spend(&entry->user->agenda.turns, TURNS_LOOK);
	return entry;
}

bool registry_is_due(const struct registry *registry)
{
	return agenda_is_due(&registry->agenda);
}

static struct registry_entry *of_name(struct name_item *item, struct name_key key)
{
	const size_t offset = key.ns_pid != 0 ? offsetof(struct registry_entry, name)
					      : offsetof(struct registry_entry, directory);

	return (struct registry_entry *)((char *)item - offset);
}

void registry_visit_named(struct registry *registry, struct name_key key,
    void (*visit)(struct registry_entry *entry, void *context), void *context)
{
	struct name_item *item = name_index_first(&registry->names, key), *next;
	struct registry_entry *entry;

	for (; item != NULL; item = next) {
		next = name_index_next(item);
		visit(of_name(item, key), context);
	}
	entry = registry_find(registry, key.ns_pid);
	if (entry != NULL && entry->name.list == NULL && entry->wait_count > 0 && key.wd == 0)
		visit(entry, context);
}

void registry_cursor_start(struct registry *registry, struct registry_cursor *cursor)
{
	*cursor = (struct registry_cursor){.last = registry->entered};
	move_cursor(cursor, registry->entries);
}

struct registry_entry *registry_cursor_next_of_all(struct registry_cursor *cursor)
{
	struct registry_entry *entry = cursor->entry;

	if (entry != NULL)
		move_cursor(cursor, entry->hh.next);
	return entry;
}

struct registry_entry *registry_cursor_next(struct registry_cursor *cursor)
{
	struct registry_entry *entry;

	do
		entry = registry_cursor_next_of_all(cursor);
	while (entry != NULL && entry->idle);
	return entry;
}

void registry_cursor_end(struct registry_cursor *cursor)
{
	move_cursor(cursor, NULL);
}

void registry_count(const struct registry *registry, struct registry_counts *counts)
{
	counts->entries = HASH_COUNT(registry->entries) - registry->idle_count;
	counts->waited = registry->waited_count;
	counts->waits = registry->wait_count;
	counts->polled = registry->agenda.polled;
	counts->idle = registry->idle_count;
	counts->tombstones = HASH_COUNT(registry->tombstones);
}

bool registry_is_waited(const struct registry *registry)
{
	return registry->waited_count > 0;
}
