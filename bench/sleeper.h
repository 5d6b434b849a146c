/* Processes that do nothing, for others to wait for. */
#ifndef BENCH_SLEEPER_H
#define BENCH_SLEEPER_H

#include <sys/types.h>

#include "bench/harness.h"

pid_t sleeper_start(void);
void sleeper_kill(pid_t pid);
/* Writes the path of its marker to buf, which has BENCH_PATH_SIZE + 64 bytes, and returns it. */
const char *sleeper_marker_path(const struct bench *bench, pid_t pid, char *buf);

#endif
