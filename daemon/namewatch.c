#include "config.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "daemon/namewatch.h"

/* Not IN_ATTRIB for a directory: it reports the files in it too. */
#define DIR_MASK  (IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW)
#define FILE_MASK (DIR_MASK | IN_ATTRIB)

void namewatch_init(
    struct namewatch *watch, struct loop *loop, void (*on_change)(void *context), void *context)
{
	*watch = (struct namewatch){.loop = loop, .fd = -1, .on_change = on_change, .context = context};
}

void namewatch_fini(struct namewatch *watch)
{
	loop_fd_free(watch->events);
	if (watch->fd >= 0)
		close(watch->fd);
}

static bool has(const int *wds, size_t count, int wd)
{
	for (size_t i = 0; i < count; i++)
		if (wds[i] == wd)
			return true;
	return false;
}

/* Events still queued for what was watched before are ignored. */
static bool concerns(const struct namewatch *watch, const struct inotify_event *event)
{
	return event->mask & IN_Q_OVERFLOW || has(watch->wds, watch->count, event->wd);
}

static void on_events(int fd, void *context)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct namewatch *watch = context;
	const ssize_t n = read(fd, buffer, sizeof(buffer));
	bool changed = false;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const struct inotify_event *)(buffer + at);

		changed = changed || concerns(watch, event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	if (!changed)
		return;
	watch->works = false;
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

static void add(struct namewatch *watch, const char *path, uint32_t mask)
{
	const int wd = inotify_add_watch(watch->fd, path, mask);

	if (wd < 0 || has(watch->wds, watch->count, wd)) {
		watch->works = watch->works && wd >= 0;
	} else if (watch->count < NAMEWATCH_MOST) {
		watch->wds[watch->count++] = wd;
	} else {
		(void)inotify_rm_watch(watch->fd, wd);
		watch->works = false;
	}
}

/* The directories and links above path, which is absolute. */
static void add_ancestors(struct namewatch *watch, const char *path)
{
	char prefix[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		const size_t len = (size_t)(slash - path);

		memcpy(prefix, path, len);
		prefix[len] = '\0';
		add(watch, prefix, DIR_MASK);
	}
}

/* The same after links have been followed. */
static void add_real_ancestors(struct namewatch *watch, const char *path)
{
	char dir[PATH_MAX], real[PATH_MAX + 1];
	const size_t len = (size_t)(strrchr(path, '/') - path) + 1;

	memcpy(dir, path, len);
	dir[len] = '\0';
	if (realpath(dir, real) == NULL) {
		watch->works = false;
		return;
	}
	strcat(real, "/");
	add_ancestors(watch, real);
}

/* What was watched before and is still there keeps its number, and its queued events. */
bool namewatch_set(struct namewatch *watch, const char *path, const char *beside)
{
	int old[NAMEWATCH_MOST];
	const size_t old_count = watch->count;

	if (!open_instance(watch))
		return false;
	memcpy(old, watch->wds, sizeof(old));
	watch->count = 0;
	watch->works = true;
	add(watch, path, FILE_MASK);
	add(watch, beside, FILE_MASK);
	add_ancestors(watch, path);
	add_real_ancestors(watch, path);
	for (size_t i = 0; i < old_count; i++)
		if (!has(watch->wds, watch->count, old[i]))
			(void)inotify_rm_watch(watch->fd, old[i]); /* fails if the file is gone */
	return watch->works;
}
