/*
 * The scouts as the daemon sees them: views of directories below other roots, by processes that may hang
 * without harm. See daemon/scout.h for the other side.
 *
 * A view of a process with our own root is made here, at once. For another one, a scout is asked and its
 * reply waited for, a few milliseconds at most. If it comes later, the answer until then is MARKER_DIR_HANGS,
 * and late() is called when it comes. A scout that stays stuck is killed.
 */
#ifndef DAEMON_SCOUTS_H
#define DAEMON_SCOUTS_H

#include <stdint.h>

#include "src/check.h"

struct dirwatch;
struct loop;
struct scouts;

struct scouts_config {
	const struct marker_place *place;
	struct dirwatch *dirs; /* extra watches are added to it; outlives the scouts */
	int spawner;	       /* from spawner_start(); owned from now on; -1: there is none */
	pid_t spawner_pid;
	/* The look at this process has come back, or may now be tried again: check it. During the call, a
	 * view of the process is the one that came back. */
	void (*late)(pid_t pid, void *context);
	void *context;
};

struct scouts *scouts_new(struct loop *loop, const struct scouts_config *config);
/* Ends all scouts and the spawner, as far as they can be killed; does not wait for one that is stuck. */
void scouts_free(struct scouts *scouts);

/* A viewer (src/check.h) with scouts_eye as context. */
struct scouts_eye {
	struct scouts *scouts;
	pid_t
	    watched; /* of this process, watch the directory first if it is another one than ours; 0: none */
	int wd;	     /* the number of that watch; unchanged if there is none */
};
void scouts_view(
    const struct marker_place *place, const struct process *p, struct marker_view *view, void *eye);

struct scouts_counts {
	size_t scouts, stuck;
	uint64_t asked; /* how often a scout was, so far */
};
struct scouts_counts scouts_count(const struct scouts *scouts);

#endif
