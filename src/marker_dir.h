/*
 * Where a process leaves its marker, as seen from here. To a process in another mount namespace or root,
 * the path names another directory, which is reachable through /proc/<pid>/root; a process in another pid
 * namespace puts another pid into the name (see struct process).
 */
#ifndef SRC_MARKER_DIR_H
#define SRC_MARKER_DIR_H

#include "src/marker.h"
#include "src/process.h"

enum marker_dir {
	MARKER_DIR_SAME,	/* the directory that the path names here; also if no other is known */
	MARKER_DIR_OTHER,	/* another directory */
	MARKER_DIR_UNKNOWN,	/* descriptors or memory ran out */
	MARKER_DIR_INACCESSIBLE /* cannot be determined: /proc/<pid>/root may not be entered (ptrace(2) access
				   mode checks), or the directory's path below it is too long */
};

/* *there is the place to check; for MARKER_DIR_OTHER it is valid only while the process lives. */
enum marker_dir marker_dir_find(
    const struct marker_place *place, const struct process *p, struct marker_place *there);

/* Whether q, which lives, leaves its marker in the directory of p: 1 or 0, 0 if that cannot be determined,
 * -1 if descriptors or memory ran out. */
int marker_dir_is_shared(const struct marker_place *place, const struct process *p, const struct process *q);

#endif
