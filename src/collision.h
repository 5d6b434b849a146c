/*
 * Two processes in different pid namespaces may share a directory and have the same pid, each in its own
 * namespace: then one marker name stands for both, and there is no way to tell which process left the
 * marker.
 *
 * Only the pid namespaces below ours are visible, since only their processes are in our /proc.
 */
#ifndef SRC_COLLISION_H
#define SRC_COLLISION_H

#include <sys/types.h>

#include "src/marker_dir.h"
#include "src/process.h"

/* In ascending order of what decides. */
enum collision {
	COLLISION_NONE,
	COLLISION_HANGS,   /* another process's directory does not answer */
	COLLISION_UNKNOWN, /* descriptors or memory ran out */
	COLLISION_FOUND
};

/* A way to find the processes with the same ns_pid as p; the daemon has an index. */
struct collisions {
	/* Calls test(pid, context) for each that may have it, but p itself, until one is FOUND. Joins what
	 * they return, with UNKNOWN if there may be others. The marker was seen before. */
	enum collision (*find)(struct collisions *collisions, const struct process *p,
	    const struct marker_stat *marker, enum collision (*test)(pid_t pid, void *context),
	    void *context);
};

/* For a caller that keeps no index and has no daemon to ask: walks /proc for a process in a child pid
 * namespace and finds no collisions for others, since many callers must not walk /proc at once. */
struct collisions *collisions_lone(void);

/* Whether another living process could have left the marker that is in the view of p, which comes from the
 * viewer. */
enum collision collision_find(struct collisions *collisions, const struct marker_place *place,
    const struct process *p, const struct marker_view *view, const struct marker_viewer *viewer);

/* What two results amount to. */
static inline enum collision collision_join(enum collision a, enum collision b)
{
	return a > b ? a : b;
}

/* Our own pid namespace, as its link in /proc names it. */
struct own_namespace {
	char name[32]; /* "pid:[4026531836]" */
};

void own_namespace_read(struct own_namespace *own);

/* The same as process_ns_pid_of(), in a third of the time for the processes in our own namespace, which are
 * most; that matters where many are examined. */
pid_t own_namespace_ns_pid(const struct own_namespace *own, pid_t pid);

#endif
