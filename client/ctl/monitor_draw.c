/* How the table of readyctl monitor looks. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/monitor_print.h"
#include "client/ctl/monitor_table.h"
#include "src/verdict.h"

#define BOLD   "1"
#define DIM    "2"
#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"
#define PURPLE "35"

/* Above the rows: the summary and the head; below: what is left out, and the keys. */
#define LINES_OF_OTHERS 3

struct out {
	FILE *file;
	int left; /* columns of this line */
	bool colours;
};

/* Each character takes a column: what is not printable ASCII is shown as a question mark. */
static void put(struct out *o, const char *style, const char *text)
{
	const bool styled = o->colours && style != NULL && o->left > 0;

	if (styled)
		fprintf(o->file, "\033[%sm", style);
	for (; *text != '\0' && o->left > 0; text++, o->left--)
		putc((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f ? '?' : *text, o->file);
	if (styled)
		fputs("\033[m", o->file);
}

static const char *style_of(const struct monitor_row *row)
{
	if (!row->known)
		return DIM;
	switch (row->last.verdict) {
	case READYD_READY:
		return GREEN;
	case READYD_PENDING:
		return YELLOW;
	case READYD_DIED:
		return RED;
	case READYD_EXITED:
		return DIM;
	case READYD_STALE:
	case READYD_UNREACHABLE:
		return PURPLE;
	}
	return NULL;
}

static void describe_state(const struct monitor_row *row, char *text, size_t size)
{
	const char *reason = readyd_reason_name(row->last.reason);
	char end[64];

	monitor_print_end(end, sizeof(end), &row->last);
	if (!row->known)
		snprintf(text, size, "not followed");
	else if (row->last.verdict == READYD_READY && (row->last.flags & READYD_FLAG_LATCHED) != 0)
		snprintf(text, size, "ready (marker removed)");
	else
		snprintf(text, size, "%s%s%s%s", readyd_verdict_name(row->last.verdict), end,
		    reason != NULL ? " " : "", reason != NULL ? reason : "");
}

static void describe_age(const struct monitor_row *row, int64_t now_ms, char *text, size_t size)
{
	const int64_t seconds = row->last.time_ms < now_ms ? (now_ms - row->last.time_ms) / 1000 : 0;

	if (!row->known)
		snprintf(text, size, "-");
	else if (seconds < 60)
		snprintf(text, size, "%d s", (int)seconds);
	else if (seconds < 3600)
		snprintf(text, size, "%d min", (int)(seconds / 60));
	else if (seconds < 48 * 3600)
		snprintf(text, size, "%d h", (int)(seconds / 3600));
	else
		snprintf(text, size, "%" PRId64 " d", seconds / 86400);
}

static void put_row(struct out *o, const struct monitor_row *row, int64_t now_ms)
{
	const bool waits = row->known && !verdict_is_process_gone(row->last.verdict);
	char text[128], cell[160];

	snprintf(cell, sizeof(cell), "%10ld  %-16.16s  ", (long)row->last.pid, row->last.name);
	put(o, NULL, cell);
	describe_state(row, text, sizeof(text));
	snprintf(cell, sizeof(cell), "%-30.30s", text);
	put(o, style_of(row), cell);
	describe_age(row, now_ms, text, sizeof(text));
	snprintf(cell, sizeof(cell), "  %8s", text);
	put(o, NULL, cell);
	if (!waits)
		return;
	snprintf(cell, sizeof(cell), "  %7u", row->last.waiters);
	put(o, NULL, cell);
}

/* What may need attention comes first, what has ended last. */
static int rank(const struct monitor_row *row)
{
	if (!row->known)
		return 2;
	if (verdict_is_process_gone(row->last.verdict))
		return 3;
	return row->last.verdict == READYD_READY;
}

static int compare(const void *a, const void *b)
{
	const struct monitor_row *left = *(struct monitor_row *const *)a,
				 *right = *(struct monitor_row *const *)b;

	if (rank(left) != rank(right))
		return rank(left) - rank(right);
	if (left->last.time_ms != right->last.time_ms)
		return left->last.time_ms > right->last.time_ms ? -1 : 1;
	return left->last.pid < right->last.pid ? -1 : 1;
}

static void end_line(struct out *o, const struct monitor_view *view)
{
	fputs("\033[K", o->file);
	o->left = view->columns;
}

static void next_line(struct out *o, const struct monitor_view *view)
{
	end_line(o, view);
	fputs("\r\n", o->file);
}

static void put_summary(struct out *o, const struct monitor_table *table, const struct monitor_view *view)
{
	size_t counts[READYD_UNREACHABLE + 1] = {0};
	char text[256];

	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i]->known)
			counts[table->rows[i]->last.verdict]++;
	snprintf(text, sizeof(text), "%zu ready, %zu pending, %zu stale, %zu unreachable, %zu ended",
	    counts[READYD_READY], counts[READYD_PENDING], counts[READYD_STALE], counts[READYD_UNREACHABLE],
	    counts[READYD_DIED] + counts[READYD_EXITED]);
	put(o, BOLD, text);
	snprintf(text, sizeof(text), "  %s", view->socket);
	put(o, NULL, text);
}

static void put_loss(struct out *o, const struct monitor_table *table)
{
	const char *reason = readyd_reason_name(table->why);

	put(o, RED, "No connection to the daemon; trying again");
	if (reason != NULL) {
		put(o, RED, ": ");
		put(o, RED, reason);
	}
}

static void put_last(struct out *o, const struct monitor_table *table, size_t hidden)
{
	char text[64];

	if (hidden > 0) {
		snprintf(text, sizeof(text), "%zu more  ", hidden);
		put(o, NULL, text);
	}
	if (table->lost)
		put_loss(o, table);
	else
		put(o, DIM, "q: quit");
}

static void put_rows(struct out *o, const struct monitor_table *table, const struct monitor_view *view)
{
	const size_t most = view->lines > LINES_OF_OTHERS ? (size_t)(view->lines - LINES_OF_OTHERS) : 0;
	const size_t shown = table->count < most ? table->count : most;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	struct monitor_row **rows = malloc((table->count + 1) * sizeof(*rows));

	if (rows == NULL)
		return;
	/* A table that has no rows has no array either, which memcpy() would not take. */
	for (size_t i = 0; i < table->count; i++)
		rows[i] = table->rows[i];
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	qsort(rows, table->count, sizeof(*rows), compare);
	for (size_t i = 0; i < shown; i++) {
		put_row(o, rows[i], view->now_ms);
		next_line(o, view);
	}
	free(rows);
	put_last(o, table, table->count - shown);
}

void monitor_table_draw(struct monitor_table *table, const struct monitor_view *view, FILE *file)
{
	struct out o = {file, view->columns, view->colours};
	char head[96];

	monitor_table_age(table, view->now_ms);
	put_summary(&o, table, view);
	if (view->lines < LINES_OF_OTHERS) {
		end_line(&o, view);
		return;
	}
	next_line(&o, view);
	snprintf(
	    head, sizeof(head), "%10s  %-16s  %-30s  %8s  %7s", "PID", "NAME", "STATE", "SINCE", "WAITERS");
	put(&o, DIM, head);
	next_line(&o, view);
	put_rows(&o, table, view);
	end_line(&o, view);
}
