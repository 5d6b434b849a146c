/* All processes that descend from the bench: waiters, what they have started, servers. */
#ifndef BENCH_FAMILY_H
#define BENCH_FAMILY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct family {
	pid_t *pids;
	size_t count, room;
};

void family_add(struct family *family, pid_t pid);
/* No harm where it is not in it. */
void family_remove(struct family *family, pid_t pid);
/* Looks at /proc anew. The bench itself is not in it. */
void family_look(struct family *family);
/* Processor time of them so far. Those who have ended since count nothing. */
int64_t family_cpu(const struct family *family);
void family_fini(struct family *family);

/* How many of a process's descriptors lead to such a thing: "pipe:", "anon_inode:inotify". */
int descriptors_of(pid_t pid, const char *kind);

#endif
