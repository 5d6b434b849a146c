/*
 * Where the two counters are in jemalloc's thread state: what the DWARF of the executable says, else that of
 * a separate file which its build id or .gnu_debuglink names, else the note of our worker.
 */
#ifndef PROBE_OFFSETS_H
#define PROBE_OFFSETS_H

#include <stdint.h>

#include "probe/failure.h"

struct offsets {
	uint64_t allocated, deallocated;
};

/* fd is open on the executable, and path is its name. */
int offsets_find(int fd, const char *path, struct offsets *offsets, struct failure *failure);

#endif
