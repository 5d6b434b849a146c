/*
 * A peer: one way in which people let programs wait for another. To add one, write bench/peer_<name>.c and
 * put it into the table in bench/peers.c.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>

#include "bench/field.h"
#include "bench/server.h"

struct peer {
	const char *name;
	/* One waiter's part, in a process of its own: subscribes, calls field_armed(), and returns once it
	 * has seen the marker. -1 with errno: it could not. */
	int (*wait)(struct field *field, int i);

	/* The rest may be missing. */
	int most;		 /* more waiters than this are left out, */
	const char *why_most;	 /* because ... */
	int processes;		 /* for each waiter, besides its own */
	bool watches;		 /* each waiter takes an inotify instance */
	bool restless;		 /* its waiters never all sleep */
	bool unasked;		 /* not measured unless it is named: for the tests of the bench, mostly */
	enum server_kind server; /* which must run */
	void (*leave)(struct field *field);    /* in a waiter, after the measurement: leaves nothing open */
	void (*open)(struct field *field);     /* in the bench, before the worker is forked */
	void (*close)(struct field *field);    /* after all have gone home */
	void (*prepare)(struct field *field);  /* in the worker, before it sets out */
	void (*announce)(struct field *field); /* in the worker, after its marker */
	void (*help)(struct field *field);     /* a process of its own, which calls field_armed() and returns
						* when its work is done */
	int (*armed)(struct field *field);     /* how many are; without it, those who called field_armed() */
	void (*check)(struct field *field);    /* all wait: fails unless they do so in the way they should */
};

extern const struct peer peer_gate, peer_inotify, peer_poll, peer_inotifywait, peer_send, peer_s6, peer_redis,
    peer_memcached, peer_futex;
extern const struct peer peer_monitor, peer_never_wakes, peer_dies, peer_loses_one, peer_lies;

/* NULL: no such peer. */
const struct peer *peer_find(const char *name);
/* The i-th that is measured unless others are named; NULL at the end. */
const struct peer *peer_default(int i);
/* Why the peer cannot be measured with so many waiters; NULL: it can. */
const char *peer_why_not(const struct peer *peer, int waiters);

#endif
