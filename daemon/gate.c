#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/gate.h"
#include "daemon/ledger.h"
#include "daemon/loop.h"
#include "daemon/memory.h"
#include "daemon/reserve.h"
#include "daemon/witness.h"

/*
 * A read end is kept and handed out for as long as waiters keep coming, so that they share one open file.
 * That matters: each closing of an open file of a pipe without writer wakes all that still poll the pipe,
 * so that with a file each, N waiters that leave wake each other N^2/2 times (measured with 2,000: 300 ms
 * until the last is awake, with a shared file 110 ms).
 */
#define SHARE_MS 2000

/*
 * Who is woken has to leave the pipe's queue, and cannot while the kernel still goes through it: of 2,000 in
 * one queue the first is awake after 4.7 ms and the last after 30 ms, with 16 pipes after 0.6 and 22 ms. So
 * so many share a pipe, and then the next one is filled, up to so many pipes: then they are filled in turn.
 */
#define LANE_SHARE 64
#define LANES_MOST 16

struct lane {
	TAILQ_ENTRY(lane) link;
	struct gate *gate;
	int fd;		/* the write end */
	int share;	/* the read end, -1 while nobody comes: then that the last waiter goes shows */
	uint64_t joins; /* so far */
	struct event *abandoned;
};

struct gate {
	struct ledger_wait wait; /* first: the wait is the gate. Closing it is how a gate is told. */
	LIST_ENTRY(gate) link;
	struct gates *gates;
	struct ledger_entry *entry;
	TAILQ_HEAD(lanes, lane) lanes; /* the first is being filled; empty only at the end */
	unsigned lane_count;
};

void gates_init(struct gates *gates, struct event_base *base, struct witness *witness, size_t limit)
{
	*gates = (struct gates){.base = base, .witness = witness, .limit = limit};
	LIST_INIT(&gates->all);
}

static void lane_free(struct lane *lane)
{
	TAILQ_REMOVE(&lane->gate->lanes, lane, link);
	lane->gate->lane_count--;
	lane->gate->gates->lanes--;
	/* The event first: libevent must not be left with a descriptor that is closed. */
	event_free(lane->abandoned);
	close(lane->fd);
	if (lane->share >= 0)
		close(lane->share);
	memory_free(lane);
}

static void gate_free(struct gate *gate)
{
	LIST_REMOVE(gate, link);
	gate->entry->gate = NULL;
	gate->gates->count--;
	while (!TAILQ_EMPTY(&gate->lanes))
		lane_free(TAILQ_FIRST(&gate->lanes));
	memory_free(gate);
}

/* What is written spares waiters the question whether the process was ready; where it cannot be written they
 * ask. */
static void on_settled(struct ledger_wait *wait, const struct readyd_answer *answer)
{
	struct gate *gate = (struct gate *)wait;
	struct lane *lane;

	while ((lane = TAILQ_FIRST(&gate->lanes)) != NULL) {
		if (answer->verdict == READYD_READY || answer->verdict == READYD_EXITED)
			(void)!write(lane->fd, "r", 1);
		lane_free(lane);
	}
	gate_free(gate);
}

static void keep_sharing(struct lane *lane)
{
	struct timeval interval = {SHARE_MS / 1000, SHARE_MS % 1000 * 1000};

	loop_add(lane->abandoned, &interval);
}

static void stop_sharing(struct lane *lane)
{
	close(lane->share);
	lane->share = -1;
	loop_add(lane->abandoned, NULL);
}

/* Nobody has come for a while, or nobody holds a read end any more. The latter is a hint: one may have
 * been handed out since. */
static void on_abandoned(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;
	struct gate *gate = lane->gate;
	struct ledger_entry *entry = gate->entry;
	struct witness *witness = gate->gates->witness;
	struct pollfd poll_fd = {.fd = (int)fd, .events = 0};

	(void)what;
	if (lane->share >= 0)
		stop_sharing(lane);
	if (poll(&poll_fd, 1, 0) == 0) {
		loop_add(lane->abandoned, NULL);
		return;
	}
	if (gate->lane_count > 1) {
		lane_free(lane);
		return;
	}
	witness_detach(witness, &gate->wait);
	gate_free(gate);
	witness_release(witness, entry);
}

/* The pipe's inode belongs to this process's uid with mode 0600: no other user can open a write end
 * through /proc and hold the gate shut. */
static int open_pipe(const struct gates *gates, int ends[2])
{
	if (gates->lanes >= gates->limit) {
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
	/* One byte is all that is ever written; a small ring spares the user's pipe quota
	 * (pipe-user-pages-soft). That it cannot be made small is no reason to refuse. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, 1);
	return 0;
}

static void add_lane(struct gate *gate, const int ends[2])
{
	struct lane *lane = memory_alloc(sizeof(*lane));

	lane->gate = gate;
	lane->fd = ends[1];
	lane->share = ends[0];
	/* A write end is readable only by EPOLLERR, when no reader is left. */
	lane->abandoned = event_new(gate->gates->base, lane->fd, EV_READ, on_abandoned, lane);
	TAILQ_INSERT_HEAD(&gate->lanes, lane, link);
	gate->lane_count++;
	gate->gates->lanes++;
}

static struct gate *gate_open(struct gates *gates, struct ledger_entry *entry)
{
	struct gate *gate;
	int ends[2];

	if (open_pipe(gates, ends) != 0)
		return NULL;
	gate = memory_alloc(sizeof(*gate));
	gate->gates = gates;
	gate->entry = entry;
	gate->wait.settled = on_settled;
	TAILQ_INIT(&gate->lanes);
	add_lane(gate, ends);
	witness_attach(gates->witness, entry, &gate->wait);
	entry->gate = gate;
	LIST_INSERT_HEAD(&gates->all, gate, link);
	gates->count++;
	return gate;
}

/* The lane for the next waiter. Where no other can be had, the old ones have to take more. */
static struct lane *choose_lane(struct gate *gate)
{
	struct lane *first = TAILQ_FIRST(&gate->lanes);
	int ends[2];

	if (first->joins == 0 || first->joins % LANE_SHARE != 0)
		return first;
	if (gate->lane_count < LANES_MOST && open_pipe(gate->gates, ends) == 0) {
		add_lane(gate, ends);
	} else {
		TAILQ_REMOVE(&gate->lanes, first, link);
		TAILQ_INSERT_TAIL(&gate->lanes, first, link);
	}
	return TAILQ_FIRST(&gate->lanes);
}

static int share_again(struct lane *lane)
{
	char path[32];

	if (lane->share < 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", lane->fd);
		lane->share = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	return lane->share;
}

int gate_join(struct gates *gates, struct ledger_entry *entry)
{
	struct gate *gate = entry->gate != NULL ? entry->gate : gate_open(gates, entry);
	struct lane *lane = gate == NULL ? NULL : choose_lane(gate);

	if (lane == NULL || share_again(lane) < 0)
		return -1;
	keep_sharing(lane);
	lane->joins++;
	gates->joins++;
	return lane->share;
}

void gates_fini(struct gates *gates)
{
	struct gate *gate;

	while ((gate = LIST_FIRST(&gates->all)) != NULL) {
		witness_detach(gates->witness, &gate->wait);
		gate_free(gate);
	}
}
