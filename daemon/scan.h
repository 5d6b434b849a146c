/*
 * A scan: reports every marker that lies in the directory, in slices, so that the loop serves other events
 * meanwhile.
 *
 * The names are taken down first, all at once: that is a small part of what the looks take. To read them in
 * slices too, the directory would have to be held open between turns, and held open it cannot be unmounted,
 * and its removal is not reported. Each name costs 4 bytes until it is reported.
 */
#ifndef DAEMON_SCAN_H
#define DAEMON_SCAN_H

#include <sys/types.h>

struct event;
struct event_base;
struct marker_place;

/* Markers that are reported in one turn. */
#define SCAN_SLICE 64

struct scan {
	const struct marker_place *place;
	void (*marker)(void *context, pid_t pid);
	void *context;
	struct event *next;
	pid_t *pids;
	size_t count, at;
};

void scan_init(struct scan *scan, struct event_base *base, const struct marker_place *place,
    void (*marker)(void *context, pid_t pid), void *context);
void scan_fini(struct scan *scan);

/* Reports the first slice; the others follow from the loop. What is left of a scan before is dropped: what it
 * would still report either lies there now, or is not there any more. -1: the directory cannot be read. */
int scan_begin(struct scan *scan);

#endif
