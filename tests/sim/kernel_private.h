/* What the files of the simulated system calls have in common: how a call begins, and how it opens a
 * descriptor. */
#ifndef TESTS_SIM_KERNEL_PRIVATE_H
#define TESTS_SIM_KERNEL_PRIVATE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/faults.h"
#include "tests/sim/world.h"

/* A call on a descriptor of this kind, FD_FREE: of any kind. NULL with errno: it fails. */
static inline struct sim_fd *kernel_enter(int fd, enum fd_kind kind)
{
	struct sim_fd *found;

	faults_tick();
	found = fd_get(world.current, fd);
	if (found != NULL && kind != FD_FREE && found->kind != kind) {
		errno = EINVAL;
		return NULL;
	}
	return found;
}

/* A call that needs no descriptor; false: the actor has been killed. */
static inline bool kernel_enter_any(void)
{
	faults_tick();
	if (world.current->dead)
		errno = EBADF;
	return !world.current->dead;
}

#define NEW_IN_POOL(pool, size, found)                                                                       \
	do {                                                                                                 \
		for ((found) = 0; (found) < (int)(size) && (pool)[found].used; (found)++)                    \
			;                                                                                    \
		if ((found) == (int)(size))                                                                  \
			abort();                                                                             \
		memset(&(pool)[found], 0, sizeof((pool)[found]));                                            \
		(pool)[found].used = true;                                                                   \
	} while (0)

/* A descriptor of the current actor for what NEW_IN_POOL() has taken. */
static inline int kernel_open(enum fd_kind kind, int index, bool *used)
{
	int fd = fd_new(world.current, kind, index, 0);

	if (fd < 0)
		*used = false;
	return fd;
}

static inline struct timespec kernel_timespec(int64_t ns)
{
	return (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
}

/* What read(2) does with a descriptor of this kind. */
ssize_t kernel_read_inotify(struct inotify *inotify, char *buffer, size_t size);
ssize_t kernel_read_timer(struct timer *timer, void *buffer);

#endif
