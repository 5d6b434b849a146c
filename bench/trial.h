/*
 * A trial: one worker, and processes that wait for it in the way of one baseline.
 *
 *	trial_open()     starts the worker and the waiters; returns when all waiters are armed
 *	trial_release()  lets the worker write its marker; returns when all waiters have seen it
 *	trial_close()    kills the worker, removes the marker; returns when all waiters are idle
 *
 * A waiter is armed once it can no longer miss the marker. Each of these calls aborts the run if a process
 * ends that should not, or if a waiter has not got so far after limit_ns.
 *
 * The same waiters serve one trial after the other (waiters.c), because forking thousands takes much longer
 * than what is measured. A waiter that has woken sleeps until trial_close(), so that it does not delay those
 * that are still to wake.
 */
#ifndef BENCH_TRIAL_H
#define BENCH_TRIAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/tree.h"
#include "bench/harness.h"

/* Shared by the bench and one waiter. */
struct slot {
	atomic_int trial_number; /* a new value starts the waiter in a trial */
	int64_t woken;		 /* when it had seen the marker */
	int64_t cpu_reaped;	 /* CPU time of its children that ended in this trial */
};

/* Shared by all processes. A member that is not atomic is written while no other process reads it. */
struct shared {
	const struct baseline *baseline; /* the same address in all processes, which are forks of the bench */
	pid_t worker;
	int waiters;
	atomic_int armed, awake, idle; /* how many waiters are */
	atomic_int go;		       /* 1: the worker may write its marker */
	atomic_int done;	       /* 1: the worker has written and announced it */
	atomic_int over;	       /* 1: the waiters may leave the trial */
	atomic_int announced;	       /* futex that the worker of some baselines wakes the waiters by */
	int64_t began, ended;	       /* the worker's calls of open, write and close */
	int64_t worker_cpu_reaped;
	struct slot slots[];
};

struct trial {
	const struct bench *bench;
	const struct baseline *baseline;
	int waiters;
	struct shared *shared;
	pid_t worker, helper; /* helper is 0 if there is none */
	const pid_t *pids;    /* of the waiters */
	char marker[BENCH_PATH_SIZE + 64];
	size_t processes_before; /* that this process had started when the trial began; 0 if not counted */
	struct tree tree; /* waiters and their descendants, worker, helper, and the baseline's server */
};

void trial_open(struct trial *trial, const struct bench *bench, const struct baseline *baseline, int waiters);
/* Returns when the CPU use of the trial's processes has dropped, or after half a second. */
void trial_await_quiet(const struct trial *trial);
void trial_release(struct trial *trial);
void trial_close(struct trial *trial);

/* CPU time so far of the processes in trial->tree, and of their descendants that have ended. */
int64_t trial_cpu(const struct trial *trial);

/* Called in waiters, worker and helper. */
void trial_set_marker_path(struct trial *trial);
bool trial_marker_exists(const struct trial *trial);
void trial_report_armed(struct trial *trial);

/* Sleeps until *value differs from `was`. */
void futex_wait(const atomic_int *value, int was);
void futex_wake_all(const atomic_int *value);

#endif
