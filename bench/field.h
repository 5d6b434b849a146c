/*
 * One worker, and processes that wait for it by the way of one peer.
 *
 *	field_open()     forks them; returns when every waiter is armed and sleeps
 *	field_release()  the worker writes its marker; returns when every waiter has seen it
 *	field_close()    ends them all and removes the marker
 *
 * Each of them fails loudly when a process ends that should not, or when somebody is missing after limit_ns.
 * Whoever has woken stays asleep until field_close(), so that his end does not disturb those still to wake.
 */
#ifndef BENCH_FIELD_H
#define BENCH_FIELD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/family.h"
#include "bench/harness.h"

/* What one waiter leaves for the bench. */
struct slot {
	int64_t woken;	    /* when it had seen the marker */
	int64_t cpu_reaped; /* of what it had started and has ended */
};

/* Seen by all processes of a field. */
struct shared {
	atomic_int armed, awake;
	atomic_int go;	      /* 1: the worker may write its marker */
	atomic_int done;      /* 1: it has */
	atomic_int over;      /* 1: everybody may end */
	atomic_int called;    /* of the futex peer */
	int64_t began, ended; /* of the worker's three calls */
	int64_t worker_cpu_reaped;
	struct slot slots[];
};

struct field {
	const struct bench *bench;
	const struct peer *peer;
	int waiters;
	struct shared *shared;
	size_t shared_size;
	pid_t worker, helper; /* 0: none */
	pid_t *pids;	      /* of the waiters */
	char marker[BENCH_PATH_SIZE + 64];
	struct family family; /* all of them, what they have started, and the peer's server */
};

void field_open(struct field *field, const struct bench *bench, const struct peer *peer, int waiters);
/* Waits until what the last events have set off is done, as far as that can be known. */
void field_calm(const struct field *field);
void field_release(struct field *field);
void field_close(struct field *field);

/* Processor time of everybody in the field, and of the peer's server. */
int64_t field_cpu(const struct field *field);

/* For the waiters. */
void field_armed(struct field *field);
bool field_marker_is_there(const struct field *field);

/* Sleeps until the value is not what it was; wakes all who sleep so. */
void futex_wait(const atomic_int *value, int was);
void futex_wake_all(const atomic_int *value);

#endif
