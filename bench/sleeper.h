/* Processes that are there to be waited for. */
#ifndef BENCH_SLEEPER_H
#define BENCH_SLEEPER_H

#include <sys/types.h>

#include "bench/harness.h"

pid_t sleeper_start(void);
void sleeper_end(pid_t pid);
/* The path of its marker; buf has BENCH_PATH_SIZE + 64 bytes. */
const char *sleeper_marker(const struct bench *bench, pid_t pid, char *buf);

#endif
