/*
 * Noise: while many processes wait, unrelated files are created in the directory. How much CPU time does each
 * file take, in all processes together, and how much does waiting itself take while nothing happens? The
 * latter is measured first and subtracted from the former.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/measures.h"
#include "bench/baseline.h"

/* Files are created until either limit is reached. */
#define MAX_FILES 8000
#define FILES_NS  500000000LL
#define IDLE_US	  1000000

struct cell {
	struct samples idle, wake_ups, file;
	int files;
};

static void cell_fini(struct cell *cell)
{
	samples_fini(&cell->idle);
	samples_fini(&cell->wake_ups);
	samples_fini(&cell->file);
}

static void name_file(const struct bench *bench, int i, char *path, size_t size)
{
	snprintf(path, size, "%s/unrelated-%d", bench->markers, i);
}

static int create_files(const struct bench *bench)
{
	int64_t limit = now_ns() + FILES_NS;
	char path[BENCH_PATH_SIZE + 64];
	int fd, i;

	for (i = 0; i < MAX_FILES && (i == 0 || now_ns() < limit); i++) {
		name_file(bench, i, path, sizeof(path));
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			fail_errno("%s", path);
		close(fd);
	}
	return i;
}

static void remove_files(const struct bench *bench, int count)
{
	char path[BENCH_PATH_SIZE + 64];

	for (int i = 0; i < count; i++) {
		name_file(bench, i, path, sizeof(path));
		if (unlink(path) != 0)
			fail_errno("%s", path);
	}
}

/* Returns nanoseconds of CPU time in IDLE_US. */
static int64_t take_idle_sample(const struct trial *trial, struct cell *cell)
{
	pid_t server = server_pid(trial->baseline->server);
	int64_t cpu = tree_cpu(&trial->tree);
	long sleeps = sleeps_of(server);

	sleep_us(IDLE_US);
	cpu = tree_cpu(&trial->tree) - cpu;
	samples_add(&cell->idle, cpu);
	samples_add(&cell->wake_ups, sleeps_of(server) - sleeps);
	return cpu;
}

static void run_round(
    const struct bench *bench, const struct baseline *baseline, int waiters, struct cell *cell)
{
	struct trial trial;
	int64_t idle, began, cost, own;

	trial_open(&trial, bench, baseline, waiters);
	idle = take_idle_sample(&trial, cell);
	began = now_ns();
	cost = trial_cpu(&trial);
	own = cpu_of(getpid());
	cell->files = create_files(bench);
	own = cpu_of(getpid()) - own;
	trial_await_quiet(&trial);
	idle = idle * ((now_ns() - began) / 1000) / IDLE_US;
	cost = trial_cpu(&trial) - cost;
	/* If waiting takes more than the files, the difference is mostly measurement error. */
	if (cost > 2 * idle)
		samples_add(&cell->file, (own + cost - idle) / cell->files);
	trial_release(&trial);
	trial_close(&trial);
	remove_files(bench, cell->files);
}

static void print_cell(const struct baseline *baseline, int waiters, struct cell *cell)
{
	if (cell->idle.count == 0) {
		left_out("noise, %s with %d waiters: time ran out", baseline->name, waiters);
		return;
	}
	printf("%s,%d,%zu,%.1f,", baseline->name, waiters, cell->idle.count,
	    (double)samples_quantile(&cell->idle, 0.5) / 1e3);
	if (baseline->server != SERVER_NONE)
		printf("%lld", (long long)samples_quantile(&cell->wake_ups, 0.5));
	if (cell->file.count == 0) {
		printf(",,\n");
		left_out("noise, files with %s and %d waiters: waiting itself takes more CPU time",
		    baseline->name, waiters);
	} else
		printf(",%d,%.2f\n", cell->files, (double)samples_quantile(&cell->file, 0.5) / 1e3);
}

void measure_noise(const struct bench *bench)
{
	struct cell(*cells)[BENCH_MAX_COUNTS] = calloc((size_t)bench->baseline_count, sizeof(*cells));

	if (cells == NULL)
		fail_errno("noise");
	for (int turn = 0; turn < bench->rounds && now_ns() < bench->until_ns; turn++)
		for (int i = 0; i < bench->count_count; i++)
			for (int b = 0; b < bench->baseline_count; b++)
				if (baseline_why_not(bench->baselines[b], bench->counts[i]) == NULL &&
				    now_ns() < bench->until_ns)
					run_round(bench, bench->baselines[b], bench->counts[i], &cells[b][i]);
	printf("baseline,waiters,rounds,idle_us_per_s,server_wake_ups_per_s,files,file_us\n");
	for (int i = 0; i < bench->count_count; i++)
		for (int b = 0; b < bench->baseline_count; b++)
			if (baseline_why_not(bench->baselines[b], bench->counts[i]) == NULL)
				print_cell(bench->baselines[b], bench->counts[i], &cells[b][i]);
			else if (!bench->baselines[b]->only_by_name)
				left_out("noise, %s with %d waiters: %s", bench->baselines[b]->name,
				    bench->counts[i],
				    baseline_why_not(bench->baselines[b], bench->counts[i]));
	for (int b = 0; b < bench->baseline_count; b++)
		for (int i = 0; i < bench->count_count; i++)
			cell_fini(&cells[b][i]);
	free(cells);
}
