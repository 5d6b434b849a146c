/*
 * A gate: a pipe for each process that is waited for. Waiters hold its read end and poll it for hang-up.
 * When the verdict on the process is known, the write end is closed, which wakes every waiter in one system
 * call. Many waiters of one user are spread over up to 16 pipes (shards), to reduce contention while they
 * wake. A waiter that holds a gate costs the daemon nothing. If the verdict is ready or exited, one byte is
 * left in each pipe: it says that this very process was seen ready. Waiters share it, so they must not read
 * it; one that does so all the same only harms waiters of its own user, since users do not share pipes.
 *
 * Closing a gate at any time is safe: to its waiters it only means "check again".
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
struct quota_user;

struct gates {
	struct loop *loop;
	struct tracker *tracker;
	LIST_HEAD(, gate) all;
	size_t count;
	uint64_t handed_out; /* read ends handed out so far */
};

void gates_init(struct gates *gates, struct loop *loop, struct tracker *tracker);

/* For tracker_enroll(): a read end of the entry's gate for a waiter of that user, created if needed. It still
 * belongs to the gate: send it now. -1: errno; ENOSPC at the user's limit, otherwise no descriptor or no
 * /proc was available. */
int gate_join(struct gates *gates, struct registry_entry *entry, struct quota_user *user);

/* Closes every gate. */
void gates_fini(struct gates *gates);

#endif
