/* Writes the marker of another process, where everything that waits for it expects it. May block as the file
 * system does. */
#ifndef CLIENT_MARK_WRITE_H
#define CLIENT_MARK_WRITE_H

#include "readyd/readyd.h"
#include "src/process.h"

#define MARK_PATH_SIZE sizeof(((struct readyd_explanation *)0)->path)

enum mark_result {
	MARK_WRITTEN,
	MARK_ENDED, /* the process ended before or meanwhile; no marker is left */
	MARK_FAILED /* errno; path says what could not be written */
};

/*
 * waiter has the process in its set, by this start, and so knows where the marker is expected. The marker is
 * a new file (O_EXCL, O_NOFOLLOW) that belongs to the user of the process, if this process may give it away.
 * A leftover is replaced where readyd_marker_write() would. That p is alive, and still has its pid, is
 * checked before and after: if it has ended, the marker is removed.
 */
enum mark_result mark_write(
    struct readyd_waiter *waiter, const struct process *p, uint64_t start, char path[MARK_PATH_SIZE]);

#endif
