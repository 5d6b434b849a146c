/*
 * What waiters take from a worker that is busy on all processors: how much it computes in a second while they
 * wait for it, compared with the seconds before and after, in which no process waits.
 */
#include "config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/affinity.h"
#include "bench/baseline.h"
#include "bench/measures.h"
#include "bench/sleeper.h"

#define MAX_CPUS  64
#define WINDOW_MS 1000
#define ROUNDS	  15
#define STEPS	  20000 /* between two looks at the clock: some 20 us */

static struct board {
	atomic_int window; /* how many have begun */
	atomic_int done;
	int64_t until;
	struct {
		_Alignas(64) int64_t work;
	} cpus[MAX_CPUS];
} * board;

static unsigned compute(unsigned x)
{
	for (int i = 0; i < STEPS; i++)
		x = x * 1664525u + 1013904223u;
	return x;
}

static _Noreturn void work(int cpu)
{
	volatile unsigned result = 1;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	affinity_set(0, &set);
	for (int window = 0;; window++) {
		futex_wait(&board->window, window);
		board->cpus[cpu % MAX_CPUS].work = 0;
		while (now_ns() < board->until) {
			result = compute(result);
			board->cpus[cpu % MAX_CPUS].work++;
		}
		board->done++;
	}
}

static int start_workers(pid_t *pids)
{
	cpu_set_t all;
	int count = 0;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED || sched_getaffinity(0, sizeof(all), &all) != 0)
		fail_errno("busy");
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		if (CPU_ISSET(cpu, &all) && (pids[count++] = bench_fork()) == 0)
			work(cpu);
	return count;
}

/* Returns how much all of them compute in that time. */
static int64_t run_for(const struct bench *bench, int workers, int ms)
{
	int64_t sum = 0, limit;

	board->done = 0;
	board->until = now_ns() + ms * 1000000LL;
	limit = board->until + bench->limit_ns;
	board->window++;
	futex_wake_all(&board->window);
	while (board->done < workers) {
		if (now_ns() > limit)
			fail("busy: a worker has ended");
		sleep_us(1000);
	}
	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		sum += board->cpus[cpu].work;
	return sum;
}

/* Returns how much they compute in a second. They run a while before, since a processor that was idle may be
 * slow at first. */
static double run_window(const struct bench *bench, int workers)
{
	const int ms = bench->window_ms > 0 ? bench->window_ms : WINDOW_MS;

	(void)run_for(bench, workers, ms / 4);
	return (double)run_for(bench, workers, ms) * 1000 / ms;
}

struct result {
	struct samples without, with, ratio; /* the last in millionths */
};

static void run_round(const struct bench *bench, int workers, int waiters, struct result *result)
{
	double before, with, after;
	struct trial trial;

	before = run_window(bench, workers);
	trial_open(&trial, bench, baseline_find("gate"), waiters);
	with = run_window(bench, workers);
	trial_release(&trial);
	trial_close(&trial);
	after = run_window(bench, workers);
	samples_add(&result->without, (int64_t)((before + after) / 2));
	samples_add(&result->with, (int64_t)with);
	samples_add(&result->ratio, (int64_t)(with * 2e6 / (before + after)));
}

static void measure(const struct bench *bench, int workers, int waiters)
{
	struct result result = {0};

	for (int i = 0; i < ROUNDS && i < bench->rounds && (i == 0 || now_ns() < bench->until_ns); i++) {
		progress("busy: round %d with %d waiters", i + 1, waiters);
		run_round(bench, workers, waiters, &result);
	}
	printf("%d,%zu,%lld,%lld,%.4f,%.4f,%.4f\n", waiters, result.ratio.count,
	    (long long)samples_quantile(&result.without, 0.5), (long long)samples_quantile(&result.with, 0.5),
	    (double)samples_quantile(&result.ratio, 0.5) / 1e6,
	    (double)samples_quantile(&result.ratio, 0) / 1e6,
	    (double)samples_quantile(&result.ratio, 1) / 1e6);
	samples_fini(&result.without);
	samples_fini(&result.with);
	samples_fini(&result.ratio);
}

void measure_busy(const struct bench *bench)
{
	pid_t pids[MAX_CPUS];
	int workers = start_workers(pids);

	printf("waiters,rounds,without_per_s,with_per_s,ratio,least,greatest\n");
	for (int i = 0; i < bench->count_count; i++)
		if (baseline_why_not(baseline_find("gate"), bench->counts[i]) == NULL)
			measure(bench, workers, bench->counts[i]);
		else
			left_out("busy, %d waiters: %s", bench->counts[i],
			    baseline_why_not(baseline_find("gate"), bench->counts[i]));
	for (int i = 0; i < workers; i++)
		sleeper_kill(pids[i]);
}
