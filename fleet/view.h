/*
 * What one connection to the broker has shown of nodes and processes. What is retained may be old: a node
 * that was cut off, or one of an earlier epoch, has left it. view_condition() says what a node's state is
 * worth. Without I/O and clock; ends the program if there is no memory.
 */
#ifndef FLEET_VIEW_H
#define FLEET_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "fleet/payload.h"
#include "fleet/table.h"
#include "fleet/topic.h"

/* A bridge publishes its status so often, also where nothing has changed. */
#define VIEW_HEARTBEAT_MS 30000
/* A status of this age, by the clock of the reader, may be that of a node that has been cut off since. */
#define VIEW_SILENCE_MS 90000
/* A broker that is started again may have stored less than it was told, so a node that was not offline before
 * is given this time to come back. A bridge tries each 15 seconds at least. */
#define VIEW_RETURN_MS 20000
/* What a hostile publisher can make a reader keep. */
#define VIEW_NODES_MAX	   200000
#define VIEW_PROCESSES_MAX 1000000

struct view_process {
	struct {
		uint64_t start;
		uint64_t pid;
	} key;
	bool is_fresh; /* the present connection has shown it */
	struct payload_process state;
	UT_hash_handle hh;
};

struct view_node {
	char name[TOPIC_NODE_SIZE];
	bool has_status;
	bool is_fresh; /* the present connection has shown the status */
	struct payload_status status;
	int64_t met_at;	  /* when the status was first seen */
	bool is_recalled; /* "offline" was retained when a lost connection was restored, and may be older */
	int64_t heard_at; /* the last sign of life; meaningless before is_alive */
	bool is_alive;	  /* there was one */
	struct view_process *processes;
	UT_hash_handle hh;
};

struct view {
	struct view_node *nodes;
	size_t node_count, process_count;
};

/* NEVER_SEEN: no status. DOUBTFUL: an old message alone says that it is online, or that it
 * is offline. */
enum view_condition { VIEW_NEVER_SEEN, VIEW_ONLINE, VIEW_UNKNOWN, VIEW_DOUBTFUL, VIEW_OFFLINE };

/* SAME: nothing new. FULL: not kept. */
enum view_change { VIEW_CHANGED, VIEW_SAME, VIEW_FULL };

/* When a message has come: by CLOCK_MONOTONIC, and by CLOCK_REALTIME, to compare with that of the node. */
struct view_moment {
	int64_t ms, real_ms;
	bool retained; /* it was there before the subscription */
};

enum view_change view_put_status(struct view *view, const char *node, const struct payload_status *status,
    const struct view_moment *moment);
enum view_change view_put_process(struct view *view, const char *node, pid_t pid, uint64_t start,
    const struct payload_process *state, struct view_process **process);
/* Its topic was cleared. */
enum view_change view_clear_process(struct view *view, const char *node, pid_t pid, uint64_t start);
void view_clear_status(struct view *view, const char *node);

struct view_node *view_find(const struct view *view, const char *node); /* NULL: nothing was seen of it */
/* The process with this start; start 0: the newest of the present epoch, or else the newest at all. */
struct view_process *view_find_process(const struct view_node *node, pid_t pid, uint64_t start);

/* node may be NULL. */
enum view_condition view_condition(const struct view_node *node, int64_t ms);
/* When the condition changes by time alone; -1: never. */
int64_t view_condition_until(const struct view_node *node);
/* Whether the process is of the epoch that its node is in. */
bool view_is_present(const struct view_node *node, const struct view_process *process);

/* The connection is another one, or lost: nothing counts until it is seen again. */
void view_renew(struct view *view);
/* Forgets what was not seen again, after telling about each process. */
void view_sweep(struct view *view,
    void (*gone)(const struct view_node *node, const struct view_process *process, void *context),
    void *context);
void view_free(struct view *view);

#endif
