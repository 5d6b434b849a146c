/*
 * Events of markers, on the way to the tracker. Each may cause a look at a process, and a flood of them must
 * not keep other users' events waiting. So for each user only so many are served in a pass of the loop, and
 * those of processes without an entry, which nothing waits for, like those of one more user; the others wait
 * for their turn, where several of one name become one.
 */
#ifndef DAEMON_HINTS_H
#define DAEMON_HINTS_H

#include <stddef.h>
#include <sys/types.h>

#include "daemon/turns.h"

/* Hints of processes without an entry that may wait. Beyond that they are lost, and a scan is needed. */
#define HINTS_MOST 4096

struct arrival;
struct hint;
struct loop;
struct loop_timer;
struct tracker;

struct hints {
	struct loop *loop;
	struct tracker *tracker;
	struct turns turns;
	struct turns_user unknown; /* for processes without an entry */
	struct hint *all;	   /* that wait, by ns_pid */
	size_t unknown_count;
	bool lost;
	struct loop_timer *turn;
	void (*on_lost)(void *context);
	void *context;
};

/* on_lost(context) is called when there is room again after hints were lost. */
void hints_init(struct hints *hints, struct loop *loop, struct tracker *tracker,
    void (*on_lost)(void *context), void *context);
void hints_fini(struct hints *hints);

/* As tracker_marker_seen() and tracker_marker_written(), now or in a later pass. */
void hints_seen(struct hints *hints, pid_t ns_pid, const struct arrival *arrival);
void hints_written(struct hints *hints, pid_t ns_pid, uint64_t position);

#endif
