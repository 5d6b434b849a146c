#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/ctl/progress.h"
#include "src/clock.h"
#include "src/number.h"

#define REDRAW_MS     100
#define USUAL_COLUMNS 80

/* Whether standard error is a terminal that understands escape sequences, as far as TERM tells. */
static bool is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

/* Read for each line, since a window can be resized. */
static int columns(void)
{
	const char *text = getenv("COLUMNS");
	struct winsize size;
	uint64_t value;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	if (text != NULL && number_parse(text, strlen(text), INT_MAX, &value) == 0 && value > 0)
		return (int)value;
	return USUAL_COLUMNS;
}

void progress_init(struct progress *progress, size_t total, bool quiet)
{
	*progress = (struct progress){.total = total, .since = clock_ms()};
	progress->on = !quiet && total > 1 && is_terminal();
}

void progress_draw(struct progress *progress, size_t ready)
{
	int64_t now = clock_ms();
	char text[80];

	if (!progress->on || (progress->shown && now - progress->drawn < REDRAW_MS))
		return;
	snprintf(text, sizeof(text), "%zu/%zu ready, %" PRId64 " s", ready, progress->total,
	    (now - progress->since) / 1000);
	/* A character in the last column would make some terminals begin another line. */
	fprintf(stderr, "\r%.*s\033[K", columns() - 1, text);
	progress->drawn = now;
	progress->shown = true;
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}

int progress_interval(const struct progress *progress)
{
	return progress->on ? 1000 : -1;
}
