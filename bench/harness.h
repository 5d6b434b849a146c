/*
 * What every measurement stands on: clocks, samples, limits, and failing loudly. A measurement that goes
 * wrong ends the program with a line that names what; it never reports a figure.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_COUNTS_MOST 16
#define BENCH_PEERS_MOST  16
#define BENCH_PATH_SIZE	  256

struct baseline;

/* What the command line says. */
struct bench {
	const char *bin;	       /* where daemon/readyd and client/readyctl were built */
	const char *static_bin;	       /* the same without shared libraries; NULL: not built */
	const char *dir;	       /* the caller's; markers, sockets and logs lie in it */
	char markers[BENCH_PATH_SIZE]; /* the marker directory */
	int counts[BENCH_COUNTS_MOST]; /* of waiting processes */
	int count_count;
	const struct baseline *baselines[BENCH_PEERS_MOST];
	int baseline_count;
	int many;	  /* joins, connections, wherever there are thousands */
	int rounds;	  /* at most */
	int64_t until_ns; /* on now_ns(): what has not been measured by then is left out */
	int64_t limit_ns; /* a step of a round that takes longer has lost somebody */
};

int64_t now_ns(void);

/* "bench: ..." on standard error, and the end. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
/* The same with the text of errno. */
__attribute__((noreturn, format(printf, 1, 2))) void fail_errno(const char *format, ...);
/* On standard error, and in the tables: what was not measured, and why. */
__attribute__((format(printf, 1, 2))) void left_out(const char *format, ...);

/* fork(2) of a child that does not outlive the bench, and that ends without its exit handlers. */
pid_t bench_fork(void);

/* Processor time of a process so far; 0 when it is gone. */
int64_t cpu_of(pid_t pid);
/* That of all children who were reaped by this process, and of theirs. */
int64_t cpu_of_reaped(void);

void nap_us(long us);

/* Samples of one quantity, in nanoseconds or whatever the measurement says. */
struct samples {
	int64_t *values;
	size_t count, room;
};
void samples_add(struct samples *samples, int64_t value);
void samples_fini(struct samples *samples);
/* 0 <= share <= 1: 0.5 is the median. There must be one sample at least. */
int64_t samples_at(struct samples *samples, double share);

/* Raises what can be raised without privilege: descriptors. */
void raise_limits(void);
/* How many processes this user may start and the machine can number, with room for others. */
long processes_most(void);
/* A number from a file of /proc; -1 where there is none. */
long read_number(const char *path);

#endif
