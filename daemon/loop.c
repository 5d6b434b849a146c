#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"

struct loop {
	struct event_base *base;
	uint64_t pass;
	bool stopped;
};

/* Callbacks so far. */
static uint64_t served;

struct loop_timer {
	struct event event;
	bool soon;
	void (*fired)(void *context);
	void *context;
};

struct loop_fd {
	struct event event;
	void (*ready)(int fd, void *context);
	void *data[]; /* what points to the context, or is the context */
};

struct loop_signal {
	struct event event;
	void (*raised)(int signal, void *context);
	void *context;
};

static void add(struct event *event, const struct timeval *timeout)
{
	if (event_add(event, timeout) == 0)
		return;
	log_error(
	    "cannot wait for events: %s (is fs.epoll.max_user_watches used up?); stopping; clients fall "
	    "back to the marker files",
	    strerror(errno));
	_exit(71);
}

static void on_log(int severity, const char *text)
{
	log_line(severity == EVENT_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "libevent: %s", text);
}

void loop_prepare(void)
{
	event_set_log_callback(on_log);
	event_set_mem_functions(xalloc_new, xalloc_resize, xalloc_free);
}

const char *loop_version(void)
{
	return event_get_version();
}

const char *loop_method(const struct loop *loop)
{
	return event_base_get_method(loop->base);
}

struct loop *loop_new(void)
{
	struct event_base *base = event_base_new();
	struct loop *loop;

	if (base == NULL)
		return NULL;
	loop = xalloc_new(sizeof(*loop));
	loop->base = base;
	return loop;
}

void loop_free(struct loop *loop)
{
	event_base_free(loop->base);
	xalloc_free(loop);
}

int loop_run(struct loop *loop)
{
	int result = 0;

	loop->stopped = false;
	while (result == 0 && !loop->stopped) {
		loop->pass++;
		result = event_base_loop(loop->base, EVLOOP_ONCE);
	}
	return result < 0 ? -1 : 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
	event_base_loopbreak(loop->base);
}

void loop_turn(struct loop *loop, bool may_wait)
{
	loop->pass++;
	(void)event_base_loop(loop->base, EVLOOP_ONCE | (may_wait ? 0 : EVLOOP_NONBLOCK));
}

uint64_t loop_pass_number(const struct loop *loop)
{
	return loop->pass;
}

void loop_settle(struct loop *loop)
{
	uint64_t before;

	do {
		before = served;
		loop_turn(loop, false);
	} while (served != before);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct loop_timer *timer = context;

	(void)fd;
	(void)what;
	served++;
	timer->soon = false;
	timer->fired(timer->context);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fired)(void *context), void *context)
{
	struct loop_timer *timer = xalloc_new(sizeof(*timer));

	timer->fired = fired;
	timer->context = context;
	evtimer_assign(&timer->event, loop->base, on_timer, timer);
	return timer;
}

void loop_timer_start(struct loop_timer *timer, int64_t ms)
{
	const struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	timer->soon = false;
	add(&timer->event, &delay);
}

void loop_timer_stop(struct loop_timer *timer)
{
	timer->soon = false;
	event_del(&timer->event);
}

bool loop_timer_runs(const struct loop_timer *timer)
{
	return event_pending(&timer->event, EV_TIMEOUT, NULL);
}

void loop_timer_free(struct loop_timer *timer)
{
	if (timer != NULL)
		event_del(&timer->event);
	xalloc_free(timer);
}

/* Starting it again would cancel a call that is due in this pass already: callbacks that do so in each pass
 * would put it off for as long as they come. */
void loop_soon(struct loop_timer *timer)
{
	if (timer->soon)
		return;
	loop_timer_start(timer, 0);
	timer->soon = true;
}

bool loop_has_edges(const struct loop *loop)
{
	return event_base_get_features(loop->base) & EV_FEATURE_ET;
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
	struct loop_fd *event = context;

	(void)what;
	served++;
	event->ready((int)fd, event->data[0]);
}

static void on_ready_with(evutil_socket_t fd, short what, void *context)
{
	struct loop_fd *event = context;

	(void)what;
	served++;
	event->ready((int)fd, event->data);
}

static short flags_of(unsigned what)
{
	return (short)(EV_PERSIST | (what & LOOP_READ ? EV_READ : 0) | (what & LOOP_WRITE ? EV_WRITE : 0) |
		       (what & LOOP_EDGE ? EV_ET : 0));
}

struct loop_fd *loop_fd_new(
    struct loop *loop, int fd, unsigned what, void (*ready)(int fd, void *context), void *context)
{
	struct loop_fd *event = xalloc_new(sizeof(*event) + sizeof(context));

	event->ready = ready;
	event->data[0] = context;
	event_assign(&event->event, loop->base, fd, flags_of(what), on_ready, event);
	return event;
}

void *loop_fd_new_with(
    struct loop *loop, int fd, unsigned what, void (*ready)(int fd, void *context), size_t size)
{
	struct loop_fd *event = xalloc_new(sizeof(*event) + size);

	event->ready = ready;
	event_assign(&event->event, loop->base, fd, flags_of(what), on_ready_with, event);
	return event->data;
}

struct loop_fd *loop_fd_of(void *context)
{
	return (struct loop_fd *)((char *)context - offsetof(struct loop_fd, data));
}

int loop_fd_number(const struct loop_fd *event)
{
	return (int)event_get_fd(&event->event);
}

void loop_fd_change(struct loop_fd *event, unsigned what)
{
	event_del(&event->event);
	event_assign(&event->event, event_get_base(&event->event), event_get_fd(&event->event),
	    flags_of(what), event_get_callback(&event->event), event);
}

void loop_fd_start(struct loop_fd *event)
{
	add(&event->event, NULL);
}

int loop_fd_try_start(struct loop_fd *event)
{
	return event_add(&event->event, NULL);
}

void loop_fd_stop(struct loop_fd *event)
{
	event_del(&event->event);
}

void loop_fd_raise(struct loop_fd *event)
{
	event_active(&event->event, EV_READ, 0);
}

void loop_fd_free(struct loop_fd *event)
{
	if (event != NULL)
		event_del(&event->event);
	xalloc_free(event);
}

static void on_once(evutil_socket_t fd, short what, void *context)
{
	void (*ready)(int fd) = (void (*)(int))context;

	(void)what;
	served++;
	ready((int)fd);
}

void loop_once(struct loop *loop, int fd, void (*ready)(int fd))
{
	(void)event_base_once(loop->base, fd, EV_READ, on_once, (void *)ready, NULL);
}

static void on_signal(evutil_socket_t signal, short what, void *context)
{
	struct loop_signal *event = context;

	(void)what;
	served++;
	event->raised((int)signal, event->context);
}

struct loop_signal *loop_signal_new(
    struct loop *loop, int signal, void (*raised)(int signal, void *context), void *context)
{
	struct loop_signal *event = xalloc_new(sizeof(*event));

	event->raised = raised;
	event->context = context;
	evsignal_assign(&event->event, loop->base, signal, on_signal, event);
	add(&event->event, NULL);
	return event;
}

void loop_signal_free(struct loop_signal *event)
{
	event_del(&event->event);
	xalloc_free(event);
}
