#include <stdlib.h>

#include "probe/dwarf.h"
#include "probe/note.h"
#include "probe/offsets.h"

int offsets_find(int fd, const char *path, struct offsets *offsets, struct failure *failure)
{
	if (dwarf_offsets(fd, path, offsets) != 0 && note_offsets(fd, offsets) != 0)
		return failure_set(failure, FAILURE_DWARF_PARSE,
		    "neither %s nor a separate file of debugging information describes struct tsd_s; install "
		    "that file, or build the program with -g",
		    path);
	/* jemalloc's own order; another one would be the layout of something else. */
	if (offsets->allocated >= offsets->deallocated)
		return failure_set(failure, FAILURE_DWARF_PARSE,
		    "%s: in struct tsd_s, the counter of deallocated bytes precedes that of allocated bytes",
		    path);
	return 0;
}
