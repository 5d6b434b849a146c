/*
 * A scan: reports every marker in the directory, in slices, so that the loop serves other events in
 * between.
 *
 * The names are read first and reported afterwards. While the directory is held open it cannot be
 * unmounted, and its removal raises no event before it is closed; so it is held open only while its names
 * are read and not during the checks, which take longer. A directory with few names is read within one
 * turn. Each marker costs 4 bytes until the scan ends.
 */
#ifndef DAEMON_SCAN_H
#define DAEMON_SCAN_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_timer;
struct marker_place;

/* Markers reported in one turn, and names read in one turn. */
#define SCAN_SLICE 64
#define SCAN_NAMES 512

struct scan {
	const struct marker_place *place;
	void (*marker)(pid_t pid, void *context);
	void *context;
	struct loop_timer *next;
	DIR *dir; /* NULL when all names have been read */
	pid_t *pids;
	size_t count, at;
	int64_t spent; /* CPU time in nanoseconds, by the last one so far */
};

void scan_init(struct scan *scan, struct loop *loop, const struct marker_place *place,
    void (*marker)(pid_t pid, void *context), void *context);
void scan_fini(struct scan *scan);

/* Does the first turn; the loop runs the others. The rest of a previous scan is dropped: each marker that
 * it would still report either is in the directory now, or no longer exists. -1: the directory cannot be
 * read. */
int scan_begin(struct scan *scan);
bool scan_runs(const struct scan *scan);

#endif
