/* The bound: worker and waiters share memory, and the worker itself wakes them all by one system call. */
#include "config.h"

#include "bench/peer.h"

static int wait_by_futex(struct field *field, int i)
{
	(void)i;
	field_armed(field);
	futex_wait(&field->shared->called, 0);
	return 0;
}

static void call(struct field *field)
{
	field->shared->called = 1;
	futex_wake_all(&field->shared->called);
}

const struct peer peer_futex = {.name = "futex", .wait = wait_by_futex, .announce = call};
