/*
 * A session: one client's connection, from accept to close. Bytes in, whole lines out to the hooks; what
 * is put goes to the client as soon as it can. It knows nothing of what the lines mean.
 *
 * Lines are handled in turns: SESSION_TURN of them, or a slice of a long answer, then the session waits until
 * the loop has been through all that happened meanwhile. So each session that has something to say gets its
 * turn before another one gets its second. What is left over stays in the connection, and while it does,
 * nothing more is read; so end of file is only found when all lines have been handled.
 */
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct loop;
struct loop_fd;
struct loop_timer;
struct connection;
struct request_wait;
struct request_list;
struct quota_user;

#define SESSION_TURN 16

struct connection_hooks {
	/* One line, newline included, or (len 0) a line that is too long: then the session is ended. */
	void (*line)(struct connection *connection, const char *line, size_t len, void *context);
	/* The session's list is not NULL: goes on with that answer for one turn. */
	void (*resume)(struct connection *connection, void *context);
	/* The session is about to be freed: let go of its waits. */
	void (*on_close)(struct connection *connection, void *context);
};

/* What all sessions of a daemon share. Buffers are used within one callback only. */
struct connection_pool {
	struct loop *loop;
	struct connection_hooks hooks;
	void *context;
	TAILQ_HEAD(, connection) all;
	size_t count;
	size_t output_limit;	    /* bytes that a client may leave unread before it is dropped */
	uint64_t dropped;	    /* for that reason */
	struct connection *current; /* whose lines are being answered; its output is collected in out */
	uint64_t batch;		    /* number of the turn: all its lines had arrived when it began */
	size_t out_len;
	char in[16384], out[65536];
};

struct connection {
	struct connection_pool *pool;
	TAILQ_ENTRY(connection) link;
	struct quota_user *user;	 /* whose client it is; the server's and requests.c's own */
	LIST_HEAD(, request_wait) waits; /* requests.c's own */
	size_t wait_count;
	struct request_list
	    *list; /* an answer that is not complete, before any other line; requests.c's own */
	int fd;
	bool eof;     /* the client has closed its sending half: it may still be waiting for answers */
	bool closing; /* freed at the end of this round of events */
	struct loop_fd *read, *write;
	struct loop_timer *again; /* the next turn, for input that is here already */
	char *input; /* input that is not handled yet: a part of a line, or more before the next turn */
	size_t input_len;
	char *output;
	size_t output_len;
};

void connection_pool_init(struct connection_pool *pool, struct loop *loop,
    const struct connection_hooks *hooks, void *context, size_t output_limit);
void connection_pool_fini(struct connection_pool *pool);

/* Takes over fd, a non-blocking socket. It belongs to the pool and ends by itself. */
struct connection *connection_new(struct connection_pool *pool, int fd);

/* Sends bytes, at once or when the client reads. */
void connection_put(struct connection *connection, const char *data, size_t len);
/* The same with a descriptor, which stays the caller's. -1: it cannot be sent now, and nothing was. */
int connection_put_fd(struct connection *connection, const char *data, size_t len, int fd);

/* Ends the session after this round of events, with what it was sent so far. */
void connection_end(struct connection *connection);

#endif
