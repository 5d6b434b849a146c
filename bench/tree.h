/* All processes that descend from the bench: waiters, what they have started, servers. */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree {
	pid_t *pids;
	size_t count, room;
};

void tree_add(struct tree *tree, pid_t pid);
/* No harm where it is not in it. */
void tree_remove(struct tree *tree, pid_t pid);
/* Looks at /proc anew. The bench itself is not in it. */
void tree_look(struct tree *tree);
/* Processor time of them so far. Those who have ended since count nothing. */
int64_t tree_cpu(const struct tree *tree);
void tree_fini(struct tree *tree);

/* How many of a process's descriptors lead to such a thing: "pipe:", "anon_inode:inotify". */
int descriptors_of(pid_t pid, const char *kind);

#endif
