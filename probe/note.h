/* The offsets of the counters by the note .note.readyd of our worker, see ktstr-jemalloc-alloc-worker(1). */
#ifndef PROBE_NOTE_H
#define PROBE_NOTE_H

#include "probe/offsets.h"

int note_offsets(int fd, struct offsets *offsets);

#endif
