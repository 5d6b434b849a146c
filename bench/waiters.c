#include "config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/baseline.h"
#include "bench/waiters.h"

static struct shared *shared;
static pid_t *pids;
static int count, room;

/* What it costs to touch a page for the first time is not to be measured: the marker is looked at, and the
 * slot written, before the wait. */
static void wait_once(struct trial *trial, int i)
{
	struct slot *slot = &trial->shared->slots[i];
	int64_t reaped = cpu_of_reaped();

	slot->woken = trial_marker_is_there(trial) ? 0 : now_ns();
	if (trial->baseline->wait(trial, i) != 0)
		fail_errno("%s: waiter %d of %d", trial->baseline->name, i, trial->waiters);
	if (!trial_marker_is_there(trial))
		fail("%s: waiter %d of %d was woken without a marker", trial->baseline->name, i,
		    trial->waiters);
	slot->woken = now_ns();
	if (trial->baseline->processes > 0)
		slot->cpu_reaped = cpu_of_reaped() - reaped;
	trial->shared->awake++;
	futex_wait(&trial->shared->over, 0);
	if (trial->baseline->leave != NULL)
		trial->baseline->leave(trial);
}

__attribute__((noreturn)) static void be_waiter(const struct bench *bench, int i)
{
	struct trial trial = {.bench = bench, .shared = shared};
	int order = 0;

	for (;;) {
		futex_wait(&shared->slots[i].order, order);
		order = shared->slots[i].order;
		trial.baseline = shared->baseline;
		trial.worker = shared->worker;
		trial.waiters = shared->waiters;
		trial_find_marker(&trial);
		wait_once(&trial, i);
		shared->home++;
	}
}

/* For as many as will ever be needed: those who were forked earlier must see it all. */
static void make_room(const struct bench *bench)
{
	for (int i = 0; i < bench->count_count; i++)
		room = bench->counts[i] > room ? bench->counts[i] : room;
	shared = mmap(NULL, sizeof(*shared) + (size_t)room * sizeof(shared->slots[0]), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pids = calloc((size_t)room + 1, sizeof(*pids));
	if (shared == MAP_FAILED || pids == NULL)
		fail_errno("memory for %d waiters", room);
}

void waiters_gather(struct trial *trial)
{
	if (shared == NULL)
		make_room(trial->bench);
	for (; count < trial->waiters; count++) {
		pids[count] = bench_fork();
		if (pids[count] == 0)
			be_waiter(trial->bench, count);
	}
	trial->shared = shared;
	trial->pids = pids;
	shared->armed = shared->awake = shared->home = 0;
	shared->go = shared->done = shared->over = shared->called = 0;
	shared->worker_cpu_reaped = 0;
	for (int i = 0; i < trial->waiters; i++)
		shared->slots[i].cpu_reaped = 0;
}

void waiters_send(const struct trial *trial)
{
	shared->baseline = trial->baseline;
	shared->worker = trial->worker;
	shared->waiters = trial->waiters;
	for (int i = 0; i < trial->waiters; i++) {
		shared->slots[i].order++;
		futex_wake_all(&shared->slots[i].order);
	}
}

int waiters_count(void)
{
	return count;
}
