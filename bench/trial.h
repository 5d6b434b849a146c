/*
 * One worker, and processes that wait for it by the way of one baseline.
 *
 *	trial_open()     starts the worker and makes the waiters wait; returns when every one is armed
 *	trial_release()  the worker writes its marker; returns when every waiter has seen it
 *	trial_close()    ends the worker, removes the marker, gets the waiters back
 *
 * Each of them fails loudly when a process ends that should not, or when somebody is missing after limit_ns.
 * The waiters are processes that serve one trial after the other (waiters.c), since to fork thousands takes
 * much longer than what is measured. Whoever has woken stays asleep until trial_close(), so that what he does
 * next does not disturb those still to wake.
 */
#ifndef BENCH_TRIAL_H
#define BENCH_TRIAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/tree.h"
#include "bench/harness.h"

/* Between the bench and one waiter. */
struct slot {
	atomic_int order;   /* each new value is a trial to wait in */
	int64_t woken;	    /* when it had seen the marker */
	int64_t cpu_reaped; /* of what it has started there and has ended */
};

/* Seen by all processes. What is not atomic is written by one while the others do not look. */
struct shared {
	const struct baseline *baseline; /* the same in every process, since all are forked from one */
	pid_t worker;
	int waiters;
	atomic_int armed, awake, home; /* how many waiters are */
	atomic_int go;		       /* 1: the worker may write its marker */
	atomic_int done;	       /* 1: it has */
	atomic_int over;	       /* 1: the waiters may go home */
	atomic_int called;	       /* of the futex baseline */
	int64_t began, ended;	       /* of the worker's three calls */
	int64_t worker_cpu_reaped;
	struct slot slots[];
};

struct trial {
	const struct bench *bench;
	const struct baseline *baseline;
	int waiters;
	struct shared *shared;
	pid_t worker, helper; /* helper 0: none */
	const pid_t *pids;    /* of the waiters */
	char marker[BENCH_PATH_SIZE + 64];
	struct tree tree; /* waiters, worker, helper, what they have started, and the baseline's server */
};

void trial_open(struct trial *trial, const struct bench *bench, const struct baseline *baseline, int waiters);
/* Waits until what the last events have set off is done, as far as that can be known. */
void trial_calm(const struct trial *trial);
void trial_release(struct trial *trial);
void trial_close(struct trial *trial);

/* Processor time of all who are in trial->tree, and of what they have started. */
int64_t trial_cpu(const struct trial *trial);

/* For the waiters. */
void trial_find_marker(struct trial *trial);
bool trial_marker_is_there(const struct trial *trial);
void trial_armed(struct trial *trial);

/* Sleeps until the value is not what it was; wakes all who sleep so. */
void futex_wait(const atomic_int *value, int was);
void futex_wake_all(const atomic_int *value);

#endif
