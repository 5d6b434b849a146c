/* Programs that a baseline is made of. */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <sys/types.h>

/* Starts it, its output and errors in a pipe that *out reads; out NULL: to nowhere. It does not outlive the
 * caller. */
pid_t tool_start(char *const argv[], int *out);
/* Waits for its end; the exit status. */
int tool_wait(pid_t pid, const char *name);
/* The same, where it must be 0. */
void tool_finish(pid_t pid, const char *name);

#endif
