/*
 * A scan: reports every marker that lies in the directory, in slices, so that the loop serves other events
 * meanwhile.
 *
 * First the names are taken down, then they are reported. While the directory is held open it cannot be
 * unmounted, and its removal raises no event before it is closed; so it is held for as long as its names are
 * read and not for the looks, which take longer. Where it has few names that is within one turn. Each marker
 * costs 4 bytes until the scan ends.
 */
#ifndef DAEMON_SCAN_H
#define DAEMON_SCAN_H

#include <dirent.h>
#include <sys/types.h>

struct loop;
struct loop_timer;
struct marker_place;

/* Markers that are reported in one turn, and names that are read. */
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
};

void scan_init(struct scan *scan, struct loop *loop, const struct marker_place *place,
    void (*marker)(pid_t pid, void *context), void *context);
void scan_fini(struct scan *scan);

/* Does the first turn; the others follow from the loop. What is left of a scan before is dropped: what it
 * would still report either lies there now, or is not there any more. -1: the directory cannot be read. */
int scan_begin(struct scan *scan);

#endif
