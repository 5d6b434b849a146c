/* A waiter in sd-event's loop. */
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "take.h"

struct wait {
	struct readyd_waiter *waiter;
	int ready;
};

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct wait *wait = context;

	(void)fd;
	(void)events;
	if (take_answer(wait->waiter, &wait->ready))
		return sd_event_exit(sd_event_source_get_event(source), 0);
	return 0;
}

int main(int argc, char **argv)
{
	struct wait wait = {.waiter = new_waiter(argc, argv)};
	sd_event *loop;

	if (sd_event_default(&loop) < 0 ||
	    sd_event_add_io(loop, NULL, readyd_waiter_fd(wait.waiter), EPOLLIN, on_readable, &wait) < 0)
		return 125;
	sd_event_loop(loop);
	sd_event_unref(loop);
	readyd_waiter_free(wait.waiter);
	return wait.ready ? 0 : 1;
}
