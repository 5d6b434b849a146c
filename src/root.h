/* Resolves paths below the root of another process, as /proc/<pid>/root leads to it. */
#ifndef SRC_ROOT_H
#define SRC_ROOT_H

#include <stddef.h>

/*
 * Resolves `dir`, an absolute path, as a process with the root `root` would. Writes to path: root followed
 * by the rest, with no symbolic link left; the kernel would resolve an absolute link in it from our root. A
 * part that does not exist, or that follows too many links, is copied unchanged. -1: it does not fit.
 */
int root_resolve(const char *root, const char *dir, char *path, size_t size);

#endif
