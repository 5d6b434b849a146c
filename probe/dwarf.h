/* The offsets of the counters by debugging information. */
#ifndef PROBE_DWARF_H
#define PROBE_DWARF_H

#include "probe/offsets.h"

int dwarf_offsets(int fd, const char *path, struct offsets *offsets);

#endif
