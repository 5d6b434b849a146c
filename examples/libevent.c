/* A waiter in libevent's loop. */
#include <event2/event.h>

#include "take.h"

struct wait {
	struct readyd_waiter *waiter;
	struct event_base *base;
	int ready;
};

static void on_readable(evutil_socket_t fd, short events, void *context)
{
	struct wait *wait = context;

	(void)fd;
	(void)events;
	if (take_answer(wait->waiter, &wait->ready))
		event_base_loopbreak(wait->base);
}

int main(int argc, char **argv)
{
	struct wait wait = {.waiter = new_waiter(argc, argv), .base = event_base_new()};
	struct event *event =
	    event_new(wait.base, readyd_waiter_fd(wait.waiter), EV_READ | EV_PERSIST, on_readable, &wait);

	event_add(event, NULL);
	event_base_dispatch(wait.base);
	event_free(event);
	event_base_free(wait.base);
	readyd_waiter_free(wait.waiter);
	return wait.ready ? 0 : 1;
}
