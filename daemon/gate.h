/*
 * A gate: a pipe for each process that is waited for. Waiters hold its read end and poll it for hang-up. When
 * the process's verdict is known the write end is closed, which wakes every waiter in one system call. For a
 * crowd there are some more pipes, at most 16, so that those who are woken do not stand in each other's way.
 * A waiter that holds a gate costs the daemon nothing. If the verdict is ready or exited, one byte is left in
 * each pipe: that says that this very process was seen ready. Waiters share it, so they must not read it.
 *
 * Closing a gate at any time is safe: to its waiters it only ever says "look".
 */
#ifndef DAEMON_GATE_H
#define DAEMON_GATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct loop;
struct gate;
struct registry_entry;
struct tracker;

struct gates {
	struct loop *loop;
	struct tracker *tracker;
	LIST_HEAD(, gate) all;
	size_t count;
	size_t shards, limit; /* pipes, of all gates */
	uint64_t handed_out;  /* read ends handed out so far */
};

void gates_init(struct gates *gates, struct loop *loop, struct tracker *tracker, size_t limit);

/* A read end of the entry's gate, which is made if it has none. It stays the gate's: send it now. -1:
 * errno; ENOSPC at the limit, else no descriptor or no /proc to be had. */
int gate_join(struct gates *gates, struct registry_entry *entry);

/* Closes every gate. */
void gates_fini(struct gates *gates);

#endif
