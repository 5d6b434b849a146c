#include "config.h"

#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/namewatch.h"
#include "daemon/loop.h"

void namewatch_init(
    struct namewatch *watch, struct loop *loop, void (*on_change)(void *context), void *context)
{
	*watch =
	    (struct namewatch){.loop = loop, .fd = -1, .wd = -1, .on_change = on_change, .context = context};
}

void namewatch_fini(struct namewatch *watch)
{
	loop_fd_free(watch->events);
	if (watch->fd >= 0)
		close(watch->fd);
}

/* Events still queued for the previous file are ignored. */
static void on_events(int fd, void *context)
{
	/* Events of a file have no name. */
	struct inotify_event events[64];
	struct namewatch *watch = context;
	ssize_t n = read(fd, events, sizeof(events));
	bool changed = false;

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(events[0]); i++) {
		if (events[i].wd != watch->wd)
			continue;
		changed = true;
		if (events[i].mask & IN_IGNORED)
			watch->wd = -1;
	}
	if (changed)
		watch->on_change(watch->context);
}

static bool open_instance(struct namewatch *watch)
{
	if (watch->fd >= 0)
		return true;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return false;
	watch->events = loop_fd_new(watch->loop, watch->fd, LOOP_READ, on_events, watch);
	loop_fd_start(watch->events);
	return true;
}

bool namewatch_set(struct namewatch *watch, const char *path)
{
	if (!open_instance(watch))
		return false;
	if (watch->wd >= 0)
		(void)inotify_rm_watch(watch->fd, watch->wd); /* fails if the file is gone */
	watch->wd = inotify_add_watch(watch->fd, path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
	return watch->wd >= 0;
}
