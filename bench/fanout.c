/*
 * Fan-out: many processes wait for one worker, which writes its marker. How long do the worker's calls take,
 * when are the waiters awake, and how much CPU time does all of it take?
 *
 * The baselines take turns, so that other load on the machine affects all of them. Trials with few waiters
 * are cheap and get more rounds.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/markers.h"
#include "bench/measures.h"
#include "bench/baseline.h"

struct cell {
	struct samples unrelated; /* a marker of another worker */
	struct samples own, first, median, last, cpu;
	int64_t round_ns; /* how long the last round took */
};

static void add_wake_ups(const struct trial *trial, struct cell *cell)
{
	struct samples woken = {0};

	for (int i = 0; i < trial->waiters; i++)
		samples_add(&woken, trial->shared->slots[i].woken - trial->shared->began);
	if (woken.count > 0) {
		samples_add(&cell->first, samples_quantile(&woken, 0));
		samples_add(&cell->median, samples_quantile(&woken, 0.5));
		samples_add(&cell->last, samples_quantile(&woken, 1));
	}
	samples_fini(&woken);
}

static void run_round(
    const struct bench *bench, const struct baseline *baseline, int waiters, struct cell *cell)
{
	int64_t began = now_ns(), cpu;
	struct trial trial;

	trial_open(&trial, bench, baseline, waiters);
	markers_time(&trial, &cell->unrelated);
	trial_await_quiet(&trial);
	cpu = trial_cpu(&trial);
	trial_release(&trial);
	samples_add(&cell->cpu, trial_cpu(&trial) - cpu);
	samples_add(&cell->own, trial.shared->ended - trial.shared->began);
	add_wake_ups(&trial, cell);
	trial_close(&trial);
	cell->round_ns = now_ns() - began;
}

static void cell_fini(struct cell *cell)
{
	samples_fini(&cell->unrelated);
	samples_fini(&cell->own);
	samples_fini(&cell->first);
	samples_fini(&cell->median);
	samples_fini(&cell->last);
	samples_fini(&cell->cpu);
}

static double us(struct samples *samples, double share)
{
	return (double)samples_quantile(samples, share) / 1e3;
}

static void print_cell(const struct baseline *baseline, int waiters, struct cell *cell)
{
	if (cell->own.count == 0)
		return;
	printf("%s,%d,%zu,%.2f,%.2f,%zu,%.2f,%.1f", baseline->name, waiters, cell->own.count,
	    us(&cell->unrelated, 0.5), us(&cell->unrelated, 0.99), cell->unrelated.count, us(&cell->own, 0.5),
	    us(&cell->cpu, 0.5));
	if (waiters > 0)
		printf(
		    ",%.1f,%.1f,%.1f\n", us(&cell->first, 0.5), us(&cell->median, 0.5), us(&cell->last, 0.5));
	else
		printf(",,,\n");
}

/* One round each in the first turn, so that a short run has at least one figure of everything. */
static int rounds_in_turn(int turn, int waiters)
{
	return turn == 0 ? 1 : waiters <= 10 ? 4 : waiters <= 100 ? 2 : 1;
}

/* Estimates the first round with a number of waiters from the rounds with fewer. */
static bool has_time(const struct bench *bench, struct cell *cells, int i)
{
	int64_t expected = cells[i].round_ns;

	if (expected == 0 && i > 0 && bench->counts[i - 1] > 0)
		expected = cells[i - 1].round_ns * bench->counts[i] / bench->counts[i - 1];
	return now_ns() + expected < bench->until_ns;
}

static void take_turn(const struct bench *bench, struct cell (*cells)[BENCH_MAX_COUNTS], int i, int turn)
{
	for (int round = 0; round < rounds_in_turn(turn, bench->counts[i]); round++)
		for (int b = 0; b < bench->baseline_count; b++)
			if (baseline_why_not(bench->baselines[b], bench->counts[i]) == NULL &&
			    has_time(bench, cells[b], i))
				run_round(bench, bench->baselines[b], bench->counts[i], &cells[b][i]);
	progress("fanout: turn %d with %d waiters", turn + 1, bench->counts[i]);
}

static void print_all(const struct bench *bench, struct cell (*cells)[BENCH_MAX_COUNTS])
{
	const char *why;

	printf(
	    "baseline,waiters,rounds,worker_us,worker_p99_us,markers,own_marker_us,cpu_us,first_us,median_us,"
	    "last_us\n");
	for (int i = 0; i < bench->count_count; i++)
		for (int b = 0; b < bench->baseline_count; b++) {
			print_cell(bench->baselines[b], bench->counts[i], &cells[b][i]);
			why = baseline_why_not(bench->baselines[b], bench->counts[i]);
			if (why != NULL || cells[b][i].own.count == 0)
				left_out("%s with %d waiters: %s", bench->baselines[b]->name,
				    bench->counts[i], why != NULL ? why : "time ran out");
		}
}

void measure_fanout(const struct bench *bench)
{
	struct cell(*cells)[BENCH_MAX_COUNTS] = calloc((size_t)bench->baseline_count, sizeof(*cells));

	if (cells == NULL)
		fail_errno("fanout");
	for (int turn = 0; turn < bench->rounds && now_ns() < bench->until_ns; turn++)
		for (int i = 0; i < bench->count_count; i++)
			take_turn(bench, cells, i, turn);
	print_all(bench, cells);
	for (int b = 0; b < bench->baseline_count; b++)
		for (int i = 0; i < bench->count_count; i++)
			cell_fini(&cells[b][i]);
	free(cells);
}
