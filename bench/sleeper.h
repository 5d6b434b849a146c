/* Processes that do nothing, for others to wait for. */
#ifndef BENCH_SLEEPER_H
#define BENCH_SLEEPER_H

#include <sys/types.h>

#include "bench/harness.h"

pid_t sleeper_start(void);
void sleeper_kill(pid_t pid);
/* One in a pid namespace of its own that shares the directories with all others; it is pid 1 there. 0: it
 * cannot be created here. It ends by sleeper_kill_nested() or with the bench. */
struct nested {
	pid_t parent, pid;
};
struct nested sleeper_start_nested(void);
void sleeper_kill_nested(const struct nested *nested);
/* Starts more of them until there are `count`, and returns the array, which has moved. */
pid_t *sleepers_grow(pid_t *pids, int *started, int count);
/* Kills all of them and frees the array. */
void sleepers_end(pid_t *pids, int count);
/* Writes the path of its marker to buf, which has BENCH_PATH_SIZE + 64 bytes, and returns it. */
const char *sleeper_marker_path(const struct bench *bench, pid_t pid, char *buf);

#endif
