#include "config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/lib/poller.h"
#include "src/hot.h"

/* The tag of the timer in the epoll instance; tags of the caller contain a pid and are smaller. */
#define TIMER UINT64_MAX

#define DESCRIPTORS_KEPT 8

void poller_init(struct poller *poller)
{
	poller->epoll = poller->timer = -1;
	poller->limit = 0;
	poller->deadline = poller->armed = 0;
	poller->held = poller->shown = false;
	poller->count = 0;
}

HOT void poller_fini(struct poller *poller)
{
	if (poller->epoll >= 0)
		close(poller->epoll);
	if (poller->timer >= 0)
		close(poller->timer);
	poller_init(poller);
}

/* The bits of poll(2) and of epoll_ctl(2) are the same. */
static int control(const struct poller *poller, int operation, int fd, uint32_t bits, uint64_t tag)
{
	struct epoll_event event = {.events = bits, .data = {.u64 = tag}};

	return epoll_ctl(poller->epoll, operation, fd, &event);
}

HOT static void show_deadline(struct poller *poller)
{
	struct itimerspec spec = {{0, 0}, {poller->deadline / 1000, poller->deadline % 1000 * 1000000}};

	if (!poller->shown || poller->held || poller->armed == poller->deadline)
		return;
	poller->armed = poller->deadline;
	(void)timerfd_settime(poller->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int fill_epoll(const struct poller *poller)
{
	if (poller->epoll < 0 || poller->timer < 0 ||
	    control(poller, EPOLL_CTL_ADD, poller->timer, EPOLLIN, TIMER) != 0)
		return -1;
	for (nfds_t i = 0; i < poller->count; i++)
		if (control(poller, EPOLL_CTL_ADD, poller->fds[i].fd, (uint32_t)poller->fds[i].events,
			poller->tags[i]) != 0)
			return -1;
	return 0;
}

static int open_epoll(struct poller *poller)
{
	int saved;

	poller->epoll = epoll_create1(EPOLL_CLOEXEC);
	poller->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fill_epoll(poller) == 0) {
		poller->count = 0;
		return 0;
	}
	saved = errno;
	if (poller->epoll >= 0)
		close(poller->epoll);
	if (poller->timer >= 0)
		close(poller->timer);
	poller->epoll = poller->timer = -1;
	errno = saved;
	return -1;
}

int poller_fd(struct poller *poller)
{
	if (poller->epoll < 0 && open_epoll(poller) != 0)
		return -1;
	poller->shown = true;
	show_deadline(poller);
	return poller->epoll;
}

int poller_add(struct poller *poller, int fd, uint32_t bits, uint64_t tag)
{
	if (poller->epoll < 0 && poller->count == POLLER_FEW && open_epoll(poller) != 0)
		return -1;
	if (poller->epoll >= 0)
		return control(poller, EPOLL_CTL_ADD, fd, bits, tag);
	poller->fds[poller->count] = (struct pollfd){.fd = fd, .events = (short)bits};
	poller->tags[poller->count++] = tag;
	return 0;
}

/* The index of fd in the table, or count. */
HOT static nfds_t find(const struct poller *poller, int fd)
{
	nfds_t i = 0;

	while (i < poller->count && poller->fds[i].fd != fd)
		i++;
	return i;
}

void poller_change(struct poller *poller, int fd, uint32_t bits, uint64_t tag)
{
	nfds_t i = find(poller, fd);

	if (poller->epoll >= 0)
		(void)control(poller, EPOLL_CTL_MOD, fd, bits, tag);
	else if (i < poller->count)
		poller->fds[i].events = (short)bits;
}

HOT void poller_forget(struct poller *poller, int fd)
{
	nfds_t i = find(poller, fd);

	if (i == poller->count)
		return;
	poller->count--;
	poller->fds[i] = poller->fds[poller->count];
	poller->tags[i] = poller->tags[poller->count];
}

HOT void poller_remove(struct poller *poller, int fd)
{
	if (poller->epoll >= 0)
		(void)epoll_ctl(poller->epoll, EPOLL_CTL_DEL, fd, NULL);
	else
		poller_forget(poller, fd);
}

HOT void poller_set_deadline(struct poller *poller, int64_t at)
{
	poller->deadline = at;
	show_deadline(poller);
}

void poller_hold(struct poller *poller)
{
	poller->held = true;
}

void poller_release(struct poller *poller)
{
	poller->held = false;
	show_deadline(poller);
}

/* Milliseconds until the deadline, at most `most` (-1: no limit). */
HOT static int until(const struct poller *poller, int64_t now, int most)
{
	int64_t left = poller->deadline - now;

	if (poller->deadline == 0)
		return most;
	left = left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
	return most >= 0 && most < left ? most : (int)left;
}

HOT static int wait_directly(struct poller *poller, int64_t now, int timeout_ms, struct poller_event *events)
{
	int n = poll(poller->fds, poller->count, until(poller, now, timeout_ms)), filled = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (nfds_t i = 0; filled < n && i < poller->count; i++)
		if (poller->fds[i].revents != 0)
			events[filled++] =
			    (struct poller_event){poller->tags[i], (uint32_t)poller->fds[i].revents};
	return filled;
}

static int wait_by_epoll(struct poller *poller, int64_t now, int timeout_ms, struct poller_event *events)
{
	struct epoll_event got[POLLER_EVENTS];
	int n = epoll_wait(poller->epoll, got, POLLER_EVENTS, until(poller, now, timeout_ms)), filled = 0;
	uint64_t expirations;

	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++) {
		if (got[i].data.u64 != TIMER)
			events[filled++] = (struct poller_event){got[i].data.u64, got[i].events};
		else if (read(poller->timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
			return -1;
		else
			poller->deadline = poller->armed = 0;
	}
	return filled;
}

HOT int poller_wait(struct poller *poller, int64_t now, int timeout_ms, struct poller_event *events)
{
	if (poller->epoll < 0)
		return wait_directly(poller, now, timeout_ms, events);
	return wait_by_epoll(poller, now, timeout_ms, events);
}

uint32_t poller_check(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&one, 1, 0) == 1 ? (uint32_t)one.revents : 0;
}

bool poller_is_scarce(struct poller *poller, int fd)
{
	if (poller->limit == 0)
		poller->limit = sysconf(_SC_OPEN_MAX);
	return fd >= poller->limit - DESCRIPTORS_KEPT;
}
