/* The report as JSON, as text, and as ktstr's metrics. */
#ifndef PROBE_OUTPUT_H
#define PROBE_OUTPUT_H

#include <stdio.h>

#include "probe/report.h"

/* A JSON string, with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void output_string(FILE *file, const char *text);

/* Characters that a terminal may take as control characters, and bytes that are not UTF-8, become '?'. */
void output_plain(FILE *file, const char *text);

/* An object in one line, schema version 3. */
void output_json(FILE *file, const struct report *report);

/* For people. Threads that could not be read go to errors. */
void output_text(FILE *file, FILE *errors, const struct report *report);

/* An element of the array "metrics" in a sidecar of ktstr: each number of the JSON object under its path. */
void output_metrics(FILE *file, const struct report *report, size_t index, int exit_code);

#endif
