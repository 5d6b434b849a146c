/* daemon/loop.h in the simulated world: one loop at a time, and the scheduler calls loop_pass(). */
#include "config.h"

#include <poll.h>
#include <stddef.h>
#include <stdlib.h>

#include "daemon/loop.h"
#include "tests/sim/history.h"
#include "tests/sim/loop.h"
#include "tests/sim/world.h"

#define EVENTS_MAX 256

/* A timer, a descriptor or a signal: it is the first member of each. */
struct event {
	unsigned place;
	bool raised;
};

struct loop_timer {
	struct event event;
	int64_t at; /* 0: not running */
	void (*fired)(void *context);
	void *context;
};

struct loop_fd {
	struct event event;
	int fd;
	unsigned what;
	bool started;
	void (*ready)(int fd, void *context);
	void *context; /* NULL: what follows is */
	void *data[];
};

struct loop_signal {
	struct event event;
};

enum event_kind { TIMER, DESCRIPTOR, SIGNAL };

struct loop {
	struct {
		enum event_kind kind;
		struct event *event;
	} all[EVENTS_MAX], due[EVENTS_MAX + 1]; /* due: in this pass; NULL: freed since */
	unsigned count, due_count;
};

static struct loop loop;
static uint64_t passes;

struct loop *loop_new(void)
{
	loop.count = loop.due_count = 0;
	return &loop;
}

void loop_free(struct loop *l)
{
	if (l->count > 0)
		fail("the daemon leaves %u events behind", l->count);
}

uint64_t loop_pass_number(const struct loop *l)
{
	(void)l;
	return passes;
}

/* The scheduler runs the loop. */
int loop_run(struct loop *l)
{
	(void)l;
	return 0;
}

void loop_stop(struct loop *l)
{
	(void)l;
}

const char *loop_version(void)
{
	return "none";
}

const char *loop_method(const struct loop *l)
{
	(void)l;
	return "simulation";
}

static void *add(struct loop *l, enum event_kind kind, size_t size)
{
	struct event *event = calloc(1, size);

	if (event == NULL || l->count == EVENTS_MAX)
		abort();
	event->place = l->count;
	l->all[l->count].kind = kind;
	l->all[l->count++].event = event;
	return event;
}

static void remove_event(struct event *event)
{
	if (event == NULL)
		return;
	loop.all[event->place] = loop.all[--loop.count];
	loop.all[event->place].event->place = event->place;
	for (unsigned i = 0; i < loop.due_count; i++)
		if (loop.due[i].event == event)
			loop.due[i].event = NULL;
	free(event);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fired)(void *context), void *context)
{
	struct loop_timer *timer = add(l, TIMER, sizeof(*timer));

	timer->fired = fired;
	timer->context = context;
	return timer;
}

void loop_timer_start(struct loop_timer *timer, int64_t ms)
{
	timer->at = world.now + ms * NS_PER_MS;
}

void loop_timer_stop(struct loop_timer *timer)
{
	timer->at = 0;
}

bool loop_timer_runs(const struct loop_timer *timer)
{
	return timer->at != 0;
}

void loop_timer_free(struct loop_timer *timer)
{
	remove_event((struct event *)timer);
}

void loop_soon(struct loop_timer *timer)
{
	loop_timer_start(timer, 0);
}

bool loop_has_edges(const struct loop *l)
{
	(void)l;
	return true;
}

struct loop_fd *loop_fd_new(
    struct loop *l, int fd, unsigned what, void (*ready)(int fd, void *context), void *context)
{
	struct loop_fd *event = add(l, DESCRIPTOR, sizeof(*event));

	event->fd = fd;
	event->what = what;
	event->ready = ready;
	event->context = context;
	return event;
}

void *loop_fd_new_with(
    struct loop *l, int fd, unsigned what, void (*ready)(int fd, void *context), size_t size)
{
	struct loop_fd *event = add(l, DESCRIPTOR, sizeof(*event) + size);

	event->fd = fd;
	event->what = what;
	event->ready = ready;
	return event->data;
}

struct loop_fd *loop_fd_of(void *context)
{
	return (struct loop_fd *)((char *)context - offsetof(struct loop_fd, data));
}

int loop_fd_number(const struct loop_fd *event)
{
	return event->fd;
}

void loop_fd_change(struct loop_fd *event, unsigned what)
{
	loop_fd_stop(event);
	event->what = what;
}

void loop_fd_start(struct loop_fd *event)
{
	event->started = true;
}

int loop_fd_try_start(struct loop_fd *event)
{
	event->started = true;
	return 0;
}

void loop_fd_stop(struct loop_fd *event)
{
	event->started = event->event.raised = false;
}

void loop_fd_raise(struct loop_fd *event)
{
	event->event.raised = true;
}

void loop_fd_free(struct loop_fd *event)
{
	remove_event((struct event *)event);
}

/* For the child of daemon/discard.c: here, descriptors are always refused. */
void loop_once(struct loop *l, int fd, void (*ready)(int fd))
{
	(void)l;
	(void)fd;
	(void)ready;
	abort();
}

struct loop_signal *loop_signal_new(
    struct loop *l, int signal, void (*raised)(int signal, void *context), void *context)
{
	(void)signal;
	(void)raised;
	(void)context;
	return add(l, SIGNAL, sizeof(struct loop_signal));
}

void loop_signal_free(struct loop_signal *event)
{
	remove_event((struct event *)event);
}

static bool is_ready(const struct loop_fd *event)
{
	struct actor *daemon = &world.actors[SIM_DAEMON];
	uint32_t ready;

	if (!event->started || fd_get(daemon, event->fd) == NULL)
		return false;
	ready = fd_ready(daemon, event->fd);
	return ready & ((event->what & LOOP_READ ? POLLIN : 0) | (event->what & LOOP_WRITE ? POLLOUT : 0) |
			   POLLHUP | POLLERR);
}

static bool is_due(enum event_kind kind, const struct event *event)
{
	const struct loop_timer *timer = (const struct loop_timer *)event;

	switch (kind) {
	case TIMER:
		return timer->at != 0 && timer->at <= world.now;
	case DESCRIPTOR:
		return event->raised || is_ready((const struct loop_fd *)event);
	case SIGNAL:
		return false;
	}
	return false;
}

bool loop_is_due(void)
{
	for (unsigned i = 0; i < loop.count; i++)
		if (is_due(loop.all[i].kind, loop.all[i].event))
			return true;
	return false;
}

int64_t loop_next_ns(void)
{
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < loop.count; i++) {
		const struct loop_timer *timer = (const struct loop_timer *)loop.all[i].event;

		if (loop.all[i].kind == TIMER && timer->at != 0 && timer->at < next)
			next = timer->at;
	}
	return next;
}

/* An edge is reported once. */
static void run_descriptor(struct loop_fd *event)
{
	struct sim_fd *fd = fd_get(&world.actors[SIM_DAEMON], event->fd);

	event->event.raised = false;
	if (fd != NULL && fd->kind == FD_MOUNTS)
		world.mounts[fd->index].edge = false;
	event->ready(event->fd, event->context != NULL ? event->context : event->data);
}

static void run_timer(struct loop_timer *timer)
{
	timer->at = 0;
	timer->fired(timer->context);
}

static void find_due(void)
{
	loop.due_count = 0;
	for (unsigned i = 0; i < loop.count; i++)
		if (is_due(loop.all[i].kind, loop.all[i].event))
			loop.due[loop.due_count++] = loop.all[i];
	for (unsigned i = loop.due_count; i > 1; i--) {
		unsigned other = dice_below(i);

		loop.due[loop.due_count] = loop.due[i - 1];
		loop.due[i - 1] = loop.due[other];
		loop.due[other] = loop.due[loop.due_count];
	}
}

/* A callback may stop or free another event that is due. */
void loop_pass(void)
{
	passes++;
	find_due();
	for (unsigned i = 0; i < loop.due_count && !world.actors[SIM_DAEMON].dead; i++) {
		struct event *event = loop.due[i].event;

		if (event == NULL || !is_due(loop.due[i].kind, event))
			continue;
		if (loop.due[i].kind == TIMER)
			run_timer((struct loop_timer *)event);
		else
			run_descriptor((struct loop_fd *)event);
	}
	loop.due_count = 0;
}
