/*
 * Fan-out: so many processes wait, one worker writes its marker. What does the worker pay, when are the
 * waiters awake, and what does all of it cost in processor time?
 *
 * Rounds of the baselines take turns, so that what else the machine does hits all alike. Small trials are
 * cheap and have more rounds.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/markers.h"
#include "bench/measures.h"
#include "bench/baseline.h"

struct cell {
	struct samples other, own, first, median, last, cpu;
	int64_t took; /* by one round, when last measured */
};

static void add_wake_ups(const struct trial *trial, struct cell *cell)
{
	struct samples woken = {0};

	for (int i = 0; i < trial->waiters; i++)
		samples_add(&woken, trial->shared->slots[i].woken - trial->shared->began);
	if (woken.count > 0) {
		samples_add(&cell->first, samples_at(&woken, 0));
		samples_add(&cell->median, samples_at(&woken, 0.5));
		samples_add(&cell->last, samples_at(&woken, 1));
	}
	samples_fini(&woken);
}

static void run_round(
    const struct bench *bench, const struct baseline *baseline, int waiters, struct cell *cell)
{
	int64_t began = now_ns(), cpu;
	struct trial trial;

	trial_open(&trial, bench, baseline, waiters);
	markers_write(&trial, &cell->other);
	trial_calm(&trial);
	cpu = trial_cpu(&trial);
	trial_release(&trial);
	samples_add(&cell->cpu, trial_cpu(&trial) - cpu);
	samples_add(&cell->own, trial.shared->ended - trial.shared->began);
	add_wake_ups(&trial, cell);
	trial_close(&trial);
	cell->took = now_ns() - began;
}

static void cell_fini(struct cell *cell)
{
	samples_fini(&cell->other);
	samples_fini(&cell->own);
	samples_fini(&cell->first);
	samples_fini(&cell->median);
	samples_fini(&cell->last);
	samples_fini(&cell->cpu);
}

static double us(struct samples *samples, double share)
{
	return (double)samples_at(samples, share) / 1e3;
}

static void print_cell(const struct baseline *baseline, int waiters, struct cell *cell)
{
	if (cell->own.count == 0)
		return;
	printf("%s,%d,%zu,%.2f,%.2f,%zu,%.2f,%.1f", baseline->name, waiters, cell->own.count,
	    us(&cell->other, 0.5), us(&cell->other, 0.99), cell->other.count, us(&cell->own, 0.5),
	    us(&cell->cpu, 0.5));
	if (waiters > 0)
		printf(
		    ",%.1f,%.1f,%.1f\n", us(&cell->first, 0.5), us(&cell->median, 0.5), us(&cell->last, 0.5));
	else
		printf(",,,\n");
}

/* The first turn goes through all of them, whatever comes of the time. */
static int rounds_of_turn(int turn, int waiters)
{
	return turn == 0 ? 1 : waiters <= 10 ? 4 : waiters <= 100 ? 2 : 1;
}

/* What a round took with fewer waiters says what it will take with more. */
static bool has_time(const struct bench *bench, struct cell *cells, int i)
{
	int64_t expected = cells[i].took;

	if (expected == 0 && i > 0 && bench->counts[i - 1] > 0)
		expected = cells[i - 1].took * bench->counts[i] / bench->counts[i - 1];
	return now_ns() + expected < bench->until_ns;
}

static void take_turn(const struct bench *bench, struct cell (*cells)[BENCH_COUNTS_MOST], int i, int turn)
{
	for (int round = 0; round < rounds_of_turn(turn, bench->counts[i]); round++)
		for (int p = 0; p < bench->baseline_count; p++)
			if (baseline_why_not(bench->baselines[p], bench->counts[i]) == NULL &&
			    has_time(bench, cells[p], i))
				run_round(bench, bench->baselines[p], bench->counts[i], &cells[p][i]);
	fprintf(stderr, "fanout: turn %d with %d waiters\n", turn + 1, bench->counts[i]);
}

static void print_all(const struct bench *bench, struct cell (*cells)[BENCH_COUNTS_MOST])
{
	const char *why;

	printf(
	    "baseline,waiters,rounds,worker_us,worker_p99_us,markers,own_marker_us,cpu_us,first_us,median_us,"
	    "last_us\n");
	for (int i = 0; i < bench->count_count; i++)
		for (int p = 0; p < bench->baseline_count; p++) {
			print_cell(bench->baselines[p], bench->counts[i], &cells[p][i]);
			why = baseline_why_not(bench->baselines[p], bench->counts[i]);
			if (why != NULL || cells[p][i].own.count == 0)
				left_out("%s with %d waiters: %s", bench->baselines[p]->name,
				    bench->counts[i], why != NULL ? why : "the time was up");
		}
}

void measure_fanout(const struct bench *bench)
{
	struct cell(*cells)[BENCH_COUNTS_MOST] = calloc((size_t)bench->baseline_count, sizeof(*cells));

	if (cells == NULL)
		fail_errno("fanout");
	for (int turn = 0; turn < bench->rounds && now_ns() < bench->until_ns; turn++)
		for (int i = 0; i < bench->count_count; i++)
			take_turn(bench, cells, i, turn);
	print_all(bench, cells);
	for (int p = 0; p < bench->baseline_count; p++)
		for (int i = 0; i < bench->count_count; i++)
			cell_fini(&cells[p][i]);
	free(cells);
}
