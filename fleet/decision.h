/* The answer for one process of a fleet, from what was seen of it and of its node. Pure. */
#ifndef FLEET_DECISION_H
#define FLEET_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet/view.h"

/* Why there is no answer yet, or why it is node-offline. */
enum decision_cause {
	DECISION_ANSWERED,
	DECISION_NODE_NEVER_SEEN,
	DECISION_NODE_DOUBTFUL,
	DECISION_NODE_UNKNOWN,
	DECISION_NODE_OFFLINE,
	DECISION_PROCESS_UNKNOWN, /* the node says nothing of it */
	DECISION_PROCESS_OLD,	  /* what is there of it is from an earlier epoch */
	DECISION_PROCESS_WAITS	  /* pending or stale */
};

struct decision {
	bool ends; /* whether the wait for the process ends */
	enum decision_cause cause;
	struct readyd_answer answer;
	const struct view_process *process; /* what is known, or was known last; NULL: nothing */
};

/* node: NULL if nothing was seen of it. start 0: see view_find_process(). */
struct decision decision_make(const struct view_node *node, pid_t pid, uint64_t start, int64_t ms);

#endif
