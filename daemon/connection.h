/*
 * One client's connection, from accept to close. Bytes come in and whole lines go to the hooks; what is put
 * is sent to the client as soon as possible. The module does not interpret the lines.
 *
 * Lines are handled in turns (daemon/turns.h), and so are the slices of a long answer; then the connection
 * waits until the loop has served all other pending events. Unhandled input stays in the connection, and
 * while there is some, nothing more is read; so end of file is found only when all lines have been handled.
 */
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/quota.h"
#include "daemon/turns.h"

struct loop;
struct loop_fd;
struct loop_timer;
struct connection;
struct request_wait;
struct request_list;
struct monitor;

struct connection_hooks {
	/* One line, newline included, or (len 0) a line that is too long: the connection is then ended. */
	void (*line)(struct connection *connection, const char *line, size_t len, void *context);
	/* The connection's list is not NULL: continues that answer for one turn. */
	void (*resume)(struct connection *connection, void *context);
	/* The connection is to be freed: releases its waits, at most for one turn. False: some are left. */
	bool (*close_some)(struct connection *connection, void *context);
	/* The connection is about to be freed: releases all that is left. */
	void (*on_close)(struct connection *connection, void *context);
	/* The connection's monitor is not NULL, and the client has read all output. */
	void (*drained)(struct connection *connection, void *context);
};

/* Shared by all connections of a daemon. The buffers are used within one callback only; they come last, and
 * take no memory until then. */
struct connection_pool {
	struct loop *loop;
	struct connection_hooks hooks;
	void *context;
	TAILQ_HEAD(, connection) all;
	size_t count;
	struct quota *quota;
	struct turns turns;
	struct loop_timer *turn; /* runs while a connection waits for its turn */
	size_t output_limit;	 /* bytes that a client may leave unread before it is dropped */
	uint64_t dropped;	 /* connections dropped at that limit */
	bool ending; /* what may block to close is left to the exit of the process, which does not wait */
	struct connection *current; /* its lines are being answered; its output is collected in out */
	uint64_t batches;	    /* so far */
	uint64_t batch; /* of these, that of the lines which are being answered: it was read together, so all
			   of it had arrived when its first line is handled */
	size_t out_len;
	char in[16384], out[65536];
};

/* What only a connection has that is not idle: most wait, and have nothing to read, to answer or to send. */
struct connection_work {
	struct turns_client turn; /* first: cast back to the work */
	struct connection *connection;
	struct request_list
	    *list; /* an incomplete answer, to finish before any other line; used by requests.c only */
	struct monitor
	    *monitor; /* lines that are sent as long as the client reads; used by monitors.c only */
	struct loop_fd *write;
	uint64_t batch; /* of the input */
	char *input;	/* not handled yet: a partial line, or more before the next turn */
	size_t input_len;
	char *output;
	size_t output_len;
};

/* Lies behind its loop_fd. There may be thousands, so each word counts: tests/test_requests.c has the sum. */
struct connection {
	struct connection_pool *pool;
	TAILQ_ENTRY(connection) link;
	struct quota_user *user;	 /* that is charged for it */
	struct connection_work *work;	 /* NULL: it is idle */
	LIST_HEAD(, request_wait) waits; /* used by requests.c only */
	unsigned wait_count;
	bool is_remote : 1; /* its client is on another kernel: it has no uid, and cannot be sent a descriptor
			     */
	bool is_trusted : 1; /* its user may know what hidepid hides; set by the caller of connection_new() */
	bool refuses_fds : 1; /* that the client sends */
	bool eof : 1;	  /* the client has closed its sending half: it may still be waiting for answers */
	bool closing : 1; /* freed after the current batch of events */
};

void connection_pool_init(struct connection_pool *pool, struct loop *loop,
    const struct connection_hooks *hooks, void *context, struct quota *quota, size_t output_limit);
void connection_pool_fini(struct connection_pool *pool);

/* Takes over fd, a non-blocking socket of that user. The connection belongs to the pool, which frees it when
 * it ends. NULL, and fd stays the caller's: the user or the daemon may have no more. */
struct connection *connection_new(struct connection_pool *pool, int fd, uid_t uid);
/* The same for a client on another kernel. */
struct connection *connection_new_remote(
    struct connection_pool *pool, int fd, enum quota_peer kind, uint32_t number);

int connection_fd(const struct connection *connection);

/* What the connection has to do, to be read: nothing if it is idle. */
extern const struct connection_work connection_idle;
static inline const struct connection_work *connection_work(const struct connection *connection)
{
	return connection->work != NULL ? connection->work : &connection_idle;
}
/* The same, to be changed. It is freed when the connection is idle again. */
struct connection_work *connection_busy(struct connection *connection);

/* What the connection's user may still spend in this pass, and spending it. A line costs 1 in any case. */
unsigned connection_budget(const struct connection *connection);
void connection_spend(const struct connection *connection, unsigned cost);

/* Sends bytes, at once or when the client reads. */
void connection_put(struct connection *connection, const char *data, size_t len);
/* Whether the client has not read all of it, or the connection is about to be freed. */
bool connection_is_stuck(const struct connection *connection);
/* As connection_put(), with a descriptor, which stays the caller's. -1: it cannot be sent now, and nothing
 * was. */
int connection_put_fd(struct connection *connection, const char *data, size_t len, int fd);

/* Ends the connection after the current batch of events; what was put so far is still sent. */
void connection_end(struct connection *connection);

#endif
