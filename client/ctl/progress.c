#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "client/ctl/progress.h"
#include "src/clock.h"

#define REDRAW_MS 100

void progress_init(struct progress *progress, size_t total, bool quiet)
{
	*progress = (struct progress){.total = total, .since = clock_ms()};
	progress->on = !quiet && total > 1 && isatty(STDERR_FILENO);
}

void progress_draw(struct progress *progress, size_t ready)
{
	int64_t now = clock_ms();

	if (!progress->on || (progress->shown && now - progress->drawn < REDRAW_MS))
		return;
	fprintf(stderr, "\r%zu/%zu ready, %" PRId64 " s\033[K", ready, progress->total,
	    (now - progress->since) / 1000);
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
