#include "config.h"

#include "daemon/memory.h"
/* Before uthash.h: its own answer to a failed allocation is exit(-1) without a word. */
#define uthash_malloc(size)	 memory_alloc(size)
#define uthash_free(block, size) memory_free(block)
#include "daemon/ledger.h"

TAILQ_HEAD(entry_queue, ledger_entry);
TAILQ_HEAD(grave_queue, ledger_grave);

struct ledger {
	struct ledger_entry *entries; /* by pid */
	struct ledger_grave *graves;  /* by pid */
	struct ledger_grave *names;   /* the youngest of each name */
	struct grave_queue by_age;    /* oldest first */
	struct entry_queue waited;    /* entries with waits; those seen in this round are at the end */
	uint64_t round;
	uint64_t entered; /* number of the youngest entry */
	size_t waited_count, wait_count, grave_limit;
	void (*leaving)(struct ledger_entry *entry);
};

struct ledger *ledger_new(size_t grave_limit, void (*leaving)(struct ledger_entry *entry))
{
	struct ledger *ledger = memory_alloc(sizeof(*ledger));

	TAILQ_INIT(&ledger->by_age);
	TAILQ_INIT(&ledger->waited);
	ledger->grave_limit = grave_limit;
	ledger->leaving = leaving;
	return ledger;
}

static struct ledger_grave *find_name(const struct ledger *ledger, pid_t name)
{
	struct ledger_grave *grave;

	HASH_FIND(by_name, ledger->names, &name, sizeof(name), grave);
	return grave;
}

static void remove_grave(struct ledger *ledger, struct ledger_grave *grave)
{
	if (find_name(ledger, grave->name) == grave)
		HASH_DELETE(by_name, ledger->names, grave);
	HASH_DEL(ledger->graves, grave);
	TAILQ_REMOVE(&ledger->by_age, grave, age);
	memory_free(grave);
}

static void move_cursor(struct ledger_cursor *cursor, struct ledger_entry *entry)
{
	if (cursor->entry != NULL)
		LIST_REMOVE(cursor, link);
	cursor->entry = entry != NULL && entry->number <= cursor->last ? entry : NULL;
	if (cursor->entry != NULL)
		LIST_INSERT_HEAD(&entry->cursors, cursor, link);
}

static void remove_entry(struct ledger *ledger, struct ledger_entry *entry)
{
	ledger->leaving(entry);
	while (!LIST_EMPTY(&entry->cursors))
		move_cursor(LIST_FIRST(&entry->cursors), entry->hh.next);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): an entry is in the table, so there is one */
	HASH_DEL(ledger->entries, entry);
	process_close(&entry->process);
	memory_free(entry);
}

void ledger_free(struct ledger *ledger)
{
	struct ledger_entry *entry, *next_entry;
	struct ledger_grave *grave, *next_grave;

	if (ledger == NULL)
		return;
	HASH_ITER (hh, ledger->entries, entry, next_entry) {
		while (!LIST_EMPTY(&entry->waits))
			ledger_detach(ledger, LIST_FIRST(&entry->waits));
		remove_entry(ledger, entry);
	}
	HASH_ITER (hh, ledger->graves, grave, next_grave)
		remove_grave(ledger, grave);
	memory_free(ledger);
}

struct ledger_entry *ledger_find(const struct ledger *ledger, pid_t pid)
{
	struct ledger_entry *entry;

	HASH_FIND_INT(ledger->entries, &pid, entry);
	return entry;
}

struct ledger_entry *ledger_enter(
    struct ledger *ledger, const struct process *process, const struct memory *memory)
{
	struct ledger_entry *entry = memory_alloc(sizeof(*entry));

	entry->process = *process;
	entry->memory = *memory;
	LIST_INIT(&entry->waits);
	LIST_INIT(&entry->cursors);
	entry->number = ++ledger->entered;
	HASH_ADD_INT(ledger->entries, process.pid, entry);
	return entry;
}

bool ledger_must_keep(const struct memory *memory)
{
	return memory->latched || memory->contested.kind == SIGHT_FILE;
}

void ledger_release(struct ledger *ledger, struct ledger_entry *entry)
{
	if (LIST_EMPTY(&entry->waits) && !ledger_must_keep(&entry->memory))
		remove_entry(ledger, entry);
}

void ledger_attach(struct ledger *ledger, struct ledger_entry *entry, struct ledger_wait *wait)
{
	if (LIST_EMPTY(&entry->waits)) {
		TAILQ_INSERT_TAIL(&ledger->waited, entry, waited);
		entry->round = ledger->round; /* whoever attaches has just looked */
		ledger->waited_count++;
	}
	LIST_INSERT_HEAD(&entry->waits, wait, link);
	wait->entry = entry;
	ledger->wait_count++;
}

void ledger_detach(struct ledger *ledger, struct ledger_wait *wait)
{
	struct ledger_entry *entry = wait->entry;

	if (entry == NULL)
		return;
	LIST_REMOVE(wait, link);
	wait->entry = NULL;
	ledger->wait_count--;
	if (LIST_EMPTY(&entry->waits)) {
		TAILQ_REMOVE(&ledger->waited, entry, waited);
		ledger->waited_count--;
	}
}

void ledger_settle(struct ledger *ledger, struct ledger_entry *entry, const struct readyd_answer *answer)
{
	struct ledger_wait *wait;

	/* The head is read anew each time: settled() may detach any other wait of this entry. */
	while ((wait = LIST_FIRST(&entry->waits)) != NULL) {
		ledger_detach(ledger, wait);
		wait->settled(wait, answer);
	}
}

static void name_grave(struct ledger *ledger, struct ledger_grave *grave, pid_t name)
{
	struct ledger_grave *older = find_name(ledger, name);

	if (older != NULL)
		HASH_DELETE(by_name, ledger->names, older);
	grave->name = name;
	HASH_ADD(by_name, ledger->names, name, sizeof(grave->name), grave);
}

static void add_grave(struct ledger *ledger, const struct process *process,
    const struct readyd_answer *answer, const struct sight *marker)
{
	struct ledger_grave *grave;

	HASH_FIND_INT(ledger->graves, &process->pid, grave);
	if (grave == NULL && HASH_COUNT(ledger->graves) >= ledger->grave_limit)
		grave = TAILQ_FIRST(&ledger->by_age);
	if (grave != NULL)
		remove_grave(ledger, grave);
	grave = memory_alloc(sizeof(*grave));
	grave->pid = process->pid;
	grave->answer = *answer;
	grave->marker = *marker;
	HASH_ADD_INT(ledger->graves, pid, grave);
	name_grave(ledger, grave, process->name);
	TAILQ_INSERT_TAIL(&ledger->by_age, grave, age);
}

void ledger_bury(struct ledger *ledger, struct ledger_entry *entry, const struct readyd_answer *answer,
    const struct sight *marker)
{
	add_grave(ledger, &entry->process, answer, marker);
	ledger_settle(ledger, entry, answer);
	remove_entry(ledger, entry);
}

const struct ledger_grave *ledger_grave(const struct ledger *ledger, pid_t pid)
{
	struct ledger_grave *grave;

	HASH_FIND_INT(ledger->graves, &pid, grave);
	return grave;
}

const struct ledger_grave *ledger_grave_of_name(const struct ledger *ledger, pid_t name)
{
	return find_name(ledger, name);
}

void ledger_begin_round(struct ledger *ledger)
{
	ledger->round++;
}

struct ledger_entry *ledger_next_waited(struct ledger *ledger)
{
	struct ledger_entry *entry = TAILQ_FIRST(&ledger->waited);

	if (entry == NULL || entry->round == ledger->round)
		return NULL;
	entry->round = ledger->round;
	TAILQ_REMOVE(&ledger->waited, entry, waited);
	TAILQ_INSERT_TAIL(&ledger->waited, entry, waited);
	return entry;
}

struct ledger_entry *ledger_next(const struct ledger *ledger, const struct ledger_entry *entry)
{
	return entry == NULL ? ledger->entries : (struct ledger_entry *)entry->hh.next;
}

void ledger_cursor_start(struct ledger *ledger, struct ledger_cursor *cursor)
{
	*cursor = (struct ledger_cursor){.last = ledger->entered};
	move_cursor(cursor, ledger->entries);
}

struct ledger_entry *ledger_cursor_next(struct ledger_cursor *cursor)
{
	struct ledger_entry *entry = cursor->entry;

	if (entry != NULL)
		move_cursor(cursor, entry->hh.next);
	return entry;
}

void ledger_cursor_end(struct ledger_cursor *cursor)
{
	move_cursor(cursor, NULL);
}

void ledger_count(const struct ledger *ledger, struct ledger_counts *counts)
{
	counts->entries = HASH_COUNT(ledger->entries);
	counts->waited = ledger->waited_count;
	counts->waits = ledger->wait_count;
	counts->graves = HASH_COUNT(ledger->graves);
}

bool ledger_is_waited(const struct ledger *ledger)
{
	return ledger->waited_count > 0;
}
