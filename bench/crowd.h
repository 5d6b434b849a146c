/*
 * A crowd: many processes that wait for one worker, or ask about it, and are the same from one moment to the
 * next. A moment is something that concerns all of them at once.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/client.h"
#include "bench/harness.h"
#include "bench/sleeper.h"
#include "readyd/readyd.h"

/* Shared by the bench and one member. */
struct crowd_slot {
	atomic_int round; /* a new value starts the member in a round */
	int64_t answered; /* when it had its answer */
	int verdict, error;
	long walks, watches; /* of /proc, and inotify instances of its own, during the moment */
};

struct crowd_shared {
	const struct moment *moment; /* the same address in all processes, which are forks of the bench */
	pid_t pid;		     /* of the worker */
	atomic_int held;	     /* how many members are at the barrier, */
	atomic_int answered, idle;   /* have their answer, are idle again */
	atomic_int go;		     /* 1: those at the barrier may begin */
	atomic_int over;	     /* 1: the members may leave the round */
	struct crowd_slot slots[];
};

struct crowd {
	const struct bench *bench;
	struct crowd_shared *shared;
	pid_t *pids;
	int forked;	      /* members that exist, */
	int members;	      /* and that take part in this round */
	struct nested worker; /* parent is 0 unless it is in a child pid namespace */
	char marker[BENCH_PATH_SIZE + 64];
	bool marked; /* there is a marker */
	struct client client;
	bool connected;
	long handed_out;    /* by the daemon before this round */
	int64_t cpu_ended;  /* CPU time in this moment of daemons that have ended, */
	int64_t cpu_before; /* and up to it, of the one that lives */
};

struct moment {
	const char *name;
	/* What a member does: asks, or waits. */
	int (*act)(const struct readyd_options *options, pid_t pid, struct readyd_answer *answer);
	unsigned verdicts; /* that are right, as bits */
	bool held;	   /* the members begin at the moment, and are held at a barrier until then */
	bool until_armed;  /* it ends when all hold gates, not when all have their answers */
	int max_members;   /* 0: any number */
	/* Before the members start. */
	void (*prepare)(struct crowd *crowd);
	/* The moment itself. NULL: the members at the barrier are let go. Returns the time from which on it
	 * is measured. */
	int64_t (*happen)(struct crowd *crowd);
};

/* NULL after the last one. */
const struct moment *moment_at(int i);

/* For the moments. */
void crowd_write_marker(struct crowd *crowd);
void crowd_release(struct crowd *crowd);
/* Ends the daemon; what it has taken since the moment began counts. */
void crowd_end_daemon(struct crowd *crowd, int sig);

#endif
