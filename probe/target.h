/*
 * The process that is probed: which program it executes, and its threads. A process that executes another
 * program keeps its pid, but what is known of its memory holds no longer.
 */
#ifndef PROBE_TARGET_H
#define PROBE_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "probe/failure.h"
#include "probe/offsets.h"
#include "probe/report.h"
#include "probe/tls.h"

struct target {
	pid_t pid;
	/* The executable, from when the process was opened. */
	dev_t dev;
	ino_t ino;
	/* Its memory from then, which another program does not inherit; -1 where it may not be opened. */
	int memory;
	struct tls_layout layout;
	struct offsets offsets;
};

/* Sets everything but pid, which is given. */
int target_open(struct target *target, struct failure *failure);
void target_close(struct target *target);

/* Whether the process still executes the program. */
int target_compare(const struct target *target, struct failure *failure);

/* Whether its memory is gone, which is certain only if so. */
bool target_memory_is_gone(const struct target *target);

/* Adds a reading for each thread, by number, with nothing read yet. */
int target_list_threads(const struct target *target, struct snapshot *snapshot, struct failure *failure);

/* Reads the name and the start time of the thread. */
void target_describe_thread(const struct target *target, struct reading *reading);

#endif
