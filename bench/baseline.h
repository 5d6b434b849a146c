/*
 * A baseline: one common way to wait until another program is ready, readyd's being one of them. To add one,
 * write bench/baseline_<name>.c and list it in bench/baselines.c.
 */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include <stdbool.h>

#include "bench/trial.h"
#include "bench/server.h"

struct baseline {
	const char *name;
	/* Runs in each waiter, which is a process of its own: subscribes, calls trial_report_armed() unless
	 * there is a count_armed(), and returns 0 once it has seen the marker, or -1 with errno. */
	int (*wait)(struct trial *trial, int i);

	/* The remaining members are optional. */
	int max_waiters;	 /* trials with more waiters are left out, */
	const char *max_reason;	 /* for this reason */
	const char *program;	 /* that must be installed */
	int extra_processes;	 /* that each waiter starts */
	bool uses_inotify;	 /* each waiter needs an inotify instance */
	bool polls;		 /* CPU use does not drop while the waiters wait */
	bool only_by_name;	 /* measured only if --baselines names it */
	enum server_kind server; /* that must run */

	/* In the bench: before the worker is forked, and after all waiters are idle again. */
	void (*open)(struct trial *trial);
	void (*close)(struct trial *trial);
	/* In each waiter, after the measurement: releases what wait() has opened. */
	void (*clean_up)(struct trial *trial);
	/* In the worker: before the time is taken, and after the marker is written. */
	void (*prepare)(struct trial *trial);
	void (*announce)(struct trial *trial);
	/* In a helper process, if there is one: calls trial_report_armed(); returns when its work is done. */
	void (*run_helper)(struct trial *trial);
	/* How many waiters are armed; by default the number of calls of trial_report_armed(). */
	int (*count_armed)(struct trial *trial);
	/* Called when all are armed: aborts the run unless the waiters wait in the way to be measured. */
	void (*check)(struct trial *trial);
};

extern const struct baseline baseline_gate, baseline_inotify, baseline_poll, baseline_inotifywait,
    baseline_send, baseline_s6, baseline_redis, baseline_memcached, baseline_futex;
extern const struct baseline baseline_monitor, baseline_never_wakes, baseline_dies, baseline_loses_one,
    baseline_lies;

/* NULL if there is no such baseline. */
const struct baseline *baseline_find(const char *name);
/* The i-th of those measured without --baselines; NULL after the last. */
const struct baseline *baseline_default(int i);
/* Why the baseline cannot be measured with this many waiters; NULL if it can. */
const char *baseline_why_not(const struct baseline *baseline, int waiters);

#endif
