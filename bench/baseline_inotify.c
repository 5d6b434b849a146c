/* A watch of one's own in each waiter: watch, look, sleep, look again. What ktstr does. */
#include "config.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "bench/baseline.h"

static int watch;

static int wait_by_watch(struct trial *trial, int i)
{
	char buffer[4096] __attribute__((aligned(8)));
	struct pollfd poll_fd = {.events = POLLIN};

	(void)i;
	poll_fd.fd = watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch < 0 || inotify_add_watch(watch, trial->bench->markers, IN_CREATE | IN_MOVED_TO) < 0)
		return -1;
	trial_armed(trial);
	while (!trial_marker_is_there(trial)) {
		if (poll(&poll_fd, 1, -1) != 1)
			return -1;
		while (read(watch, buffer, sizeof(buffer)) > 0)
			;
	}
	return 0;
}

static void leave(struct trial *trial)
{
	(void)trial;
	close(watch);
}

const struct baseline baseline_inotify = {
    .name = "inotify", .wait = wait_by_watch, .leave = leave, .watches = true};
