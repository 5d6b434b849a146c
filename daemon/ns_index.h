/*
 * An index of the processes in child pid namespaces by the pid that they have there, to find collisions
 * (src/collision.h) without a walk of /proc.
 *
 * It is kept up to date by examining each new process once: the kernel shows which pid was assigned last.
 * Processes that have ended are forgotten as others come, so that there are never more of them than of living
 * ones.
 */
#ifndef DAEMON_NS_INDEX_H
#define DAEMON_NS_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/name_index.h"
#include "src/collision.h"

struct ns_process;

struct ns_index {
	struct collisions collisions; /* first: for collision_find() */
	struct own_namespace own;
	pid_t newest;		    /* of those examined so far */
	bool complete;		    /* all up to that one have been examined */
	uint64_t unseen;	    /* bit n: no process had the pid newest - n yet */
	int64_t caught_up, trusted; /* when, and for how long, in milliseconds */
	int64_t walk_from;	    /* CLOCK_MONOTONIC in nanoseconds: no tick walks /proc before */
	struct marker_stat seen;    /* the marker that was seen before the last find(); no FILE: none */
	size_t count;
	uint64_t examined;	      /* by searches, so far; for the user that a search is made for to pay */
	struct ns_process *processes; /* by pid */
	struct name_index names;      /* by ns_pid */
	TAILQ_HEAD(, ns_process) by_check; /* the one checked longest ago first */
};

void ns_index_init(struct ns_index *index);
void ns_index_fini(struct ns_index *index);

/* Processes of child pid namespaces that have that ns_pid, but those that have ended: stores up to `most` of
 * their pids, and returns how many there are; SIZE_MAX: not known. Call it after what it is compared with was
 * seen. If that is a marker, which the last search of collisions was made for, all that can have left it have
 * been examined; NULL: it is not. */
size_t ns_index_list(
    struct ns_index *index, pid_t ns_pid, const struct marker_stat *seen, pid_t *pids, size_t most);

/* Examines the processes created since. */
void ns_index_catch_up(struct ns_index *index);
/* The same if many have been created, or after a long time: else the next search would have to walk /proc. On
 * a machine so busy that ticks come too late for that, the walks of ticks take 0.3 % of a CPU. */
void ns_index_tick(struct ns_index *index);

#endif
