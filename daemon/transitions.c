#include "config.h"

#include <string.h>

#include "daemon/transitions.h"
#include "src/clock.h"
#include "src/verdict.h"

void transitions_init(struct transitions *t)
{
	*t = (struct transitions){.followed = false};
	TAILQ_INIT(&t->unsettled);
}

void transitions_fini(struct transitions *t)
{
	journal_fini(&t->journal);
}

static void notify(struct transitions *t)
{
	if (t->followed)
		t->on_news(t->context);
}

static void add(struct transitions *t, const struct journal_record *record)
{
	if (!journal_runs(&t->journal))
		return;
	(void)journal_add(&t->journal, record);
	notify(t);
}

static int64_t now_ms(void)
{
	return clock_now_ns(CLOCK_REALTIME) / 1000000;
}

/* That the file is empty when it has just been created says nothing. */
static void describe_process(
    struct journal_record *record, const struct process *process, const struct readyd_answer *answer)
{
	record->answer = *answer;
	record->answer.flags &= ~READYD_FLAG_EMPTY;
	record->owner = secrecy_owner(process);
	memcpy(record->comm, process->comm, sizeof(record->comm));
}

static void tell(struct transitions *t, struct registry_entry *entry, enum readyd_change change,
    const struct readyd_answer *answer)
{
	struct registry_standing *standing = &entry->standing;
	struct journal_record record = {.change = change, .waiters = registry_waiters(entry)};

	if (t->followed && !verdict_is_process_gone(answer->verdict))
		process_read_comm(&entry->process);
	describe_process(&record, &entry->process, answer);
	record.time_ms = now_ms();
	if (!standing->told || standing->answer.verdict != answer->verdict)
		standing->since_ms = record.time_ms;
	standing->told = true;
	standing->answer = record.answer;
	standing->waiters = record.waiters;
	add(t, &record);
}

static void unqueue(struct transitions *t, struct registry_entry *entry)
{
	if (entry->standing.unsettled)
		TAILQ_REMOVE(&t->unsettled, entry, standing.link);
	entry->standing.unsettled = false;
}

/* It is not in the copy any more. */
static void tell_last(struct transitions *t, struct registry_entry *entry, enum readyd_change change,
    const struct readyd_answer *answer)
{
	tell(t, entry, change, answer);
	entry->standing.told = false;
	unqueue(t, entry);
}

static bool is_told(const struct registry_entry *entry, enum readyd_verdict verdict)
{
	return entry->standing.told && entry->standing.answer.verdict == verdict;
}

static bool is_news(const struct registry_entry *entry, const struct readyd_answer *answer)
{
	return !is_told(entry, answer->verdict) || entry->standing.answer.reason != answer->reason;
}

static void see_ready(struct transitions *t, struct registry_entry *entry, const struct readyd_answer *answer)
{
	const unsigned before = entry->standing.answer.flags & READYD_FLAG_LATCHED;
	const unsigned removed = answer->flags & READYD_FLAG_LATCHED;

	if (!is_told(entry, READYD_READY))
		tell(t, entry, READYD_CHANGE_READY, answer);
	else if (removed != before)
		tell(t, entry, removed != 0 ? READYD_CHANGE_REMOVED : READYD_CHANGE_REWRITTEN, answer);
}

void transitions_see(struct transitions *t, struct registry_entry *entry, const struct readyd_answer *answer)
{
	if (verdict_is_blind(answer))
		return;
	if (answer->verdict == READYD_READY)
		see_ready(t, entry, answer);
	else if (answer->verdict == READYD_STALE && is_news(entry, answer))
		tell(t, entry, READYD_CHANGE_STALE, answer);
	else if (registry_waiters(entry) > 0 && is_news(entry, answer))
		tell(t, entry, READYD_CHANGE_WAITED, answer);
	else
		entry->standing.answer = *answer;
	transitions_see_waits(t, entry);
}

/* Only a leftover counts without a wait for its process. */
static bool is_over(const struct registry_entry *entry)
{
	return registry_waiters(entry) == 0 && !is_told(entry, READYD_READY) && !is_told(entry, READYD_STALE);
}

static bool is_settled(const struct registry_entry *entry)
{
	return !entry->standing.told ||
	       (!is_over(entry) && registry_waiters(entry) == entry->standing.waiters);
}

static void settle(struct transitions *t, struct registry_entry *entry)
{
	const struct readyd_answer answer = entry->standing.answer;

	if (is_settled(entry))
		return;
	if (is_over(entry))
		tell_last(t, entry, READYD_CHANGE_FORGOTTEN, &answer);
	else
		tell(t, entry, READYD_CHANGE_WAITED, &answer);
}

void transitions_see_waits(struct transitions *t, struct registry_entry *entry)
{
	if (entry->standing.unsettled || is_settled(entry))
		return;
	if (!journal_runs(&t->journal)) {
		settle(t, entry);
		return;
	}
	entry->standing.unsettled = true;
	TAILQ_INSERT_TAIL(&t->unsettled, entry, standing.link);
	notify(t);
}

bool transitions_settle(struct transitions *t, unsigned most)
{
	struct registry_entry *entry;

	for (; most > 0 && (entry = TAILQ_FIRST(&t->unsettled)) != NULL; most--) {
		unqueue(t, entry);
		settle(t, entry);
	}
	return !TAILQ_EMPTY(&t->unsettled);
}

void transitions_see_end(
    struct transitions *t, struct registry_entry *entry, const struct readyd_answer *answer)
{
	if (answer->verdict == READYD_EXITED)
		tell_last(t, entry, READYD_CHANGE_EXITED, answer);
	else if (entry->standing.told)
		tell_last(t, entry, READYD_CHANGE_DIED, answer);
}

/* A process that was ready is removed where there is no pidfd for it. */
static struct readyd_answer forgotten(const struct readyd_answer *answer)
{
	struct readyd_answer last = *answer;

	if (last.verdict == READYD_READY)
		last.reason = READYD_REASON_NO_RESOURCES;
	return last;
}

void transitions_see_removal(struct transitions *t, struct registry_entry *entry)
{
	const struct readyd_answer last = forgotten(&entry->standing.answer);

	if (entry->standing.told)
		tell_last(t, entry, READYD_CHANGE_FORGOTTEN, &last);
}

void transitions_see_arrival(struct transitions *t, struct registry_entry *entry, bool created, bool later)
{
	struct registry_standing *standing = &entry->standing;
	const struct readyd_answer answer = standing->answer;

	standing->is_written |= created;
	if (later && is_told(entry, READYD_READY) && (answer.flags & READYD_FLAG_LATCHED) == 0)
		tell(t, entry, READYD_CHANGE_REWRITTEN, &answer);
}

void transitions_see_write(struct transitions *t, struct registry_entry *entry, bool later)
{
	transitions_see_arrival(t, entry, false, later && !entry->standing.is_written);
	entry->standing.is_written = false;
}

void transitions_see_unfollowed(
    struct transitions *t, const struct process *process, const struct readyd_answer *answer)
{
	struct journal_record record = {.change = READYD_CHANGE_READY, .time_ms = now_ms()};

	if (answer->verdict == READYD_EXITED)
		record.change = READYD_CHANGE_EXITED;
	describe_process(&record, process, answer);
	add(t, &record);
	if (record.change == READYD_CHANGE_EXITED)
		return;
	record.change = READYD_CHANGE_FORGOTTEN;
	record.answer = forgotten(answer);
	add(t, &record);
}

bool transitions_describe(struct transitions *t, struct registry_entry *entry, struct journal_record *record)
{
	if (!entry->standing.told)
		return false;
	if (t->followed)
		process_read_comm(&entry->process);
	*record = (struct journal_record){.change = READYD_CHANGE_STATE,
	    .time_ms = entry->standing.since_ms,
	    .waiters = registry_waiters(entry)};
	describe_process(record, &entry->process, &entry->standing.answer);
	return true;
}
