/*
 * Two processes in different pid namespaces may share a directory and have the same pid, each in its own
 * namespace: then one marker name stands for both, and who has left the marker is not to be told.
 *
 * From here only the namespaces below ours are seen, since only their processes are in our /proc. To find a
 * rival takes a walk of /proc, a few microseconds for each process of the system. So one who judges often
 * keeps an account of the names in use below, which costs a look at each process that is born.
 */
#ifndef SRC_COLLISION_H
#define SRC_COLLISION_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/marker.h"
#include "src/process.h"

#define COLLISION_NS_PIDS 32768

/* Zeroed: nothing is known yet. */
struct collisions {
	pid_t newest; /* of the processes that have been taken in */
	/* The names that are or were in use below ours, modulo COLLISION_NS_PIDS. One that is not in here is
	 * not in use; one that is may be free again. */
	unsigned char names[COLLISION_NS_PIDS / 8];
};

/* Whether p may have rivals at all: not while no pid namespace has ever been made below ours. */
bool collision_is_possible(const struct process *p);

/* Takes in the processes that were born since. Not needed, only that the next look takes less time. */
void collisions_catch_up(struct collisions *collisions);

/* For an asker that keeps no account and has no daemon to ask: it walks /proc for a process in a child pid
 * namespace and finds no rivals for others, since a crowd of askers must not walk /proc at once. */
struct collisions *collisions_lone(void);

enum collision {
	COLLISION_NONE,
	COLLISION_FOUND,
	COLLISION_UNKNOWN /* descriptors or memory ran out */
};

/* Whether another living process could have left the marker that is seen where p leaves its own. */
enum collision collision_find(struct collisions *collisions, const struct marker_place *place,
    const struct process *p, const struct marker_stat *marker);

#endif
