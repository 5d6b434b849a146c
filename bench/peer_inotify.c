/* A watch of one's own in each waiter: watch, look, sleep, look again. What ktstr does. */
#include "config.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "bench/peer.h"

static int wait_by_watch(struct field *field, int i)
{
	char buffer[4096] __attribute__((aligned(8)));
	struct pollfd poll_fd = {.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .events = POLLIN};

	(void)i;
	if (poll_fd.fd < 0 ||
	    inotify_add_watch(poll_fd.fd, field->bench->markers, IN_CREATE | IN_MOVED_TO) < 0)
		return -1;
	field_armed(field);
	while (!field_marker_is_there(field)) {
		if (poll(&poll_fd, 1, -1) != 1)
			return -1;
		while (read(poll_fd.fd, buffer, sizeof(buffer)) > 0)
			;
	}
	return 0;
}

const struct peer peer_inotify = {.name = "inotify", .wait = wait_by_watch, .watches = true};
