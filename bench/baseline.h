/*
 * A baseline: one way in which people let programs wait for another. To add one, write
 * bench/baseline_<name>.c and put it into the table in bench/baselines.c.
 */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include <stdbool.h>

#include "bench/trial.h"
#include "bench/server.h"

struct baseline {
	const char *name;
	/* One waiter's part, in a process of its own: subscribes, calls trial_armed(), and returns once it
	 * has seen the marker. -1 with errno: it could not. */
	int (*wait)(struct trial *trial, int i);

	/* The rest may be missing. */
	int most;		 /* more waiters than this are left out, */
	const char *why_most;	 /* because ... */
	int processes;		 /* for each waiter, besides its own */
	bool watches;		 /* each waiter takes an inotify instance */
	bool restless;		 /* its waiters never all sleep */
	bool unasked;		 /* not measured unless it is named: for the tests of the bench, mostly */
	enum server_kind server; /* which must run */
	void (*leave)(struct trial *trial);    /* in a waiter, after the measurement: leaves nothing open */
	void (*open)(struct trial *trial);     /* in the bench, before the worker is forked */
	void (*close)(struct trial *trial);    /* after all have gone home */
	void (*prepare)(struct trial *trial);  /* in the worker, before it sets out */
	void (*announce)(struct trial *trial); /* in the worker, after its marker */
	void (*help)(struct trial *trial);     /* a process of its own, which calls trial_armed() and returns
						* when its work is done */
	int (*armed)(struct trial *trial);     /* how many are; without it, those who called trial_armed() */
	void (*check)(struct trial *trial);    /* all wait: fails unless they do so in the way they should */
};

extern const struct baseline baseline_gate, baseline_inotify, baseline_poll, baseline_inotifywait,
    baseline_send, baseline_s6, baseline_redis, baseline_memcached, baseline_futex;
extern const struct baseline baseline_monitor, baseline_never_wakes, baseline_dies, baseline_loses_one,
    baseline_lies;

/* NULL: no such baseline. */
const struct baseline *baseline_find(const char *name);
/* The i-th that is measured unless others are named; NULL at the end. */
const struct baseline *baseline_default(int i);
/* Why the baseline cannot be measured with so many waiters; NULL: it can. */
const char *baseline_why_not(const struct baseline *baseline, int waiters);

#endif
