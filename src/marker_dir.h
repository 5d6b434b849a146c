/*
 * Where a process leaves its marker, as seen from here. One in another mount namespace or root has another
 * directory by the same name, which /proc/<pid>/root leads to; one in another pid namespace puts another pid
 * into the name (struct process has it).
 */
#ifndef SRC_MARKER_DIR_H
#define SRC_MARKER_DIR_H

#include "src/marker.h"
#include "src/process.h"

enum marker_dir {
	MARKER_DIR_SAME,	/* the directory that the path names here, or nothing else is known */
	MARKER_DIR_OTHER,	/* another one */
	MARKER_DIR_UNKNOWN,	/* descriptors or memory ran out */
	MARKER_DIR_INACCESSIBLE /* not to be told: /proc/<pid>/root may not be entered (ptrace(2) access mode
				 * checks), or what the directory is there has too long a path */
};

/* *there is where to look; for MARKER_DIR_OTHER it leads there only while the process lives. */
enum marker_dir marker_dir_find(
    const struct marker_place *place, const struct process *p, struct marker_place *there);

/* Whether q, which lives, leaves its marker in the directory of p: 1 or 0, 0 where that is not to be told, -1
 * where descriptors or memory ran out. */
int marker_dir_is_shared(const struct marker_place *place, const struct process *p, const struct process *q);

#endif
