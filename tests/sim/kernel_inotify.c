/* The system calls of inotify. Its events come from world.c. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/sim/kernel_private.h"
#include "tests/sim/syscalls.h"

int __wrap_inotify_init1(int flags)
{
	int index, fd;

	(void)flags;
	if (!kernel_enter_any())
		return -1;
	NEW_IN_POOL(world.inotifies, POOL_SMALL, index);
	world.inotifies[index].limit = faults.queue_limit;
	fd = kernel_open(FD_INOTIFY, index, &world.inotifies[index].used);
	return fd;
}

static int watch_of(const struct inotify *inotify, unsigned serial)
{
	for (unsigned i = 0; i < inotify->watch_count; i++)
		if (inotify->watches[i].serial == serial)
			return inotify->watches[i].wd;
	return SIM_NONE;
}

int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	struct sim_fd *found = kernel_enter(fd, FD_INOTIFY);
	struct inotify *inotify;
	int wd;

	if (found == NULL)
		return -1;
	inotify = &world.inotifies[found->index];
	errno = ENOENT;
	if (strcmp(path, SIM_DIR) != 0 || !world_dir()->present)
		return -1;
	wd = watch_of(inotify, world_dir()->serial);
	if (wd != SIM_NONE)
		return wd;
	errno = ENOSPC;
	if (inotify->watch_count == INOTIFY_WATCHES || fault(FAULT_FD_REFUSED))
		return -1;
	inotify->watches[inotify->watch_count].serial = world_dir()->serial;
	inotify->watches[inotify->watch_count].mask = mask | IN_IGNORED | IN_UNMOUNT;
	return inotify->watches[inotify->watch_count++].wd = ++inotify->next_wd;
}

int __wrap_inotify_rm_watch(int fd, int wd)
{
	struct sim_fd *found = kernel_enter(fd, FD_INOTIFY);
	struct inotify *inotify;

	if (found == NULL)
		return -1;
	inotify = &world.inotifies[found->index];
	for (unsigned i = 0; i < inotify->watch_count; i++)
		if (inotify->watches[i].wd == wd) {
			inotify->watches[i] = inotify->watches[--inotify->watch_count];
			inotify_post(inotify, wd, IN_IGNORED, 0);
			return 0;
		}
	errno = EINVAL;
	return -1;
}

static size_t size_of(const struct sim_event *event)
{
	return sizeof(struct inotify_event) + (event->pid != 0 ? 32 : 0);
}

/* What waits in the queue, whether or not it has woken a program. */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct sim_fd *found = kernel_enter(fd, FD_INOTIFY);
	va_list args;
	int *unread;

	if (found == NULL || request != FIONREAD)
		return -1;
	va_start(args, request);
	unread = va_arg(args, int *);
	va_end(args);
	*unread = 0;
	for (unsigned i = 0; i < world.inotifies[found->index].len; i++)
		*unread += (int)size_of(&world.inotifies[found->index].queue[i]);
	return 0;
}

ssize_t kernel_read_inotify(struct inotify *inotify, char *buffer, size_t size)
{
	size_t record = sizeof(struct inotify_event) + 32, at = 0;
	unsigned taken = 0;

	while (taken < inotify->len && at + record <= size) {
		const struct sim_event *event = &inotify->queue[taken++];
		struct inotify_event out = {.wd = event->wd, .mask = event->mask};

		if (event->pid != 0) {
			out.len = 32;
			memset(buffer + at + sizeof(out), 0, 32);
			sprintf(buffer + at + sizeof(out), SIM_PREFIX "%d", (int)event->pid);
		}
		memcpy(buffer + at, &out, sizeof(out));
		at += sizeof(out) + out.len;
	}
	inotify->len -= taken;
	memmove(inotify->queue, inotify->queue + taken, inotify->len * sizeof(inotify->queue[0]));
	if (taken > 0)
		return (ssize_t)at;
	errno = EAGAIN;
	return -1;
}
