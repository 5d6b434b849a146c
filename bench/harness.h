/*
 * What all measurements share: clocks, samples, limits, and errors. A measurement that goes wrong prints what
 * failed and exits; it never reports a figure.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_MAX_COUNTS    16
#define BENCH_MAX_BASELINES 16
#define BENCH_PATH_SIZE	    256

struct baseline;

/* The options of the command line. */
struct bench {
	const char *bin;	       /* build directory with daemon/readyd and client/readyctl */
	const char *static_bin;	       /* the same for static programs; NULL if not built */
	const char *dir;	       /* for markers, sockets and logs; the caller removes it */
	char markers[BENCH_PATH_SIZE]; /* the marker directory */
	int counts[BENCH_MAX_COUNTS];  /* numbers of waiters to measure with */
	int count_count;
	const struct baseline *baselines[BENCH_MAX_BASELINES];
	int baseline_count;
	int many;	  /* how many joins and connections to measure with */
	int rounds;	  /* at most */
	int pause_ms;	  /* 0: what the measurement itself finds right */
	int window_ms;	  /* the same */
	bool nested;	  /* there is a process in a child pid namespace */
	int64_t until_ns; /* on the clock of now_ns(): what has not begun by then is left out */
	int64_t limit_ns; /* if one step of a trial takes longer, a waiter is lost and the run aborts */
};

int64_t now_ns(void);

/* Prints "bench: ..." on standard error and exits. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
/* The same with the text of errno. */
__attribute__((noreturn, format(printf, 1, 2))) void fail_errno(const char *format, ...);
/* Prints on standard error what was not measured and why; the tables repeat it. */
__attribute__((format(printf, 1, 2))) void left_out(const char *format, ...);

/* Prints on standard error how far a measurement has got. */
__attribute__((format(printf, 1, 2))) void progress(const char *format, ...);

/* fork(2), for a child that does not outlive the bench and does not run its exit handlers. */
pid_t bench_fork(void);

/* CPU time of a process so far; 0 once it is reaped. */
int64_t cpu_of(pid_t pid);
/* CPU time of all children reaped by this process, and of their reaped children. */
int64_t cpu_of_reaped(void);

void sleep_us(long us);

/* Samples of one quantity, in nanoseconds unless the measurement says otherwise. */
struct samples {
	int64_t *values;
	size_t count, capacity;
};
void samples_add(struct samples *samples, int64_t value);
void samples_fini(struct samples *samples);
/* 0 <= share <= 1: 0.5 is the median. Aborts the run if there are no samples. */
int64_t samples_quantile(struct samples *samples, double share);

/* Raises the soft limit of descriptors to the hard one. */
void raise_limits(void);
/* How many processes the bench may start: half of what the user's limit and pid_max allow. */
long max_processes(void);
/* The number in a file of /proc; -1 if it cannot be read. */
long read_number(const char *path);

#endif
