/*
 * The names in the marker directory at a tick (daemon/tick.h): reads them when the stamp of the directory
 * shows that one may have come.
 */
#ifndef DAEMON_NAMES_H
#define DAEMON_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/scan.h"
#include "daemon/tick.h"

struct names {
	const struct marker_place *place;
	struct scan scan;
	int64_t began;		 /* CLOCK_MONOTONIC in nanoseconds: the last scan did */
	struct tick_stamp stamp; /* the last one that no unread name can be behind */
};

/* marker(pid, context) is called for each name of a marker that is read. */
void names_init(struct names *names, struct loop *loop, const struct marker_place *place,
    void (*marker)(pid_t pid, void *context), void *context);
void names_fini(struct names *names);

/* The path leads to another directory. */
void names_forget(struct names *names);

/* A tick. False: a sweep is needed to find what may have come, since stamps or names do not tell. */
bool names_check(struct names *names);

#endif
