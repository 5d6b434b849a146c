/* A set of processes that descend from the bench: waiters, their children, servers. */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree {
	pid_t *pids;
	size_t count, capacity;
};

void tree_add(struct tree *tree, pid_t pid);
/* Does nothing if the process is not in the set. */
void tree_remove(struct tree *tree, pid_t pid);
/* Replaces the set by all descendants found in /proc; the bench itself is not one. */
void tree_scan(struct tree *tree);
/* The same for the descendants of another process, which is not one either. */
void tree_scan_below(struct tree *tree, pid_t root);
/* CPU time of these processes so far; those that have been reaped count as 0. */
int64_t tree_cpu(const struct tree *tree);
void tree_fini(struct tree *tree);

/* How many descriptors of the process link to a name with this prefix, as "pipe:" or "anon_inode:inotify"; -1
 * if it has ended. */
int descriptors_of(pid_t pid, const char *prefix);
/* How often the process has slept so far. */
long sleeps_of(pid_t pid);

#endif
