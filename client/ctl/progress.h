/*
 * What shows on stderr that a wait goes on. On a terminal, one live line, which is drawn every second and cut
 * to the width; elsewhere, a line after 10 s, after 30 s and then every minute. It has no colours.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *file; /* stderr */
	bool on, live;
	bool shown;	     /* there is a live line now */
	int64_t began, next; /* clock_ms(); next: when it is to be shown again */
};

/* quiet: nothing is shown. A terminal without escape sequences (TERM unset or "dumb") has no live line. */
void progress_init(struct progress *progress, bool quiet, int64_t began);

/* Milliseconds until it is to be shown again, -1 for never. */
int64_t progress_left(const struct progress *progress, int64_t now);
bool progress_is_due(const struct progress *progress, int64_t now);

/* Shows what is missing. now: when the text was begun, so that one that takes long is shown more seldom. */
void progress_show(struct progress *progress, const char *text, int64_t now);

/* Before anything else is written to the terminal. */
void progress_clear(struct progress *progress);

/* After how many milliseconds of a wait the next line is written where there is no terminal. */
int64_t progress_next_note(int64_t elapsed_ms);

#endif
