/*
 * The system calls of the simulated programs: `ld --wrap=read` leads a call of read(2) to __wrap_read() here.
 * None of them blocks: poll(2) that would sleep notes what the actor sleeps on and says that a signal came.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/kernel.h"
#include "tests/sim/syscalls.h"
#include "tests/sim/world.h"

struct sleep sleeps[SIM_CLIENTS + 1];

static struct sim_fd *enter(int fd, enum fd_kind kind)
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
static bool enter_any(void)
{
	faults_tick();
	if (world.current->dead)
		errno = EBADF;
	return !world.current->dead;
}

#define NEW_IN_POOL(pool, size, kind, found)                                                                 \
	do {                                                                                                 \
		for ((found) = 0; (found) < (int)(size) && (pool)[found].used; (found)++)                    \
			;                                                                                    \
		if ((found) == (int)(size))                                                                  \
			abort();                                                                             \
		memset(&(pool)[found], 0, sizeof((pool)[found]));                                            \
		(pool)[found].used = true;                                                                   \
	} while (0)

static int open_in_pool(enum fd_kind kind, int index, bool *used)
{
	int fd = fd_new(world.current, kind, index, 0);

	if (fd < 0)
		*used = false;
	return fd;
}

int __wrap_close(int fd)
{
	if (enter(fd, FD_FREE) == NULL)
		return -1;
	fd_close(world.current, fd);
	return 0;
}

static ssize_t read_inotify(struct inotify *inotify, char *buffer, size_t size)
{
	size_t record = sizeof(struct inotify_event) + 32, at = 0;
	unsigned taken = 0;

	while (taken < inotify->len && inotify->queue[taken].at <= world.now && at + record <= size) {
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

static ssize_t read_timer(struct timer *timer, void *buffer)
{
	uint64_t expirations = 1;

	errno = EAGAIN;
	if (timer->at == 0 || timer->at > world.now)
		return -1;
	timer->at = 0;
	memcpy(buffer, &expirations, sizeof(expirations));
	return sizeof(expirations);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	struct sim_fd *found = enter(fd, FD_FREE);

	if (found == NULL)
		return -1;
	if (found->kind == FD_INOTIFY)
		return read_inotify(&world.inotifies[found->index], buffer, size);
	if (found->kind == FD_TIMER)
		return read_timer(&world.timers[found->index], buffer);
	fail("read(2) of a descriptor of kind %d", found->kind);
	errno = EINVAL;
	return -1;
}

ssize_t __wrap_write(int fd, const void *buffer, size_t size)
{
	struct sim_fd *found = enter(fd, FD_PIPE_WRITE);

	(void)buffer;
	if (found == NULL)
		return -1;
	if (world.pipes[found->index].readers == 0) {
		errno = EPIPE;
		return -1;
	}
	world.pipes[found->index].bytes += (unsigned)size;
	return (ssize_t)size;
}

static int poll_now(struct pollfd *fds, nfds_t count)
{
	int ready = 0;

	for (nfds_t i = 0; i < count; i++) {
		fds[i].revents = 0;
		if (fds[i].fd >= 0)
			fds[i].revents =
			    (short)(fd_ready(world.current, fds[i].fd) &
				    ((unsigned short)fds[i].events | POLLERR | POLLHUP | POLLNVAL));
		ready += fds[i].revents != 0;
	}
	return ready;
}

/* The scheduler calls the actor again when there is something, or when the time is over. */
static int fall_asleep(const struct pollfd *fds, nfds_t count, int timeout)
{
	struct sleep *sleep = &sleeps[world.current->id];

	if (count > SLEEP_FDS)
		abort();
	sleep->count = (unsigned)count;
	if (count > 0)
		memcpy(sleep->fds, fds, count * sizeof(fds[0]));
	if (sleep->until != 0 && sleep->until <= world.now) {
		sleep->until = 0;
		return 0;
	}
	sleep->until = timeout < 0 ? INT64_MAX : world.now + timeout * NS_PER_MS;
	errno = EINTR;
	return -1;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	int ready;

	if (!enter_any())
		return -1;
	ready = poll_now(fds, count);
	return ready > 0 || timeout == 0 ? ready : fall_asleep(fds, count, timeout);
}

int __wrap_epoll_create1(int flags)
{
	int index;

	(void)flags;
	if (!enter_any())
		return -1;
	NEW_IN_POOL(world.epolls, POOL_SMALL, FD_EPOLL, index);
	return open_in_pool(FD_EPOLL, index, &world.epolls[index].used);
}

static int find_item(const struct sim_epoll *epoll, int fd)
{
	for (unsigned i = 0; i < epoll->count; i++)
		if (epoll->items[i].fd == fd)
			return (int)i;
	return SIM_NONE;
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct sim_fd *found = enter(epfd, FD_EPOLL);
	struct sim_epoll *epoll;
	int item;

	if (found == NULL || fd_get(world.current, fd) == NULL)
		return -1;
	epoll = &world.epolls[found->index];
	item = find_item(epoll, fd);
	errno = op == EPOLL_CTL_ADD ? EEXIST : ENOENT;
	if ((item == SIM_NONE) != (op == EPOLL_CTL_ADD) || epoll->count == EPOLL_ITEMS)
		return -1;
	if (op == EPOLL_CTL_DEL) {
		epoll->items[item] = epoll->items[--epoll->count];
		return 0;
	}
	if (op == EPOLL_CTL_ADD)
		item = (int)epoll->count++;
	epoll->items[item].fd = fd;
	epoll->items[item].events = event->events;
	epoll->items[item].data = event->data.u64;
	return 0;
}

int __wrap_epoll_wait(int epfd, struct epoll_event *events, int most, int timeout)
{
	struct sim_fd *found = enter(epfd, FD_EPOLL);
	struct pollfd self = {.fd = epfd, .events = POLLIN};
	struct sim_epoll *epoll;
	int count = 0;

	if (found == NULL)
		return -1;
	epoll = &world.epolls[found->index];
	for (unsigned i = 0; i < epoll->count && count < most; i++) {
		uint32_t ready = fd_ready(world.current, epoll->items[i].fd) &
				 (epoll->items[i].events | POLLERR | POLLHUP);

		if (ready == 0)
			continue;
		events[count].events = ready;
		events[count++].data.u64 = epoll->items[i].data;
	}
	return count > 0 || timeout == 0 ? count : fall_asleep(&self, 1, timeout);
}

int __wrap_timerfd_create(int clock, int flags)
{
	int index;

	(void)clock;
	(void)flags;
	if (!enter_any())
		return -1;
	NEW_IN_POOL(world.timers, POOL_SMALL, FD_TIMER, index);
	return open_in_pool(FD_TIMER, index, &world.timers[index].used);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *old)
{
	struct sim_fd *found = enter(fd, FD_TIMER);

	(void)flags;
	(void)old;
	if (found == NULL)
		return -1;
	world.timers[found->index].at = spec->it_value.tv_sec * NS_PER_S + spec->it_value.tv_nsec;
	return 0;
}

int __wrap_inotify_init1(int flags)
{
	int index, fd;

	(void)flags;
	if (!enter_any())
		return -1;
	NEW_IN_POOL(world.inotifies, POOL_SMALL, FD_INOTIFY, index);
	world.inotifies[index].limit = faults.queue_limit;
	fd = open_in_pool(FD_INOTIFY, index, &world.inotifies[index].used);
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
	struct sim_fd *found = enter(fd, FD_INOTIFY);
	struct inotify *inotify;
	int wd;

	(void)mask;
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
	return inotify->watches[inotify->watch_count++].wd = ++inotify->next_wd;
}

int __wrap_inotify_rm_watch(int fd, int wd)
{
	struct sim_fd *found = enter(fd, FD_INOTIFY);
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

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
}

static int stat_marker(int pid_index, struct stat *st)
{
	const struct sim_marker *marker = &world_dir()->markers[pid_index];

	errno = ENOENT;
	if (!world_dir()->present || marker->state == NO_MARKER)
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_mode = marker->state == MARKER_IS_FILE ? S_IFREG | 0644 : S_IFDIR | 0755;
	st->st_uid = marker->uid;
	st->st_dev = 1;
	st->st_ino = marker->ino;
	st->st_size = marker->size;
	st->st_ctim = st->st_mtim = to_timespec(marker->stamp);
	return 0;
}

int __wrap_lstat(const char *path, struct stat *st)
{
	size_t len = strlen(SIM_DIR "/" SIM_PREFIX);
	int pid_index;

	if (!enter_any())
		return -1;
	errno = ENOENT;
	if (strncmp(path, SIM_DIR "/" SIM_PREFIX, len) != 0)
		return -1;
	pid_index = world_pid_index((pid_t)atoi(path + len));
	return pid_index == SIM_NONE ? -1 : stat_marker(pid_index, st);
}

/* The directory; anything else is a file that is as old as the boot, see clock_set_step(). */
int __wrap_stat(const char *path, struct stat *st)
{
	if (!enter_any())
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_dev = 1;
	if (strcmp(path, SIM_DIR) != 0) {
		st->st_ctim = to_timespec(world.boot_offset);
		return 0;
	}
	errno = ENOENT;
	if (!world_dir()->present)
		return -1;
	st->st_mode = S_IFDIR | 0755;
	st->st_ino = world_dir()->ino;
	return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	*t = to_timespec(world.now + (id == CLOCK_REALTIME ? world.offset : 0));
	return 0;
}

long __wrap_sysconf(int name)
{
	return name == _SC_CLK_TCK ? 100 : world.current->limit;
}

int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	(void)resource;
	limit->rlim_cur = limit->rlim_max = world.current->limit;
	return 0;
}

pid_t __wrap_getpid(void)
{
	return world.current->pid;
}

uid_t __wrap_geteuid(void)
{
	return world.current->uid;
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
	uint64_t random = dice();

	(void)flags;
	memcpy(buffer, &random, size);
	return (ssize_t)size;
}

int __wrap_pipe2(int ends[2], int flags)
{
	int index = 0;

	(void)flags;
	if (!enter_any())
		return -1;
	while (index < POOL_PIPES && (world.pipes[index].readers > 0 || world.pipes[index].writers > 0))
		index++;
	if (index == POOL_PIPES)
		abort();
	ends[0] = fd_new(world.current, FD_PIPE_READ, index, 0);
	if (ends[0] < 0)
		return -1;
	world.pipes[index] = (struct sim_pipe){.readers = 1};
	ends[1] = fd_new(world.current, FD_PIPE_WRITE, index, 0);
	if (ends[1] >= 0) {
		world.pipes[index].writers = 1;
		return 0;
	}
	fd_close(world.current, ends[0]);
	errno = EMFILE;
	return -1;
}

int __wrap_fcntl(int fd, int command, ...)
{
	(void)fd;
	(void)command;
	return 0;
}

/* The mount table, and the other end of a pipe. */
int __wrap_open(const char *path, int flags, ...)
{
	struct sim_fd *pipe;
	int index, fd;

	(void)flags;
	if (!enter_any())
		return -1;
	if (strcmp(path, "/proc/self/mountinfo") == 0) {
		NEW_IN_POOL(world.mounts, POOL_SMALL, FD_MOUNTS, index);
		return open_in_pool(FD_MOUNTS, index, &world.mounts[index].used);
	}
	errno = ENOENT;
	if (strncmp(path, "/proc/self/fd/", 14) != 0)
		return -1;
	pipe = fd_get(world.current, atoi(path + 14));
	if (pipe == NULL || pipe->kind != FD_PIPE_WRITE)
		return -1;
	fd = fd_new(world.current, FD_PIPE_READ, pipe->index, 0);
	if (fd >= 0)
		world.pipes[pipe->index].readers++;
	return fd;
}

/* One reader of the directory at a time. */
static struct {
	unsigned at;
	struct dirent entry;
} reader;

DIR *__wrap_opendir(const char *path)
{
	if (!enter_any())
		return NULL;
	errno = ENOENT;
	reader.at = 0;
	return strcmp(path, SIM_DIR) == 0 && world_dir()->present && !fault(FAULT_FD_REFUSED)
		   ? (DIR *)(void *)&reader
		   : NULL;
}

struct dirent *__wrap_readdir(DIR *dir)
{
	(void)dir;
	if (!enter_any())
		return NULL;
	while (reader.at < SIM_PIDS && world_dir()->markers[reader.at].state == NO_MARKER)
		reader.at++;
	if (reader.at == SIM_PIDS)
		return NULL;
	sprintf(reader.entry.d_name, SIM_PREFIX "%u", SIM_FIRST_PID + reader.at++);
	return &reader.entry;
}

int __wrap_closedir(DIR *dir)
{
	(void)dir;
	return 0;
}

int __wrap_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	(void)old;
	return 0;
}

ssize_t __wrap___read_chk(int fd, void *buffer, size_t size, size_t room)
{
	(void)room;
	return __wrap_read(fd, buffer, size);
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	(void)room;
	return __wrap_poll(fds, count, timeout);
}
