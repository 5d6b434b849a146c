#include "config.h"

#include "daemon/journal.h"
#include "daemon/xalloc.h"

void journal_fini(struct journal *journal)
{
	xalloc_free(journal->ring);
	journal->ring = NULL;
}

void journal_start(struct journal *journal, size_t size)
{
	if (journal_runs(journal))
		return;
	journal->ring = xalloc_new(size * sizeof(*journal->ring));
	journal->size = size;
}

uint64_t journal_add(struct journal *journal, const struct journal_record *record)
{
	if (!journal_runs(journal))
		return journal->head;
	journal->head++;
	journal->ring[journal->head % journal->size] = *record;
	return journal->head;
}

static bool is_kept(const struct journal *journal, uint64_t seq)
{
	return journal->head - seq < journal->size;
}

const struct journal_record *journal_get(const struct journal *journal, uint64_t seq)
{
	return is_kept(journal, seq) ? &journal->ring[seq % journal->size] : NULL;
}

bool journal_can_resume(const struct journal *journal, uint64_t seq)
{
	return journal_runs(journal) && seq <= journal->head &&
	       (seq == journal->head || is_kept(journal, seq + 1));
}
