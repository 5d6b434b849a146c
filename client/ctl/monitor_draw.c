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

/* Between two columns of the table. */
#define GAP 2
/* Below these widths of the terminal, there is no room for the waiters, nor for the age. */
#define LEAST_WITH_WAITERS 42
#define LEAST_WITH_AGE	   33

struct out {
	FILE *file;
	int left; /* columns of this line */
	bool colours;
};

/* Widths; 0: left out, since a number that is cut would be another number. */
struct layout {
	int pid, name, state, since, waiters;
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

static void shrink(int *width, int least, int *excess)
{
	int by = *excess < *width - least ? *excess : *width - least;

	if (by > 0) {
		*width -= by;
		*excess -= by;
	}
}

static struct layout lay_out(int columns)
{
	struct layout l = {
	    10, 16, 30, columns >= LEAST_WITH_AGE ? 8 : 0, columns >= LEAST_WITH_WAITERS ? 7 : 0};
	int excess = l.pid + GAP + l.name + GAP + l.state - columns;

	excess += (l.since > 0 ? GAP + l.since : 0) + (l.waiters > 0 ? GAP + l.waiters : 0);
	shrink(&l.state, 12, &excess);
	shrink(&l.name, 8, &excess);
	shrink(&l.pid, 7, &excess);
	shrink(&l.state, 8, &excess);
	shrink(&l.name, 6, &excess);
	if (l.since > 0)
		shrink(&l.since, 6, &excess);
	return l;
}

/* From the left: the text; a negative width: at the right end of the cell. */
static void put_cell(struct out *o, const char *style, int width, const char *text)
{
	const int size = width < 0 ? -width : width;
	char cell[64];

	snprintf(cell, sizeof(cell), "%*.*s", -width, size, text);
	put(o, style, cell);
}

static void put_next_cell(struct out *o, const char *style, int width, const char *text)
{
	if (width == 0)
		return;
	put(o, NULL, "  ");
	put_cell(o, style, width, text);
}

static void put_row(struct out *o, const struct layout *l, const struct monitor_row *row, int64_t now_ms)
{
	const bool waits = row->known && !verdict_is_process_gone(row->last.verdict);
	char text[128];

	snprintf(text, sizeof(text), "%ld", (long)row->last.pid);
	put_cell(o, NULL, -l->pid, text);
	put_next_cell(o, NULL, l->name, row->last.name);
	describe_state(row, text, sizeof(text));
	put_next_cell(o, style_of(row), l->state, text);
	describe_age(row, now_ms, text, sizeof(text));
	put_next_cell(o, NULL, -l->since, text);
	snprintf(text, sizeof(text), "%u", row->last.waiters);
	if (waits)
		put_next_cell(o, NULL, -l->waiters, text);
}

static void put_head(struct out *o, const struct layout *l)
{
	put_cell(o, DIM, -l->pid, "PID");
	put_next_cell(o, DIM, l->name, "NAME");
	put_next_cell(o, DIM, l->state, "STATE");
	put_next_cell(o, DIM, -l->since, "SINCE");
	put_next_cell(o, DIM, -l->waiters, "WAITERS");
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

static void put_count(struct out *o, size_t count, const char *what)
{
	char text[64];

	snprintf(text, sizeof(text), ", %zu %s", count, what);
	if (count > 0)
		put(o, BOLD, text);
}

/* What is seldom is named only where there is some. */
static void put_summary(struct out *o, const struct monitor_table *table, const struct monitor_view *view)
{
	size_t counts[READYD_UNREACHABLE + 1] = {0};
	char text[256];

	for (size_t i = 0; i < table->count; i++)
		if (table->rows[i]->known)
			counts[table->rows[i]->last.verdict]++;
	snprintf(text, sizeof(text), "%zu ready, %zu pending", counts[READYD_READY], counts[READYD_PENDING]);
	put(o, BOLD, text);
	put_count(o, counts[READYD_STALE], "stale");
	put_count(o, counts[READYD_UNREACHABLE], "unreachable");
	put_count(o, counts[READYD_DIED] + counts[READYD_EXITED], "ended");
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

static void put_last(struct out *o, const struct monitor_table *table, size_t first, size_t shown)
{
	char text[96];

	if (shown == 0)
		snprintf(text, sizeof(text), "0 of %zu  ", table->count);
	else
		snprintf(text, sizeof(text), "%zu-%zu of %zu  ", first + 1, first + shown, table->count);
	if (shown < table->count)
		put(o, NULL, text);
	if (table->lost)
		put_loss(o, table);
	else
		put(o, DIM, shown < table->count ? "q: quit, arrows, space, b: scroll" : "q: quit");
}

static struct monitor_row **sort(const struct monitor_table *table)
{
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	struct monitor_row **rows = malloc((table->count + 1) * sizeof(*rows));

	if (rows == NULL)
		return NULL;
	/* A table that has no rows has no array either, which memcpy() would not take. */
	for (size_t i = 0; i < table->count; i++)
		rows[i] = table->rows[i];
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	qsort(rows, table->count, sizeof(*rows), compare);
	return rows;
}

static void put_rows(
    struct out *o, const struct layout *l, const struct monitor_table *table, struct monitor_view *view)
{
	const size_t most = monitor_table_page(view), count = table->count;
	const size_t shown = count < most ? count : most;
	struct monitor_row **rows = sort(table);

	if (rows == NULL)
		return;
	if (view->first > count - shown)
		view->first = count - shown;
	for (size_t i = view->first; i < view->first + shown; i++) {
		put_row(o, l, rows[i], view->now_ms);
		next_line(o, view);
	}
	free(rows);
	put_last(o, table, view->first, shown);
}

size_t monitor_table_page(const struct monitor_view *view)
{
	return view->lines > LINES_OF_OTHERS ? (size_t)(view->lines - LINES_OF_OTHERS) : 0;
}

void monitor_table_draw(struct monitor_table *table, struct monitor_view *view, FILE *file)
{
	const struct layout layout = lay_out(view->columns);
	struct out o = {file, view->columns, view->colours};

	monitor_table_age(table, view->now_ms);
	put_summary(&o, table, view);
	if (view->lines < LINES_OF_OTHERS) {
		end_line(&o, view);
		return;
	}
	next_line(&o, view);
	put_head(&o, &layout);
	next_line(&o, view);
	put_rows(&o, &layout, table, view);
	end_line(&o, view);
}
