#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "client/ctl/progress.h"
#include "src/clock.h"
#include "src/number.h"

/* A shorter wait needs no line. */
#define FIRST_MS  250
#define REDRAW_MS 1000
/* To find out what is missing may take a twentieth of the time. */
#define SELDOM	      20
#define MINUTE_MS     60000
#define USUAL_COLUMNS 80

int64_t progress_next_note(int64_t elapsed_ms)
{
	static const int64_t first[] = {10000, 30000};

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		if (elapsed_ms < first[i])
			return first[i];
	return (elapsed_ms / MINUTE_MS + 1) * MINUTE_MS;
}

/* Whether stderr is a terminal that understands escape sequences, as far as TERM tells. */
static bool is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

/* A job in the background leaves the terminal to the shell. */
static bool is_in_background(FILE *file)
{
	pid_t group = tcgetpgrp(fileno(file));

	return group > 0 && group != getpgrp();
}

/* Read for each line, since a window can be resized. */
static int columns(FILE *file)
{
	const char *text = getenv("COLUMNS");
	struct winsize size;
	uint64_t value;

	if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	if (text != NULL && number_parse(text, strlen(text), INT_MAX, &value) == 0 && value > 0)
		return (int)value;
	return USUAL_COLUMNS;
}

void progress_init(struct progress *progress, bool quiet, int64_t began)
{
	*progress = (struct progress){.file = stderr, .on = !quiet, .live = is_terminal(), .began = began};
	progress->next = began + (progress->live ? FIRST_MS : progress_next_note(clock_ms() - began));
}

int64_t progress_left(const struct progress *progress, int64_t now)
{
	if (!progress->on)
		return -1;
	return progress->next > now ? progress->next - now : 0;
}

bool progress_is_due(const struct progress *progress, int64_t now)
{
	return progress_left(progress, now) == 0;
}

/* A character in the last column would make some terminals begin another line. All are ASCII, so that each
 * has one column. */
static void draw(struct progress *progress, const char *text, int64_t now)
{
	char line[1024];

	if (is_in_background(progress->file))
		return;
	snprintf(line, sizeof(line), "%" PRId64 " s: %s", (now - progress->began) / 1000, text);
	for (char *at = line; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x7f || (unsigned char)*at < ' ')
			*at = '?';
	fprintf(progress->file, "\r%.*s\033[K", columns(progress->file) - 1, line);
	progress->shown = true;
}

void progress_show(struct progress *progress, const char *text, int64_t now)
{
	int64_t took = clock_ms() - now;

	if (progress->live) {
		draw(progress, text, now);
		progress->next = now + (SELDOM * took > REDRAW_MS ? SELDOM * took : REDRAW_MS);
		return;
	}
	fprintf(progress->file, "readyctl: still waiting after %" PRId64 " s: %s\n",
	    (now - progress->began) / 1000, text);
	progress->next = progress->began + progress_next_note(now - progress->began);
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", progress->file);
	progress->shown = false;
}
