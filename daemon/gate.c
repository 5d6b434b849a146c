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
#include "daemon/witness.h"

/*
 * A read end is kept and handed out for as long as waiters keep coming, so that they share one open file.
 * That matters: each closing of an open file of a pipe without writer wakes all that still poll the pipe,
 * so that with a file each, N waiters that leave wake each other N^2/2 times (measured with 2,000: 300 ms
 * until the last is awake, with a shared file 110 ms).
 */
#define SHARE_MS 2000

struct gate {
	struct ledger_wait wait; /* first: the wait is the gate. Closing it is how a gate is told. */
	LIST_ENTRY(gate) link;
	struct gates *gates;
	struct ledger_entry *entry;
	int fd;	   /* the write end */
	int share; /* the read end, -1 while nobody comes: then that the last waiter goes shows */
	struct event *abandoned;
};

void gates_init(struct gates *gates, struct event_base *base, struct witness *witness, size_t limit)
{
	*gates = (struct gates){.base = base, .witness = witness, .limit = limit};
	LIST_INIT(&gates->all);
}

static void gate_free(struct gate *gate)
{
	LIST_REMOVE(gate, link);
	gate->entry->gate = NULL;
	gate->gates->count--;
	/* The event first: libevent must not be left with a descriptor that is closed. */
	event_free(gate->abandoned);
	close(gate->fd);
	if (gate->share >= 0)
		close(gate->share);
	memory_free(gate);
}

/* What is written spares waiters the question whether the marker that they see is the process's own; where it
 * cannot be written they ask. */
static void on_settled(struct ledger_wait *wait, const struct readyd_answer *answer)
{
	struct gate *gate = (struct gate *)wait;

	if (answer->verdict == READYD_READY)
		(void)!write(gate->fd, "r", 1);
	gate_free(gate);
}

static void keep_sharing(struct gate *gate)
{
	struct timeval interval = {SHARE_MS / 1000, SHARE_MS % 1000 * 1000};

	loop_add(gate->abandoned, &interval);
}

static void stop_sharing(struct gate *gate)
{
	close(gate->share);
	gate->share = -1;
	loop_add(gate->abandoned, NULL);
}

/* Nobody has come for a while, or nobody holds a read end any more. The latter is a hint: one may have
 * been handed out since. */
static void on_abandoned(evutil_socket_t fd, short what, void *arg)
{
	struct gate *gate = arg;
	struct ledger_entry *entry = gate->entry;
	struct witness *witness = gate->gates->witness;
	struct pollfd poll_fd = {.fd = (int)fd, .events = 0};

	(void)what;
	if (gate->share >= 0)
		stop_sharing(gate);
	if (poll(&poll_fd, 1, 0) == 0) {
		loop_add(gate->abandoned, NULL);
		return;
	}
	witness_detach(witness, &gate->wait);
	gate_free(gate);
	witness_release(witness, entry);
}

/* The pipe's inode belongs to this process's uid with mode 0600: no other user can open a write end
 * through /proc and hold the gate shut. */
static struct gate *gate_open(struct gates *gates, struct ledger_entry *entry)
{
	struct gate *gate;
	int ends[2];

	if (gates->count >= gates->limit) {
		errno = ENOSPC;
		return NULL;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return NULL;
	/* Nothing is ever written; a small ring spares the user's pipe quota (pipe-user-pages-soft). That
	 * it cannot be made small is no reason to refuse. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, 1);
	gate = memory_alloc(sizeof(*gate));
	gate->gates = gates;
	gate->entry = entry;
	gate->fd = ends[1];
	gate->share = ends[0];
	gate->wait.settled = on_settled;
	/* A write end is readable only by EPOLLERR, when no reader is left. */
	gate->abandoned = event_new(gates->base, gate->fd, EV_READ, on_abandoned, gate);
	witness_attach(gates->witness, entry, &gate->wait);
	entry->gate = gate;
	LIST_INSERT_HEAD(&gates->all, gate, link);
	gates->count++;
	return gate;
}

static int share_again(struct gate *gate)
{
	char path[32];

	if (gate->share < 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", gate->fd);
		gate->share = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	return gate->share;
}

int gate_join(struct gates *gates, struct ledger_entry *entry)
{
	struct gate *gate = entry->gate != NULL ? entry->gate : gate_open(gates, entry);

	if (gate == NULL || share_again(gate) < 0)
		return -1;
	keep_sharing(gate);
	gates->joins++;
	return gate->share;
}

void gates_fini(struct gates *gates)
{
	struct gate *gate;

	while ((gate = LIST_FIRST(&gates->all)) != NULL) {
		witness_detach(gates->witness, &gate->wait);
		gate_free(gate);
	}
}
