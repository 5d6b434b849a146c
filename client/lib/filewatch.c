#include "config.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "client/lib/filewatch.h"
#include "src/hot.h"

#define MASK                                                                                                 \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

HOT void filewatch_init(struct filewatch *watch)
{
	watch->fd = watch->wd = watch->also = -1;
}

HOT void filewatch_close(struct filewatch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	filewatch_init(watch);
}

bool filewatch_arm(struct filewatch *watch, const struct marker_place *place)
{
	int old = watch->wd;

	if (watch->fd < 0)
		watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return true;
	watch->wd = inotify_add_watch(watch->fd, place->dir, MASK);
	if (watch->wd < 0 && errno == ENOSPC)
		filewatch_close(watch); /* no watch to be had: the instance is of more use to others */
	if (watch->wd == old)
		return false;
	if (old >= 0 && watch->fd >= 0)
		(void)inotify_rm_watch(watch->fd, old);
	return true;
}

bool filewatch_also(struct filewatch *watch, const char *dir, int *wd)
{
	int also = watch->fd < 0 ? -1 : inotify_add_watch(watch->fd, dir, MASK);
	/* Numbers of watches only grow. */
	bool news = also > watch->also && also != watch->wd;

	*wd = also < 0 || also == watch->wd ? 0 : also;
	if (news)
		watch->also = also;
	return news;
}

/* True when the event says no more than the news does. */
static bool take_event(struct filewatch *watch, const struct inotify_event *event)
{
	if (event->wd == watch->wd && (event->mask & IN_IGNORED))
		watch->wd = -1;
	return event->wd == watch->wd &&
	       !(event->mask & ~(uint32_t)(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ISDIR));
}

int filewatch_read(struct filewatch *watch, const struct marker_place *place, struct filewatch_news *news,
    int max, bool *doubt)
{
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n = read(watch->fd, buffer, sizeof(buffer));
	int count = 0;
	pid_t name;

	*doubt = false;
	for (ssize_t at = 0; at + (ssize_t)sizeof(*event) <= n;
	     at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(buffer + at);
		name = event->len > 0 ? marker_pid(place, event->name) : 0;
		*doubt = !take_event(watch, event) || *doubt || (name != 0 && count == max);
		if (name != 0 && count < max)
			news[count++] = (struct filewatch_news){event->wd == watch->wd ? 0 : event->wd, name,
			    (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0};
	}
	return count;
}
