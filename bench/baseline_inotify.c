/* Each waiter has an inotify watch of its own: watch, check, sleep, check again. This is what ktstr does. */
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
	trial_report_armed(trial);
	while (!trial_marker_exists(trial)) {
		if (poll(&poll_fd, 1, -1) != 1)
			return -1;
		while (read(watch, buffer, sizeof(buffer)) > 0)
			;
	}
	return 0;
}

static void clean_up(struct trial *trial)
{
	(void)trial;
	close(watch);
}

const struct baseline baseline_inotify = {
    .name = "inotify", .wait = wait_by_watch, .clean_up = clean_up, .uses_inotify = true};
