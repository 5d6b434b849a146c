/* What the scheduler knows of the simulated system calls. */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

#include <poll.h>
#include <stdint.h>

#include "tests/sim/world.h"

/* More than the library passes to poll(2). */
#define SLEEP_FDS 24

/* What an actor sleeps on, from its last poll(2) or epoll_wait(2) that found nothing. */
struct sleep {
	struct pollfd fds[SLEEP_FDS];
	unsigned count;
	int64_t until; /* INT64_MAX: no limit; 0: it is not asleep */
};

extern struct sleep sleeps[SIM_CLIENTS + 1];

#endif
