#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/hot.h"

#define EVENTS 64

/* What is polled directly: connection, file watch, and pidfd and gate of each target. The bits of poll(2) and
 * of epoll_ctl(2) are the same. */
struct direct {
	struct pollfd fds[2 + 2 * TARGETS_FEW];
	uint64_t tags[2 + 2 * TARGETS_FEW];
	nfds_t count;
};

static uint64_t tag(enum source source, pid_t pid)
{
	return (uint64_t)pid << 8 | source;
}

static int add_direct(void *context, int fd, uint32_t events, uint64_t tag)
{
	struct direct *direct = context;

	direct->fds[direct->count] = (struct pollfd){.fd = fd, .events = (short)events};
	direct->tags[direct->count++] = tag;
	return 0;
}

static int add_to_epoll(void *context, int fd, uint32_t events, uint64_t tag)
{
	struct readyd_waiter *w = context;
	struct epoll_event event = {.events = events, .data = {.u64 = tag}};

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event);
}

static uint32_t conn_events(const struct readyd_waiter *w)
{
	return EPOLLIN | (w->conn_polls_write ? EPOLLOUT : 0);
}

/* Calls add() with every descriptor that is watched, until it fails. */
static int each_source(struct readyd_waiter *w, int (*add)(void *, int, uint32_t, uint64_t), void *context)
{
	struct target *t, *next;

	if (w->conn_state != CONN_CLOSED &&
	    add(context, w->conn.fd, conn_events(w), tag(SOURCE_CONN, 0)) != 0)
		return -1;
	if (w->file.fd >= 0 && add(context, w->file.fd, EPOLLIN, tag(SOURCE_FILE, 0)) != 0)
		return -1;
	TARGETS_EACH (w, t, next) {
		/* The gate says whether it was ready before it ended. */
		if (t->gate >= 0 && add(context, t->gate, EPOLLIN, tag(SOURCE_GATE, t->process.pid)) != 0)
			return -1;
		if (t->watched &&
		    add(context, t->process.fd, EPOLLIN, tag(SOURCE_PIDFD, t->process.pid)) != 0)
			return -1;
	}
	return 0;
}

int poll_add(struct readyd_waiter *w, int fd, uint32_t events, enum source source, pid_t pid)
{
	return w->epoll < 0 ? 0 : add_to_epoll(w, fd, events, tag(source, pid));
}

void poll_change_conn(struct readyd_waiter *w, bool write)
{
	struct epoll_event event = {.data = {.u64 = tag(SOURCE_CONN, 0)}};

	w->conn_polls_write = write;
	event.events = conn_events(w);
	if (w->epoll >= 0)
		(void)epoll_ctl(w->epoll, EPOLL_CTL_MOD, w->conn.fd, &event);
}

void poll_remove(struct readyd_waiter *w, int fd)
{
	if (w->epoll >= 0)
		(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void arm_timer(struct readyd_waiter *w)
{
	struct itimerspec spec = {{0, 0}, {w->armed_for / 1000, w->armed_for % 1000 * 1000000}};

	(void)timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

HOT void poll_set_timer(struct readyd_waiter *w, int64_t at)
{
	if (at == w->armed_for)
		return;
	w->armed_for = at;
	if (w->epoll >= 0)
		arm_timer(w);
}

int poll_open(struct readyd_waiter *w)
{
	int saved;

	if (w->epoll >= 0)
		return 0;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (w->epoll >= 0 && w->timer >= 0 && add_to_epoll(w, w->timer, EPOLLIN, tag(SOURCE_TIMER, 0)) == 0 &&
	    each_source(w, add_to_epoll, w) == 0) {
		arm_timer(w);
		return 0;
	}
	saved = errno;
	poll_close(w);
	errno = saved;
	return -1;
}

HOT void poll_close(struct readyd_waiter *w)
{
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->timer >= 0)
		close(w->timer);
	w->epoll = w->timer = -1;
}

/* Milliseconds until then, at most `most` (-1: no limit). */
static int until(const struct readyd_waiter *w, int most)
{
	int64_t left;

	if (w->armed_for == 0)
		return most;
	left = w->armed_for - clock_ms();
	left = left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
	return most >= 0 && most < left ? most : (int)left;
}

HOT static int sleep_directly(struct readyd_waiter *w, int timeout_ms)
{
	struct direct direct = {.count = 0};
	int n;

	(void)each_source(w, add_direct, &direct);
	n = poll(direct.fds, direct.count, until(w, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -1;
	for (nfds_t i = 0; n > 0 && i < direct.count; i++)
		if (direct.fds[i].revents != 0 &&
		    waiter_on_event(w, direct.tags[i], (uint32_t)direct.fds[i].revents) != 0)
			return -1;
	if (w->waiting > 0 && w->armed_for != 0 && w->armed_for <= clock_ms())
		return waiter_on_event(w, tag(SOURCE_TIMER, 0), POLLIN);
	return 0;
}

HOT int poll_take(struct readyd_waiter *w, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n;

	if (w->epoll < 0 && w->count <= TARGETS_FEW)
		return sleep_directly(w, timeout_ms);
	if (poll_open(w) != 0)
		return -1;
	n = epoll_wait(w->epoll, events, EVENTS, timeout_ms);
	if (n < 0 && errno != EINTR)
		return -1;
	for (int i = 0; i < n; i++)
		if (waiter_on_event(w, events[i].data.u64, events[i].events) != 0)
			return -1;
	return 0;
}
