#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"

void loop_add(struct event *event, const struct timeval *timeout)
{
	if (event_add(event, timeout) == 0)
		return;
	log_error(
	    "cannot wait for events: %s (is fs.epoll.max_user_watches used up?); stopping, clients go on "
	    "by the marker file",
	    strerror(errno));
	_exit(71);
}

void loop_soon(struct event *timer)
{
	const struct timeval none = {0, 0};

	loop_add(timer, &none);
}

static void on_log(int severity, const char *text)
{
	log_line(severity == EVENT_LOG_ERR ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "libevent: %s", text);
}

void loop_take_log(void)
{
	event_set_log_callback(on_log);
}
