/*
 * Two processes in different pid namespaces may share a directory and have the same pid, each in its own
 * namespace: then one marker name stands for both.
 */
#ifndef SRC_RIVAL_H
#define SRC_RIVAL_H

#include <stdbool.h>

#include "src/marker.h"
#include "src/process.h"

/* Whether another living process could have left the marker that is seen where p leaves its own. Walks
 * /proc, a few microseconds for each process of the system: only worth it for a nested p. */
bool rival_exists(const struct marker_place *place, const struct process *p, const struct sight *marker);

#endif
