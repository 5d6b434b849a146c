/*
 * Where a process leaves its marker, as seen from here. One in another mount namespace or root has another
 * directory by the same name, which /proc/<pid>/root leads to; one in another pid namespace puts another pid
 * into the name (struct process has it).
 */
#ifndef SRC_ABODE_H
#define SRC_ABODE_H

#include "src/marker.h"
#include "src/process.h"

enum abode {
	ABODE_HERE,	 /* the directory that the path names here, or nothing else is known */
	ABODE_ELSEWHERE, /* another one */
	ABODE_UNKNOWN,	 /* descriptors or memory ran out */
	ABODE_CLOSED /* not to be told: /proc/<pid>/root may not be entered (ptrace(2) access mode checks), or
		      * what the directory is there has too long a path */
};

/* *there is where to look; for ABODE_ELSEWHERE it leads there only while the process lives. */
enum abode abode_find(const struct marker_place *place, const struct process *p, struct marker_place *there);

/* Whether q, which lives, leaves its marker in the directory of p: 1 or 0, 0 where that is not to be told, -1
 * where descriptors or memory ran out. */
int abode_is_shared(const struct marker_place *place, const struct process *p, const struct process *q);

#endif
