/*
 * Adds the report to the metrics in a file of ktstr's with the results of a test. Programs that add to one
 * file take turns by a lock on a file beside it, since the file itself is replaced.
 */
#ifndef PROBE_SIDECAR_H
#define PROBE_SIDECAR_H

#include "probe/report.h"

/* -1 after a message on standard error; the file is then as it was. */
int sidecar_add(const char *path, const struct report *report, int exit_code);

#endif
