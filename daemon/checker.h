/* Checks a process for the tracker (src/check.h): through scouts, and with a watch on its marker directory if
 * that is another one than ours, which is charged to the user of the process. */
#ifndef DAEMON_CHECKER_H
#define DAEMON_CHECKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/check.h"
#include "src/clock_steps.h"

struct dirwatch;
struct quota;
struct scouts;

struct checker {
	const struct marker_place *place;
	struct dirwatch *dirs;
	struct scouts *scouts;
	struct quota *quota;
	struct collisions *collisions;
	struct clock_steps clock; /* while the daemon runs; the caller's to note */
};

void checker_init(struct checker *checker, const struct marker_place *place, struct dirwatch *dirs,
    struct scouts *scouts, struct quota *quota, struct collisions *collisions);

/* check_process(); with watch, its directory is watched before. What has arrived there earlier belongs to an
 * earlier process. */
void checker_check(struct checker *checker, const struct process *process, struct history *history,
    bool watch, struct readyd_answer *answer);

/* How often a scout was asked so far. */
uint64_t checker_scouts_asked(const struct checker *checker);

/* The user that has the process, -1 if that is not known. */
uid_t checker_owner_of(const struct process *process);

#endif
