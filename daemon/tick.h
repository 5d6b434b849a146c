/*
 * The tick: what is looked at again without an event. Events only reduce the delay; the tick is the
 * guarantee.
 *
 * A new name changes the stamp of its directory. So most ticks only read that, however many processes are
 * waited for: where it has changed, the names in the directory are read, and the processes that are waited
 * for and have one of them are checked. What shows in no stamp is polled (daemon/agenda.h): a process under
 * whose marker's name something lies already. A sweep checks everything that is waited for, for what neither
 * shows: a file that comes in below an overlay or is mounted over a single name, and a process that changes
 * its root. Where stamps cannot be trusted, there are only sweeps.
 *
 * Pure.
 */
#ifndef DAEMON_TICK_H
#define DAEMON_TICK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "readyd/readyd.h"

/* Milliseconds until the next tick, 0 for none. */
int64_t tick_interval(bool has_waits, bool watches_dir, bool watches_mounts);

/* The stamp of the directory. Which mount it is on is not compared: the watch tells that. */
struct tick_stamp {
	bool known;	 /* false: it could not be read, or not yet */
	bool is_trusted; /* see tick_trusts() */
	dev_t dev;
	ino_t ino;
	struct timespec changed; /* its ctime: its owner can set back the mtime */
	int64_t read;		 /* CLOCK_REALTIME in nanoseconds: it was read later than that */
};

/* Whether each new name changes the stamp: not on a file system that may be another machine's or a program's,
 * or that rounds its stamps to seconds. The kernel has a counter of changes (STATX_CHANGE_COOKIE), but does
 * not show it to programs. */
bool tick_trusts(uint32_t f_type, const struct timespec *changed);

enum tick_change {
	TICK_SAME,     /* no name can have come since `last` was read */
	TICK_CHANGED,  /* read the names */
	TICK_UNTRUSTED /* sweep */
};

/* A change soon after `last` was read may have left the same stamp, if that was from within one grain. */
enum tick_change tick_compare(const struct tick_stamp *last, const struct tick_stamp *now);

/* What may take long with many processes or names is done at a pace that keeps its share of a CPU small. */
enum tick_work {
	TICK_SWEEP,	      /* at most once a second, and 0.3 % of a CPU */
	TICK_SWEEP_UNTRUSTED, /* at most once a tick, and 5 % */
	TICK_SLICE, /* the next slice of a sweep that is not urgent: 0.3 %, so that it has no peak */
	TICK_NAMES  /* at most once a tick, and 0.3 % */
};

/* Nanoseconds from the beginning of such work to the next time, if it has used so much CPU time. */
int64_t tick_pause(enum tick_work work, int64_t spent);

/* Whether what ends a wait with this answer will show in the directory's stamp, by an event of the directory
 * or by the pidfd of the process. */
bool tick_shows(const struct readyd_answer *answer);

#endif
