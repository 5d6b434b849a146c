/* Paths below another root: the root of a process, as /proc/<pid>/root leads to it. */
#ifndef SRC_ROOT_H
#define SRC_ROOT_H

#include <stddef.h>

/*
 * Where `dir`, an absolute path, leads one whose root is `root`: into path, as root and what is below it with
 * no link left. The kernel would follow an absolute link in it to our root. What is not there, and what comes
 * behind too many links, is kept as it is. -1: it does not fit.
 */
int root_resolve(const char *root, const char *dir, char *path, size_t size);

#endif
