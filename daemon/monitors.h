/*
 * The monitors: connections that follow the journal. Each has a position in it, and lines are written only
 * while the client reads: a slow one costs a few kilobytes, and is told of a gap when the journal has
 * overwritten what it had to read next.
 *
 * The present state is told in steps, and the transitions meanwhile between these: before each step all of
 * them are told, so the state of a process is that at the position reached. Nothing is lost or out of order,
 * and no copy of the state is needed.
 */
#ifndef DAEMON_MONITORS_H
#define DAEMON_MONITORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "src/wire.h"

struct connection;
struct loop;
struct loop_timer;
struct monitor;
struct tracker;

struct monitors {
	struct tracker *tracker;
	struct loop_timer *turn;   /* runs while something is left to tell */
	struct loop_timer *settle; /* runs while waits have changed: transitions_settle() */
	uint64_t epoch;
	bool hides; /* what /proc hides from a user is not told to it */
	size_t count;
	size_t size; /* of the journal */
	TAILQ_HEAD(, monitor) all;
	char out[16384];
	void (*on_first)(void *context);
	void *context;
};

/* on_first(context) is called for the first monitor: from then on there must be a tick, so that markers are
 * found that raise no event. */
void monitors_init(struct monitors *monitors, struct loop *loop, struct tracker *tracker, uint64_t epoch,
    void (*on_first)(void *context), void *context);
/* All connections are closed. */
void monitors_fini(struct monitors *monitors);

/* The connection follows from now on, or from the position of the request. WIRE_TOO_MANY_MONITORS: its user
 * has enough of them. */
enum wire_error monitors_open(
    struct monitors *monitors, struct connection *connection, const struct wire_request *request);
/* Ignores a connection that does not follow. */
void monitors_close(struct connection *connection);

/* The client has read everything. */
void monitors_on_drained(struct connection *connection);

#endif
