/* Running the programs that a baseline consists of. */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the PATH leads to such a program. */
bool tool_is_installed(const char *name);
/* Starts a program that does not outlive the caller. Standard output and standard error go to a pipe with the
 * read end *out; if out is NULL, to /dev/null. */
pid_t tool_start(char *const argv[], int *out);
/* Waits for its end and returns the exit status. */
int tool_wait(pid_t pid, const char *name);
/* The same; an exit status other than 0 aborts the run. */
void tool_expect_success(pid_t pid, const char *name);

#endif
