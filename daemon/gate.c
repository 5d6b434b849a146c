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
#include "daemon/memory.h"
#include "daemon/witness.h"

struct gate {
	struct ledger_wait wait; /* first: the wait is the gate. Closing it is how a gate is told. */
	struct gates *gates;
	struct ledger_entry *entry;
	int fd; /* the write end; the read ends are the waiters' alone, so that the last one to go shows */
	struct event *abandoned;
};

void gates_init(struct gates *gates, struct event_base *base, struct witness *witness, size_t limit)
{
	*gates = (struct gates){.base = base, .witness = witness, .limit = limit};
}

static void gate_free(struct gate *gate)
{
	gate->entry->gate = NULL;
	gate->gates->count--;
	/* The event first: libevent must not be left with a descriptor that is closed. */
	event_free(gate->abandoned);
	close(gate->fd);
	memory_free(gate);
}

static void on_settled(struct ledger_wait *wait, const struct readyd_answer *answer)
{
	(void)answer;
	gate_free((struct gate *)wait);
}

/* Nobody holds a read end any more. A hint: one may have been handed out since. */
static void on_abandoned(evutil_socket_t fd, short what, void *arg)
{
	struct gate *gate = arg;
	struct ledger_entry *entry = gate->entry;
	struct witness *witness = gate->gates->witness;
	struct pollfd poll_fd = {.fd = (int)fd, .events = 0};

	(void)what;
	if (poll(&poll_fd, 1, 0) == 0)
		return;
	witness_detach(witness, &gate->wait);
	gate_free(gate);
	witness_release(witness, entry);
}

/* The pipe's inode belongs to this process's uid with mode 0600: no other user can open a write end
 * through /proc and hold the gate shut. */
static int gate_open(struct gates *gates, struct ledger_entry *entry)
{
	struct gate *gate;
	int ends[2];

	if (gates->count >= gates->limit) {
		errno = ENOSPC;
		return -1;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	/* Nothing is ever written; a small ring spares the user's pipe quota (pipe-user-pages-soft). That
	 * it cannot be made small is no reason to refuse. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, 1);
	gate = memory_alloc(sizeof(*gate));
	gate->gates = gates;
	gate->entry = entry;
	gate->fd = ends[1];
	gate->wait.settled = on_settled;
	/* A write end is readable only by EPOLLERR, when no reader is left. */
	gate->abandoned = event_new(gates->base, gate->fd, EV_READ | EV_PERSIST, on_abandoned, gate);
	event_add(gate->abandoned, NULL);
	witness_attach(gates->witness, entry, &gate->wait);
	entry->gate = gate;
	gates->count++;
	return ends[0];
}

int gate_join(struct gates *gates, struct ledger_entry *entry)
{
	char path[32];

	if (entry->gate == NULL)
		return gate_open(gates, entry);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", entry->gate->fd);
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

void gate_close(struct ledger_entry *entry)
{
	struct gate *gate = entry->gate;

	if (gate == NULL)
		return;
	witness_detach(gate->gates->witness, &gate->wait);
	gate_free(gate);
}
