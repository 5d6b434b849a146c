#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/gate.h"
#include "daemon/registry.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/reserve.h"
#include "daemon/tracker.h"

/*
 * A read end is kept and handed out for as long as waiters keep coming, so that they share one open file
 * description. On a pipe without a writer, each close of an open file description wakes all processes that
 * still poll the pipe; with one each, N waiters that leave wake each other N^2/2 times (measured with
 * 2,000: 300 ms until the last is awake, 110 ms with a shared one).
 */
#define SHARE_MS 2000

/*
 * A woken waiter has to leave the pipe's wait queue, and cannot while the kernel still walks it: of 2,000
 * in one queue the first is awake after 4.7 ms and the last after 30 ms; with 16 pipes, after 0.6 and 22
 * ms. So this many waiters share a pipe before the next one is opened, up to this many pipes; then they are
 * filled in turn.
 */
#define SHARD_WAITERS 64
#define SHARDS_MAX    16

struct shard {
	TAILQ_ENTRY(shard) link;
	struct gate *gate;
	int fd;		     /* the write end */
	int shared;	     /* the read end; -1 when idle, so that the last waiter's close is seen */
	uint64_t handed_out; /* so far */
	struct loop_fd *abandoned;
	struct loop_timer *idle; /* runs while the read end is kept */
};

struct gate {
	struct registry_wait wait; /* first: cast back to the gate. Its settled() closes the gate. */
	LIST_ENTRY(gate) link;
	struct gates *gates;
	struct registry_entry *entry;
	TAILQ_HEAD(shards, shard) shards; /* the first is being filled; empty only at the end */
	unsigned shard_count;
};

void gates_init(struct gates *gates, struct loop *loop, struct tracker *tracker, size_t limit)
{
	*gates = (struct gates){.loop = loop, .tracker = tracker, .limit = limit};
	LIST_INIT(&gates->all);
}

static void shard_free(struct shard *shard)
{
	TAILQ_REMOVE(&shard->gate->shards, shard, link);
	shard->gate->shard_count--;
	shard->gate->gates->shards--;
	loop_fd_free(shard->abandoned);
	loop_timer_free(shard->idle);
	close(shard->fd);
	if (shard->shared >= 0)
		close(shard->shared);
	xalloc_free(shard);
}

/* The entry may be gone afterwards, unless the gate was settled. */
static void gate_free(struct gate *gate)
{
	LIST_REMOVE(gate, link);
	gate->entry->gate = NULL;
	gate->gates->count--;
	while (!TAILQ_EMPTY(&gate->shards))
		shard_free(TAILQ_FIRST(&gate->shards));
	tracker_leave(gate->gates->tracker, &gate->wait);
	xalloc_free(gate);
}

/* The byte spares waiters from asking whether the process was ready; if it cannot be written, they ask. It
 * does not say on what evidence: where that is weak, they ask too. */
static void on_settled(struct registry_wait *wait, const struct readyd_answer *answer)
{
	struct gate *gate = (struct gate *)wait;
	bool was_ready = answer->verdict == READYD_READY || answer->verdict == READYD_EXITED;
	bool assumed = (answer->flags & READYD_FLAG_AGE_ASSUMED) != 0;
	struct shard *shard;

	while ((shard = TAILQ_FIRST(&gate->shards)) != NULL) {
		if (was_ready && !assumed)
			(void)!write(shard->fd, "r", 1);
		shard_free(shard);
	}
	gate_free(gate);
}

/* No waiter has come for a while: closes the read end, so that the last waiter's close is seen. */
static void on_idle(void *context)
{
	struct shard *shard = context;

	close(shard->shared);
	shard->shared = -1;
}

/* No process holds a read end any more. Only a hint: one may have been handed out since. */
static void on_abandoned(int fd, void *context)
{
	struct shard *shard = context;
	struct gate *gate = shard->gate;
	struct pollfd poll_fd = {.fd = fd, .events = 0};

	if (poll(&poll_fd, 1, 0) == 0)
		return;
	if (gate->shard_count > 1)
		shard_free(shard);
	else
		gate_free(gate);
}

/* The pipe's inode belongs to this process's uid with mode 0600: no other user can open a write end
 * through /proc and hold the gate shut. */
static int open_pipe(const struct gates *gates, int ends[2])
{
	if (gates->shards >= gates->limit) {
		errno = ENOSPC;
		return -1;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	if (!reserve_allows(ends[1])) {
		close(ends[0]);
		close(ends[1]);
		errno = EMFILE;
		return -1;
	}
	/* At most one byte is ever written; a small ring saves the user's pipe quota
	 * (pipe-user-pages-soft). Failure to shrink it is not a reason to refuse. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, 1);
	return 0;
}

static void add_shard(struct gate *gate, const int ends[2])
{
	struct shard *shard = xalloc_new(sizeof(*shard));

	shard->gate = gate;
	shard->fd = ends[1];
	shard->shared = ends[0];
	/* A write end only reports EPOLLERR, when no reader is left. */
	shard->abandoned = loop_fd_new(gate->gates->loop, shard->fd, LOOP_READ, on_abandoned, shard);
	loop_fd_start(shard->abandoned);
	shard->idle = loop_timer_new(gate->gates->loop, on_idle, shard);
	TAILQ_INSERT_HEAD(&gate->shards, shard, link);
	gate->shard_count++;
	gate->gates->shards++;
}

static struct gate *gate_open(struct gates *gates, struct registry_entry *entry)
{
	struct gate *gate;
	int ends[2];

	if (open_pipe(gates, ends) != 0)
		return NULL;
	gate = xalloc_new(sizeof(*gate));
	gate->gates = gates;
	gate->entry = entry;
	gate->wait.settled = on_settled;
	TAILQ_INIT(&gate->shards);
	add_shard(gate, ends);
	registry_attach(gates->tracker->registry, entry, &gate->wait);
	entry->gate = gate;
	LIST_INSERT_HEAD(&gates->all, gate, link);
	gates->count++;
	return gate;
}

/* The shard for the next waiter. If another cannot be opened, the existing ones take more. */
static struct shard *choose_shard(struct gate *gate)
{
	struct shard *first = TAILQ_FIRST(&gate->shards);
	int ends[2];

	if (first->handed_out == 0 || first->handed_out % SHARD_WAITERS != 0)
		return first;
	if (gate->shard_count < SHARDS_MAX && open_pipe(gate->gates, ends) == 0) {
		add_shard(gate, ends);
	} else {
		TAILQ_REMOVE(&gate->shards, first, link);
		TAILQ_INSERT_TAIL(&gate->shards, first, link);
	}
	return TAILQ_FIRST(&gate->shards);
}

static int share_again(struct shard *shard)
{
	char path[32];

	if (shard->shared < 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", shard->fd);
		shard->shared = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	return shard->shared;
}

int gate_join(struct gates *gates, struct registry_entry *entry)
{
	struct gate *gate = entry->gate != NULL ? entry->gate : gate_open(gates, entry);
	struct shard *shard = gate == NULL ? NULL : choose_shard(gate);

	if (shard == NULL || share_again(shard) < 0)
		return -1;
	loop_timer_start(shard->idle, SHARE_MS);
	shard->handed_out++;
	gates->handed_out++;
	return shard->shared;
}

void gates_fini(struct gates *gates)
{
	while (!LIST_EMPTY(&gates->all))
		gate_free(LIST_FIRST(&gates->all));
}
