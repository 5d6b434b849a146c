#include "config.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/peer.h"
#include "bench/waiters.h"

static struct shared *shared;
static pid_t *pids;
static int count, room;

/* What it costs to touch a page for the first time is not to be measured: the marker is looked at, and the
 * slot written, before the wait. */
static void wait_once(struct field *field, int i)
{
	struct slot *slot = &field->shared->slots[i];
	int64_t reaped = cpu_of_reaped();

	slot->woken = field_marker_is_there(field) ? 0 : now_ns();
	if (field->peer->wait(field, i) != 0)
		fail_errno("%s: waiter %d of %d", field->peer->name, i, field->waiters);
	if (!field_marker_is_there(field))
		fail("%s: waiter %d of %d was woken without a marker", field->peer->name, i, field->waiters);
	slot->woken = now_ns();
	if (field->peer->processes > 0)
		slot->cpu_reaped = cpu_of_reaped() - reaped;
	field->shared->awake++;
	futex_wait(&field->shared->over, 0);
	if (field->peer->leave != NULL)
		field->peer->leave(field);
}

__attribute__((noreturn)) static void be_waiter(const struct bench *bench, int i)
{
	struct field field = {.bench = bench, .shared = shared};
	int order = 0;

	for (;;) {
		futex_wait(&shared->slots[i].order, order);
		order = shared->slots[i].order;
		field.peer = shared->peer;
		field.worker = shared->worker;
		field.waiters = shared->waiters;
		field_find_marker(&field);
		wait_once(&field, i);
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

void waiters_gather(struct field *field)
{
	if (shared == NULL)
		make_room(field->bench);
	for (; count < field->waiters; count++) {
		pids[count] = bench_fork();
		if (pids[count] == 0)
			be_waiter(field->bench, count);
	}
	field->shared = shared;
	field->pids = pids;
	shared->armed = shared->awake = shared->home = 0;
	shared->go = shared->done = shared->over = shared->called = 0;
	shared->worker_cpu_reaped = 0;
	for (int i = 0; i < field->waiters; i++)
		shared->slots[i].cpu_reaped = 0;
}

void waiters_send(const struct field *field)
{
	shared->peer = field->peer;
	shared->worker = field->worker;
	shared->waiters = field->waiters;
	for (int i = 0; i < field->waiters; i++) {
		shared->slots[i].order++;
		futex_wake_all(&shared->slots[i].order);
	}
}

int waiters_count(void)
{
	return count;
}
