#include "config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/baseline.h"
#include "bench/waiters.h"

static struct shared *shared;
static pid_t *pids;
static int count, capacity;

/* Checks the marker and writes the slot once before the wait, so that no first page fault is measured. */
static void wait_once(struct trial *trial, int i)
{
	struct slot *slot = &trial->shared->slots[i];
	int64_t reaped = cpu_of_reaped();

	slot->woken = trial_marker_exists(trial) ? 0 : now_ns();
	if (trial->baseline->wait(trial, i) != 0)
		fail_errno("%s: waiter %d of %d", trial->baseline->name, i, trial->waiters);
	if (!trial_marker_exists(trial))
		fail("%s: waiter %d of %d was woken without a marker", trial->baseline->name, i,
		    trial->waiters);
	slot->woken = now_ns();
	if (trial->baseline->extra_processes > 0)
		slot->cpu_reaped = cpu_of_reaped() - reaped;
	trial->shared->awake++;
	futex_wait(&trial->shared->over, 0);
	if (trial->baseline->clean_up != NULL)
		trial->baseline->clean_up(trial);
}

__attribute__((noreturn)) static void waiter_main(const struct bench *bench, int i)
{
	struct trial trial = {.bench = bench, .shared = shared};
	int number = 0;

	for (;;) {
		futex_wait(&shared->slots[i].trial_number, number);
		number = shared->slots[i].trial_number;
		trial.baseline = shared->baseline;
		trial.worker = shared->worker;
		trial.waiters = shared->waiters;
		trial_set_marker_path(&trial);
		wait_once(&trial, i);
		shared->idle++;
	}
}

/* Maps slots for the largest trial, since waiters that are forked now must see those of later ones. */
static void map_shared(const struct bench *bench)
{
	for (int i = 0; i < bench->count_count; i++)
		capacity = bench->counts[i] > capacity ? bench->counts[i] : capacity;
	shared = mmap(NULL, sizeof(*shared) + (size_t)capacity * sizeof(shared->slots[0]),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pids = calloc((size_t)capacity + 1, sizeof(*pids));
	if (shared == MAP_FAILED || pids == NULL)
		fail_errno("memory for %d waiters", capacity);
}

void waiters_prepare(struct trial *trial)
{
	if (shared == NULL)
		map_shared(trial->bench);
	for (; count < trial->waiters; count++) {
		pids[count] = bench_fork();
		if (pids[count] == 0)
			waiter_main(trial->bench, count);
	}
	trial->shared = shared;
	trial->pids = pids;
	shared->armed = shared->awake = shared->idle = 0;
	shared->go = shared->done = shared->over = shared->announced = 0;
	shared->worker_cpu_reaped = 0;
	for (int i = 0; i < trial->waiters; i++)
		shared->slots[i].cpu_reaped = 0;
}

void waiters_start(const struct trial *trial)
{
	shared->baseline = trial->baseline;
	shared->worker = trial->worker;
	shared->waiters = trial->waiters;
	for (int i = 0; i < trial->waiters; i++) {
		shared->slots[i].trial_number++;
		futex_wake_all(&shared->slots[i].trial_number);
	}
}

int waiters_count(void)
{
	return count;
}
