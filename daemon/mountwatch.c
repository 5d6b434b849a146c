#include "config.h"

#include <fcntl.h>
#include <unistd.h>

#include "daemon/loop.h"
#include "daemon/mountwatch.h"

static void on_changed(int fd, void *context)
{
	struct mountwatch *watch = context;

	(void)fd;
	watch->on_change(watch->context);
}

void mountwatch_init(
    struct mountwatch *watch, struct loop *loop, void (*on_change)(void *context), void *context)
{
	*watch = (struct mountwatch){.loop = loop, .fd = -1, .on_change = on_change, .context = context};
}

void mountwatch_fini(struct mountwatch *watch)
{
	loop_fd_free(watch->changed);
	if (watch->fd >= 0)
		close(watch->fd);
}

/* Edge-triggered: the file always has something to read, so level-triggered this would spin. */
bool mountwatch_arm(struct mountwatch *watch)
{
	if (watch->changed != NULL)
		return true;
	if (!loop_has_edges(watch->loop))
		return false;
	watch->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (watch->fd < 0)
		return false;
	watch->changed = loop_fd_new(watch->loop, watch->fd, LOOP_READ | LOOP_EDGE, on_changed, watch);
	loop_fd_start(watch->changed);
	return true;
}
