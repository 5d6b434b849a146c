/* The events of a monitor on stdout, one line each: as words, or as a JSON object. */
#ifndef CLIENT_MONITOR_PRINT_H
#define CLIENT_MONITOR_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "readyd/readyd.h"

void monitor_print_text(FILE *file, const struct readyd_event *event);
void monitor_print_json(FILE *file, const struct readyd_event *event);

/* Whether the event is about one process. */
static inline bool monitor_names_process(const struct readyd_event *event)
{
	return event->pid > 0;
}

/* How the process has ended: " status=1", " signal=9 core=1", " status=hidden" or "". */
void monitor_print_end(char *text, size_t size, const struct readyd_event *event);

#endif
