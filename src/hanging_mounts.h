/* Mounts of file systems that can stop answering, since a server or another process answers for them. */
#ifndef SRC_HANGING_MOUNTS_H
#define SRC_HANGING_MOUNTS_H

#include <stdbool.h>

/* Whether dir, an absolute path, may lead through such a mount, by the given mount table, which has the form
 * of proc_pid_mountinfo(5). dir NULL: any path. Does not follow a path that may hang. */
bool hanging_mounts_cross(const char *mountinfo, const char *dir);

#endif
