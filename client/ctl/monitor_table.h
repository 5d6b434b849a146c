/* The live table of readyctl monitor: a row for each process, made of events, and drawn as text. No terminal
 * and no clock. */
#ifndef CLIENT_MONITOR_TABLE_H
#define CLIENT_MONITOR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "readyd/readyd.h"

/* How long a process that has ended is shown. */
#define MONITOR_TABLE_ENDED_MS 30000

struct monitor_row {
	struct readyd_event last;
	bool named;   /* on the command line: it has a row even while the daemon does not follow it */
	bool known;   /* the daemon follows it, or did until its end */
	bool current; /* it was in the state that is being told */
};

struct monitor_table {
	struct monitor_row **rows; /* by pid */
	size_t count, room;
	bool lost;
	enum readyd_reason why; /* lost */
};

/* Takes only the processes that were named, if any was. -1: no memory. */
int monitor_table_name(struct monitor_table *table, pid_t pid);
int monitor_table_take(struct monitor_table *table, const struct readyd_event *event);
/* Drops what has ended long ago. */
void monitor_table_age(struct monitor_table *table, int64_t now_ms);
void monitor_table_free(struct monitor_table *table);

struct monitor_view {
	int columns, lines;
	int64_t now_ms; /* CLOCK_REALTIME */
	bool colours;
	const char *socket;
	size_t first; /* the row that is shown first; drawing makes it one that there is */
};

/* How many rows fit. */
size_t monitor_table_page(const struct monitor_view *view);
/* Draws the table: at most so many lines, none of them longer; each ends with "\033[K" and, but for the last,
 * "\r\n". Drops what has ended long ago. */
void monitor_table_draw(struct monitor_table *table, struct monitor_view *view, FILE *file);

#endif
