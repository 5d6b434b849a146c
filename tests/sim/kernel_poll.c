/*
 * poll(2), epoll and timers. None of them blocks: a call that would sleep notes what the actor sleeps on and
 * says that a signal came.
 */
#include "config.h"

#include "tests/sim/kernel.h"
#include "tests/sim/kernel_private.h"
#include "tests/sim/syscalls.h"

struct sleep sleeps[SIM_CLIENTS + 1];

static int poll_now(struct pollfd *fds, nfds_t count)
{
	int ready = 0;

	world.polling = true;
	for (nfds_t i = 0; i < count; i++) {
		fds[i].revents = 0;
		if (fds[i].fd >= 0)
			fds[i].revents =
			    (short)(fd_ready(world.current, fds[i].fd) &
				    ((unsigned short)fds[i].events | POLLERR | POLLHUP | POLLNVAL));
		ready += fds[i].revents != 0;
	}
	world.polling = false;
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

	if (!kernel_enter_any())
		return -1;
	ready = poll_now(fds, count);
	return ready > 0 || timeout == 0 ? ready : fall_asleep(fds, count, timeout);
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
	(void)room;
	return __wrap_poll(fds, count, timeout);
}

int __wrap_epoll_create1(int flags)
{
	int index;

	(void)flags;
	if (!kernel_enter_any())
		return -1;
	NEW_IN_POOL(world.epolls, POOL_SMALL, index);
	return kernel_open(FD_EPOLL, index, &world.epolls[index].used);
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
	struct sim_fd *found = kernel_enter(epfd, FD_EPOLL);
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
	struct sim_fd *found = kernel_enter(epfd, FD_EPOLL);
	struct pollfd self = {.fd = epfd, .events = POLLIN};
	struct sim_epoll *epoll;
	int count = 0;

	if (found == NULL)
		return -1;
	epoll = &world.epolls[found->index];
	world.polling = true;
	for (unsigned i = 0; i < epoll->count && count < most; i++) {
		uint32_t ready = fd_ready(world.current, epoll->items[i].fd) &
				 (epoll->items[i].events | POLLERR | POLLHUP);

		if (ready == 0)
			continue;
		events[count].events = ready;
		events[count++].data.u64 = epoll->items[i].data;
	}
	world.polling = false;
	return count > 0 || timeout == 0 ? count : fall_asleep(&self, 1, timeout);
}

int __wrap_timerfd_create(int clock, int flags)
{
	int index;

	(void)flags;
	if (!kernel_enter_any())
		return -1;
	NEW_IN_POOL(world.timers, POOL_SMALL, index);
	world.timers[index].of_clock = clock == CLOCK_REALTIME;
	world.timers[index].clock_sets = world.clock_sets;
	return kernel_open(FD_TIMER, index, &world.timers[index].used);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *old)
{
	struct sim_fd *found = kernel_enter(fd, FD_TIMER);

	(void)flags;
	(void)old;
	if (found == NULL)
		return -1;
	if (world.timers[found->index].of_clock)
		return 0;
	world.timers[found->index].at = spec->it_value.tv_sec * NS_PER_S + spec->it_value.tv_nsec;
	return 0;
}

ssize_t kernel_read_timer(struct timer *timer, void *buffer)
{
	uint64_t expirations = 1;

	if (timer->of_clock && timer->clock_sets != world.clock_sets) {
		world_note_clock(world.clock_sets - timer->clock_sets);
		timer->clock_sets = world.clock_sets;
		errno = ECANCELED;
		return -1;
	}
	errno = EAGAIN;
	if (timer->at == 0 || timer->at > world.now)
		return -1;
	timer->at = 0;
	memcpy(buffer, &expirations, sizeof(expirations));
	return sizeof(expirations);
}
