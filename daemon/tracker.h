/*
 * The tracker: the only module of the daemon that determines the verdict on a process. It checks the
 * process on each query or hint, updates the registry with what it observed, and has the registry settle
 * the waits.
 */
#ifndef DAEMON_TRACKER_H
#define DAEMON_TRACKER_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/checker.h"
#include "daemon/leftovers.h"
#include "daemon/ns_index.h"
#include "daemon/registry.h"
#include "daemon/transitions.h"
#include "src/marker.h"

struct arrival;
struct dirwatch;
struct loop;
struct quota;
struct quota_user;
struct scouts;

struct tracker {
	struct loop *loop;
	const struct marker_place *place;
	struct registry *registry;
	uint64_t looks, settled; /* counters for STATS */
	/* The owner of the process that the last tracker_query() or tracker_enroll() answered for. */
	struct owner answered;
	pid_t alone; /* the ns_pid of which, after the marker was seen, no other process was; 0: not known */
	struct ns_index namespaces;
	struct leftovers leftovers;
	struct transitions transitions;
	struct checker checker;
	struct dirwatch *dirs;
	struct quota *quota;
	void (*on_first_wait)(void *context);
	void *context;
};

/* dirs watches the marker directories of other processes, scouts look into them, and the quota limits what is
 * kept for a user. on_first_wait(context) is called for the first wait: from then on there must be a tick. */
void tracker_init(struct tracker *w, struct loop *loop, const struct marker_place *place,
    struct dirwatch *dirs, struct scouts *scouts, struct quota *quota, void (*on_first_wait)(void *context),
    void *context);
void tracker_fini(struct tracker *w);

/* Checks pid and answers for the process with that start, or (0) for any process that has the pid. A
 * process that is seen ready is remembered from now on, which is charged to the user that first asks, then to
 * the process's own user once that has asked or a marker has appeared. */
void tracker_query(
    struct tracker *w, struct quota_user *user, pid_t pid, uint64_t start, struct readyd_answer *answer);

/* What looks have cost so far beyond TURNS_LOOK each, in the unit of daemon/turns.h: the difference is what
 * those in between have. */
uint64_t tracker_extra_cost(const struct tracker *w);

/* Something happened to the marker of that name, or a scan has found it (arrival NULL), perhaps one of
 * thousands of stale ones: remembers the processes that are ready, or that the marker is a leftover. To find
 * those in child pid namespaces takes a search; there is none if *arrival->searches has reached 0, or if a
 * scan finds more than are remembered. Then those that are waited for are made due. */
void tracker_marker_seen(struct tracker *w, pid_t ns_pid, const struct arrival *arrival);

/* What is to be waited for. */
struct tracker_named {
	pid_t pid;
	uint64_t start; /* 0: of the process that has the pid */
	bool until_end; /* its end, else any verdict that ends a wait */
};

/* As tracker_query(), for a caller that is willing to wait: if it has to (verdict_begins_wait(), or until the
 * end verdict_begins_end()), calls join(entry, context), which may attach waits to the entry, and returns
 * true. */
bool tracker_enroll(struct tracker *w, struct quota_user *user, const struct tracker_named *process,
    void (*join)(struct registry_entry *entry, void *context), void *context, struct readyd_answer *answer);

/* As tracker_enroll(), without a check, for a process that the caller has checked already: `answer` says that
 * a wait for it can begin. False, and join() is not called, unless other waits are attached: what has
 * happened since the check would have settled these, or has been followed by another check. */
bool tracker_join(struct tracker *w, const struct readyd_answer *answer,
    void (*join)(struct registry_entry *entry, void *context), void *context);

/* Ends the wait without settling it; ignores one that is not attached. The entry may be gone afterwards. */
void tracker_leave(struct tracker *w, struct registry_wait *wait);

/* Something may have happened to the entry's process or marker. The entry may be gone afterwards. */
void tracker_recheck(struct tracker *w, struct registry_entry *entry);

/* The file with that marker name was written, at that position of the queue of events. A leftover that was
 * seen earlier is none any more; polled processes are due. */
void tracker_marker_written(struct tracker *w, pid_t ns_pid, uint64_t position);

/* Checks the entry's own process, even if another process has its pid by now. False if that settled it:
 * then all waits have been settled, and the entry may be gone. */
bool tracker_still_waits(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer);

/* A marker of that name lies in the directory, and the stamp of that has changed: makes the processes that
 * are waited for due (daemon/agenda.h), but those that are polled. While monitors follow, a process without
 * an entry is checked, too. */
void tracker_name_seen(struct tracker *w, pid_t ns_pid);
/* Something happened to the marker of that name in an extra directory, or (0) to that itself: makes the
 * processes that are waited for due. */
void tracker_extra_seen(struct tracker *w, int wd, pid_t ns_pid);
/* Makes polled processes due. */
void tracker_tick(struct tracker *w);
/* Checks those that are due and may be checked in this pass of the loop. Returns whether others are left. */
bool tracker_check_due(struct tracker *w, uint64_t pass);

/* Something may have happened to any process: checks the entries that are waited for, at most `most` of
 * them. Returns whether some are left for the next call; `fresh` starts a new sweep. */
bool tracker_sweep(struct tracker *w, bool fresh, unsigned most);

#endif
