/* Included before all else in a build with --enable-coverage: a process that ends by _exit(2), as a child
 * does that runs no other program, writes its counters, too. */
#ifndef TESTS_COVERAGE_EXIT_H
#define TESTS_COVERAGE_EXIT_H

#include <unistd.h>

#ifdef __cplusplus
extern "C"
#endif
    void
    __gcov_dump(void);

#define _exit(status) (__gcov_dump(), (_exit)(status))

#endif
