/*
 * Two processes in different pid namespaces may share a directory and have the same pid, each in its own
 * namespace: then one marker name stands for both, and there is no way to tell which process left the
 * marker.
 *
 * Only the pid namespaces below ours are visible, since only their processes are in our /proc. Finding a
 * collision takes a walk of /proc, a few microseconds for each process of the system. So a caller that
 * checks often keeps a set of the names in use below, which costs examining each new process once.
 */
#ifndef SRC_COLLISION_H
#define SRC_COLLISION_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/marker_dir.h"
#include "src/process.h"

#define COLLISION_NS_PIDS 32768

/* Zeroed: nothing is known yet. */
struct collisions {
	pid_t newest; /* of the processes examined so far */
	/* The names that are or were in use below ours, modulo COLLISION_NS_PIDS. A name that is not set is
	 * not in use; one that is set may be free again. */
	unsigned char names[COLLISION_NS_PIDS / 8];
};

/* Whether another process may have p's marker name at all: false while no pid namespace has ever been
 * created below ours. */
bool collision_is_possible(const struct process *p);

/* Examines the processes created since. Optional: it only makes the next collision_find() faster. */
void collisions_catch_up(struct collisions *collisions);

/* For a caller that keeps no set and has no daemon to ask: collision_find() then walks /proc for a process
 * in a child pid namespace and finds no collisions for others, since many callers must not walk /proc at
 * once. */
struct collisions *collisions_lone(void);

enum collision {
	COLLISION_NONE,
	COLLISION_FOUND,
	COLLISION_HANGS,  /* another process's directory does not answer */
	COLLISION_UNKNOWN /* descriptors or memory ran out */
};

/* Whether another living process could have left the marker that is in the view of p, which comes from the
 * viewer. */
enum collision collision_find(struct collisions *collisions, const struct marker_place *place,
    const struct process *p, const struct marker_view *view, const struct marker_viewer *viewer);

#endif
