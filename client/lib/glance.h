/*
 * The first look at a process. If a file has the name of its marker, the daemon has to be asked in any case:
 * it alone knows of processes in other pid namespaces that may have left the file, and of what was there
 * before. So that file is not examined before the daemon has answered. If nothing has the name, the look
 * counts for a check.
 */
#ifndef CLIENT_LIB_GLANCE_H
#define CLIENT_LIB_GLANCE_H

#include <stdbool.h>

#include "src/marker_dir.h"

struct glance {
	struct marker_view view;
	bool used;
};

/* Looks at the marker of p. True: there is a file, and its directory is ours. */
bool glance_finds_file(struct glance *glance, const struct marker_place *place, const struct process *p);

/* For one check_process() of the same process: its first look is the glance. */
struct marker_viewer glance_viewer(struct glance *glance);

#endif
