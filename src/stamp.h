/* Asks the kernel how far the stamps in a directory can be trusted: the calls for src/stamp_trust.h. */
#ifndef SRC_STAMP_H
#define SRC_STAMP_H

#include "src/stamp_trust.h"

/* The f_type of statfs(2); 0 if that fails. */
uint32_t stamp_fs_type(const char *dir);

/* By the type of the file system: one statfs(2), which leaves nothing behind. If it fails, as of an unknown
 * type. */
void stamp_trust_by_type(const char *dir, const struct timespec *stamp, struct stamp_trust *trust);

/*
 * Reads the clock of the file system from a file without a name (O_TMPFILE, open(2)) in dir, and narrows
 * *trust, which stamp_trust_by_type() has filled in. It takes write permission, changes neither the directory
 * nor its stamps, and is silent for watchers, but for IN_OPEN and IN_CLOSE_WRITE. It never creates a name:
 * where there is no O_TMPFILE (NFS, 9p, FAT, most of FUSE), nothing is measured.
 *
 * False with errno: not measured. Then an overlay counts as one over a local file system. With
 * is_shortage(errno) (src/shortage.h), *trust is unchanged, and a later attempt may succeed.
 */
bool stamp_measure(const char *dir, struct stamp_trust *trust);

/* What is to be known of a stamp that is compared with a moment `then` (CLOCK_REALTIME): by the type, and
 * measured where that may decide. False if descriptors or memory ran out: then it is unknown. */
bool stamp_read(const char *dir, const struct timespec *stamp, int64_t then, struct stamp_trust *trust);

#endif
