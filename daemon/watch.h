/*
 * The watch: the source of hints about markers. It drains the directory watch, scans the directory, reads its
 * stamp at each tick (daemon/tick.h), and requests a recheck of everything when the mounts change and when
 * events were lost.
 */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/marker.h"

struct arrival;
struct dirwatch;
struct loop;
struct watch;

struct watch_hooks {
	/* Something happened to this pid's marker: what the event says, or NULL if it was found in a scan. */
	void (*marker)(pid_t pid, const struct arrival *arrival, void *context);
	/* The file with this pid's marker name was written: where in the queue of the dirwatch. */
	void (*written)(pid_t pid, uint64_t position, void *context);
	/* A marker of that name lies in the directory, and the stamp of that has changed. */
	void (*name)(pid_t pid, void *context);
	/* Something happened to the marker of that name in the extra directory with that watch; 0: to the
	 * directory itself. */
	void (*extra)(int wd, pid_t ns_pid, void *context);
	/* A tick; trusts: the stamp of the directory tells of markers that come. */
	void (*tick)(bool trusts, void *context);
	/* Anything may have happened to any marker that is waited for. */
	void (*rescan)(void *context);
	/* The mounts have changed, or time has passed. */
	void (*environment_changed)(void *context);
	/* Whether any process is waited for, or all are followed. */
	bool (*has_waits)(void *context);
};

struct watch_counts {
	uint64_t events, overflows, scans, ticks;
	bool polling; /* no watch is armed: only the tick finds markers */
};

/* Arms dirs, which is the caller's and must outlive the watch, then reports every marker that is there, a
 * few at once and the rest from the loop. A directory that cannot be watched now is not an error: it is
 * tried again. */
struct watch *watch_new(struct loop *loop, const struct marker_place *place, struct dirwatch *dirs,
    const struct watch_hooks *hooks, void *context);
/* Closes dirs too. */
void watch_free(struct watch *watch);

/* Ticks while has_waits(), and reads events as they come. */
void watch_start_ticking(struct watch *watch);

/* Arms the watch again, scans the directory and reports a rescan. */
void watch_refresh(struct watch *watch);

/* For dirwatch_init(): events were read ahead. The watch will refresh soon. */
void watch_on_behind(struct watch *watch);

const struct watch_counts *watch_counts(const struct watch *watch);

#endif
