/* The shared objects of a process. */
#ifndef PROBE_MAPS_H
#define PROBE_MAPS_H

#include "probe/target.h"

/* After jemalloc was not found in the executable: changes the failure if it is in a shared object, or if that
 * cannot be determined. */
void maps_look_for_jemalloc(const struct target *target, struct failure *failure);

#endif
