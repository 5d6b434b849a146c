/* One live line on stderr while many processes are waited for at a terminal: "37/100 ready, 12 s". It is cut
 * to the width of the terminal. */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	bool on, shown;
	size_t total;
	int64_t since, drawn; /* clock_ms() */
};

/* Stays off for one process, and where stderr is not a terminal or TERM is unset or "dumb". */
void progress_init(struct progress *progress, size_t total, bool quiet);
void progress_draw(struct progress *progress, size_t ready);
/* Before anything else is written to the terminal. */
void progress_clear(struct progress *progress);
/* Milliseconds until it is to be drawn again, -1 for never. */
int progress_interval(const struct progress *progress);

#endif
