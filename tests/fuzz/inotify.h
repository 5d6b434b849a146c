/* One inotify instance for all inputs. */
#ifndef TESTS_FUZZ_INOTIFY_H
#define TESTS_FUZZ_INOTIFY_H

#include <stdbool.h>

/* Before each input; share: whether inotify_init1(2) returns a copy of that one, until the next input. */
void inotify_begin(bool share);

#endif
