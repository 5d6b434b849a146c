/* Reading the counters of all threads. */
#ifndef PROBE_SNAPSHOT_H
#define PROBE_SNAPSHOT_H

#include "probe/target.h"

/* A thread pointer does not change while a thread lives, so that a thread is stopped once only. */
struct pointers {
	struct known_thread *threads;
	size_t count;
};

/* Adds a snapshot to the report. It covers fewer threads if report->interrupted is set. */
int snapshot_take(const struct target *target, struct report *report, struct pointers *pointers,
    int64_t start_ns, struct failure *failure);

void pointers_fini(struct pointers *pointers);

#endif
