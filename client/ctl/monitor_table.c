#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/monitor_print.h"
#include "client/ctl/monitor_table.h"
#include "src/verdict.h"

/* gcc 12 loses sight of a row where the array is moved. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* The index of the row, or where it would be. */
static size_t find(const struct monitor_table *table, pid_t pid)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->rows[middle]->last.pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct monitor_table *table, size_t at, pid_t pid)
{
	return at < table->count && table->rows[at]->last.pid == pid;
}

static int make_room(struct monitor_table *table)
{
	size_t room = table->room == 0 ? 64 : 2 * table->room;
	struct monitor_row **rows;

	if (table->count < table->room)
		return 0;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	rows = reallocarray(table->rows, room, sizeof(*rows));
	if (rows == NULL)
		return -1;
	table->rows = rows;
	table->room = room;
	return 0;
}

static struct monitor_row *add(struct monitor_table *table, size_t at, pid_t pid)
{
	struct monitor_row *row = calloc(1, sizeof(*row));

	if (row == NULL || make_room(table) != 0) {
		free(row);
		return NULL;
	}
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	memmove(&table->rows[at + 1], &table->rows[at], (table->count - at) * sizeof(*table->rows));
	table->rows[at] = row;
	table->count++;
	row->last.pid = pid;
	return row;
}

int monitor_table_name(struct monitor_table *table, pid_t pid)
{
	size_t at = find(table, pid);
	struct monitor_row *row = is_at(table, at, pid) ? table->rows[at] : add(table, at, pid);

	if (row == NULL)
		return -1;
	row->named = true;
	return 0;
}

/* Removes the rows for which keep() is false; those that were named stay, as not known. */
static void sift(
    struct monitor_table *table, bool (*keep)(const struct monitor_row *row, int64_t now_ms), int64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct monitor_row *row = table->rows[i];
		bool stays = keep(row, now_ms);

		row->known &= stays;
		if (stays || row->named)
			table->rows[kept++] = row;
		else
			free(row);
	}
	table->count = kept;
}

static bool is_current(const struct monitor_row *row, int64_t now_ms)
{
	(void)now_ms;
	return row->current || verdict_is_process_gone(row->last.verdict);
}

static bool is_recent(const struct monitor_row *row, int64_t now_ms)
{
	return row->known && (!verdict_is_process_gone(row->last.verdict) ||
				 now_ms - row->last.time_ms < MONITOR_TABLE_ENDED_MS);
}

static bool is_followed(const struct monitor_row *row, int64_t now_ms)
{
	(void)now_ms;
	return row->last.change != READYD_CHANGE_FORGOTTEN;
}

static int take_process(struct monitor_table *table, const struct readyd_event *event)
{
	size_t at = find(table, event->pid);
	struct monitor_row *row = is_at(table, at, event->pid) ? table->rows[at] : add(table, at, event->pid);
	int64_t since = event->time_ms;

	if (row == NULL)
		return -1;
	/* It is ready since it was, not since its marker was removed. */
	if (row->known && row->last.start == event->start && row->last.verdict == event->verdict)
		since = row->last.time_ms;
	row->last = *event;
	row->last.time_ms = since;
	row->known = row->current = true;
	if (event->change == READYD_CHANGE_FORGOTTEN)
		sift(table, is_followed, 0);
	return 0;
}

static void begin_state(struct monitor_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		table->rows[i]->current = false;
}

int monitor_table_take(struct monitor_table *table, const struct readyd_event *event)
{
	table->lost = event->change == READYD_CHANGE_LOST;
	table->why = event->reason;
	if (monitor_names_process(event))
		return take_process(table, event);
	if (event->change == READYD_CHANGE_SNAPSHOT)
		begin_state(table);
	if (event->change == READYD_CHANGE_LIVE)
		sift(table, is_current, 0);
	return 0;
}

void monitor_table_age(struct monitor_table *table, int64_t now_ms)
{
	sift(table, is_recent, now_ms);
}

void monitor_table_free(struct monitor_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->rows[i]);
	free(table->rows);
	*table = (struct monitor_table){0};
}
