/* Which processes descend from another one, by /proc as it is now. A process with a parent that has ended
 * does not, and neither does what has ended itself. */
#ifndef CLIENT_PROCESS_TREE_H
#define CLIENT_PROCESS_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether pid is root or descends from it. root must not be reaped meanwhile. */
bool process_tree_has(pid_t root, pid_t pid);

/* Calls visit() for root and its descendants until it returns true. Returns whether it has. */
bool process_tree_visit(pid_t root, bool (*visit)(pid_t pid, void *context), void *context);

#endif
