#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/scan.h"
#include "daemon/watch.h"

/* With a watch the tick only covers what raises no event; without one it is all there is. */
#define TICK_MS	      250
#define TICK_BLIND_MS 25
/* Without a watch, or without the mount table, and with nobody waiting: only to have it back. */
#define TICK_IDLE_BLIND_MS 1000
/* Large enough to drain a burst in few calls; a name has at most 255 bytes, so never too small. */
#define BUFFER_SIZE 65536
/* After a drain that found at least so much: somebody floods the directory. Then many events are taken
 * with one wake-up, and the rest of the machine keeps its CPU. */
#define FLOOD_BYTES (BUFFER_SIZE / 4)
#define THROTTLE_MS 5
/* IN_MODIFY is left out: a writer could flood it, and existence is all that counts. */
#define MASK                                                                                                 \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* A directory elsewhere. */
struct extra_watch {
	LIST_ENTRY(extra_watch) link;
	int wd;
	bool wanted; /* asked for since the last tick but one */
	bool fresh;  /* since the last tick */
};

struct watch {
	LIST_HEAD(, extra_watch) extra_watches;
	const struct marker_place *place;
	struct watch_hooks hooks;
	void *context;
	struct loop *loop;
	struct scan scan;
	int fd;		 /* inotify instance, -1 while there is none */
	int wd;		 /* of the directory that the path names now, -1 while there is none */
	int file;	 /* of the file of watch_file(), -1 */
	int mounts;	 /* /proc/self/mountinfo, -1 without /proc or epoll */
	int last_logged; /* errno of the last complaint, so that a lasting state is logged once */
	struct loop_fd *events, *mounted;
	struct loop_timer *tick, *throttled;
	bool needs_rescan; /* something happened at an extra_watch, */
	bool moved;	   /* or to the file, while events were taken */
	bool behind;	   /* events were read ahead by watch_catch_up() */
	struct watch_counts counts;
	char buffer[BUFFER_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
};

static void begin_scan(struct watch *watch)
{
	if (scan_begin(&watch->scan) == 0)
		watch->counts.scans++;
}

static const char *hint(int error)
{
	switch (error) {
	case EMFILE:
		return "raise fs.inotify.max_user_instances or the descriptor limit";
	case ENOSPC:
		return "raise fs.inotify.max_user_watches";
	case ENOENT:
	case ENOTDIR:
		return "create the directory";
	case EACCES:
		return "make the directory readable for readyd";
	default:
		return "trying again";
	}
}

static void complain(struct watch *watch, int error)
{
	if (error != 0 && error != watch->last_logged)
		log_warning("cannot watch %s: %s (%s); polling it while somebody waits", watch->place->dir,
		    strerror(error), hint(error));
	if (error == 0 && watch->last_logged != 0)
		log_info("watching %s again", watch->place->dir);
	watch->last_logged = error;
	watch->counts.polling = error != 0;
	if (error != 0 && !loop_timer_runs(watch->tick))
		loop_timer_start(watch->tick, TICK_IDLE_BLIND_MS);
}

static void on_events(int fd, void *context);

static int open_instance(struct watch *watch)
{
	if (watch->fd >= 0)
		return 0;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		return -1;
	watch->events = loop_fd_new(watch->loop, watch->fd, LOOP_READ, on_events, watch);
	loop_fd_start(watch->events);
	return 0;
}

/*
 * Makes sure that the directory which the path names now is watched. Adding the watch again is the only
 * reliable test: the same directory gives the same wd and keeps its queued events, anything else gives
 * another wd or an error. Device and inode number do not tell, and a held descriptor would keep the
 * directory from being removed and unmounted. True when another directory is watched than before.
 */
static bool rearm(struct watch *watch)
{
	int old = watch->wd;

	if (open_instance(watch) != 0) {
		complain(watch, errno);
		return false;
	}
	watch->wd = inotify_add_watch(watch->fd, watch->place->dir, MASK);
	complain(watch, watch->wd < 0 ? errno : 0);
	if (watch->wd == old)
		return false;
	if (old >= 0)
		(void)inotify_rm_watch(watch->fd, old); /* fails where the kernel has removed it already */
	return watch->wd >= 0;
}

/* Watch, then look: in this order nothing that comes in between is missed. That a scan takes several turns
 * changes nothing: each of its looks comes after the watch, so a marker that is not there yet when its name
 * is taken down or looked at raises an event. Where that event is lost, the overflow or the new directory
 * begins another scan. */
static void make_sure(struct watch *watch)
{
	if (!rearm(watch))
		return;
	begin_scan(watch);
	watch->hooks.rescan(watch->context);
}

void watch_refresh(struct watch *watch)
{
	(void)rearm(watch);
	begin_scan(watch);
	watch->hooks.rescan(watch->context);
}

bool watch_add_extra(struct watch *watch, const char *dir, int *number)
{
	struct extra_watch *extra_watch;
	int wd = watch->fd < 0 ? -1 : inotify_add_watch(watch->fd, dir, MASK);

	*number = wd < 0 ? 0 : wd;
	if (wd < 0 || wd == watch->wd)
		return false;
	LIST_FOREACH (extra_watch, &watch->extra_watches, link) {
		if (extra_watch->wd != wd)
			continue;
		extra_watch->wanted = extra_watch->fresh = true;
		return false;
	}
	extra_watch = xalloc_new(sizeof(*extra_watch));
	extra_watch->wd = wd;
	extra_watch->wanted = extra_watch->fresh = true;
	LIST_INSERT_HEAD(&watch->extra_watches, extra_watch, link);
	return true;
}

void watch_file(struct watch *watch, const char *path)
{
	if (watch->fd < 0)
		return;
	if (watch->file >= 0)
		(void)inotify_rm_watch(watch->fd, watch->file); /* fails where the file is gone */
	watch->file = inotify_add_watch(watch->fd, path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
}

/* Gives up those that nobody has asked for. */
static void age_extra_watches(struct watch *watch, bool all)
{
	struct extra_watch *extra_watch, *next;

	for (extra_watch = LIST_FIRST(&watch->extra_watches); extra_watch != NULL; extra_watch = next) {
		next = LIST_NEXT(extra_watch, link);
		if (extra_watch->wanted && !all) {
			extra_watch->wanted = extra_watch->fresh;
			extra_watch->fresh = false;
			continue;
		}
		(void)inotify_rm_watch(watch->fd, extra_watch->wd); /* fails where the directory is gone */
		LIST_REMOVE(extra_watch, link);
		xalloc_free(extra_watch);
	}
}

static bool is_extra_watch(const struct watch *watch, int wd)
{
	const struct extra_watch *extra_watch;

	LIST_FOREACH (extra_watch, &watch->extra_watches, link)
		if (extra_watch->wd == wd)
			return true;
	return false;
}

/* False when the event says that the watch itself is in doubt. */
static bool take_event(struct watch *watch, const struct inotify_event *event)
{
	pid_t pid;

	watch->counts.events++;
	if (event->mask & IN_Q_OVERFLOW) {
		watch->counts.overflows++;
		return false;
	}
	if (event->wd == watch->file) {
		if (event->mask & IN_IGNORED)
			watch->file = -1;
		watch->moved = true;
		return true;
	}
	if (event->wd != watch->wd) {
		/* Else what is left in the queue of a directory that was watched before. */
		watch->needs_rescan |= is_extra_watch(watch, event->wd);
		return true;
	}
	if (event->mask & IN_IGNORED)
		watch->wd = -1;
	if (event->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF))
		return false;
	pid = event->len > 0 ? marker_pid(watch->place, event->name) : 0;
	if (pid != 0)
		watch->hooks.marker(pid, watch->context);
	return true;
}

/* It cannot be read any more: polled from now on, until the tick has another one. */
static void lose_instance(struct watch *watch, int error)
{
	age_extra_watches(watch, true);
	loop_fd_free(watch->events);
	watch->events = NULL;
	close(watch->fd);
	watch->fd = watch->wd = watch->file = -1;
	complain(watch, error);
}

static void throttle(struct watch *watch)
{
	loop_fd_stop(watch->events);
	loop_timer_start(watch->throttled, THROTTLE_MS);
}

static void on_throttled(void *context)
{
	struct watch *watch = context;

	if (watch->events != NULL)
		loop_fd_start(watch->events);
}

static const struct inotify_event *next_event(const char *buffer, ssize_t len, ssize_t *at)
{
	const struct inotify_event *event = (const struct inotify_event *)(buffer + *at);

	if (*at + (ssize_t)sizeof(*event) > len)
		return NULL;
	*at += (ssize_t)(sizeof(*event) + event->len);
	return event;
}

static void announce(struct watch *watch, const struct inotify_event *event)
{
	pid_t ns_pid;

	if (event->len == 0 || !(event->mask & (IN_CREATE | IN_MOVED_TO)) ||
	    !is_extra_watch(watch, event->wd))
		return;
	ns_pid = marker_pid(watch->place, event->name);
	if (ns_pid != 0)
		watch->hooks.arrived(event->wd, ns_pid, watch->context);
}

/* What has been posted is reported before anything is looked at, since whoever posted it may be gone. */
static ssize_t read_events(struct watch *watch, char *buffer, size_t size)
{
	const struct inotify_event *event;
	ssize_t n = watch->fd < 0 ? 0 : read(watch->fd, buffer, size);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		lose_instance(watch, errno);
	for (ssize_t at = 0; (event = next_event(buffer, n, &at)) != NULL;)
		announce(watch, event);
	return n;
}

void watch_catch_up(struct watch *watch)
{
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));

	/* Bounded: somebody may be flooding. */
	for (int i = 0; i < 4 && read_events(watch, buffer, sizeof(buffer)) > 0; i++)
		watch->behind = true;
	if (watch->behind && watch->events != NULL)
		loop_fd_raise(watch->events);
}

static void on_events(int fd, void *context)
{
	struct watch *watch = context;
	const struct inotify_event *event;
	bool sure = !watch->behind;
	ssize_t n = read_events(watch, watch->buffer, sizeof(watch->buffer));

	(void)fd;
	watch->behind = false;
	if (n >= FLOOD_BYTES)
		throttle(watch);
	for (ssize_t at = 0; (event = next_event(watch->buffer, n, &at)) != NULL;)
		sure = take_event(watch, event) && sure;
	if (!sure)
		watch_refresh(watch);
	else if (watch->needs_rescan)
		watch->hooks.rescan(watch->context);
	if (watch->moved)
		watch->hooks.environment_changed(watch->context);
	watch->needs_rescan = watch->moved = false;
}

static void on_mounted(int fd, void *context)
{
	struct watch *watch = context;

	(void)fd;
	make_sure(watch);
	watch->hooks.environment_changed(watch->context);
}

/* Level-triggered this would spin, since the file always has something to read; only epoll can do else. */
static void watch_mounts(struct watch *watch)
{
	watch->mounts = -1;
	if (!loop_has_edges(watch->loop))
		return;
	watch->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (watch->mounts < 0)
		return;
	watch->mounted = loop_fd_new(watch->loop, watch->mounts, LOOP_READ | LOOP_EDGE, on_mounted, watch);
	loop_fd_start(watch->mounted);
}

static void on_tick(void *context)
{
	struct watch *watch = context;
	bool wanted = watch->hooks.has_waits(watch->context);
	bool sighted = watch->wd >= 0 && watch->mounts >= 0;

	age_extra_watches(watch, !wanted);
	if (!wanted && sighted)
		return;
	if (watch->mounts < 0)
		watch_mounts(watch);
	watch->counts.ticks++;
	watch->hooks.environment_changed(watch->context);
	if (rearm(watch))
		begin_scan(watch);
	watch->hooks.rescan(watch->context);
	if (wanted)
		watch_start_ticking(watch);
	else if (watch->mounts < 0)
		loop_timer_start(watch->tick, TICK_IDLE_BLIND_MS);
}

void watch_start_ticking(struct watch *watch)
{
	loop_timer_start(watch->tick, watch->wd < 0 ? TICK_BLIND_MS : TICK_MS);
}

struct watch *watch_new(
    struct loop *loop, const struct marker_place *place, const struct watch_hooks *hooks, void *context)
{
	struct watch *watch = xalloc_new(sizeof(*watch));

	watch->loop = loop;
	watch->place = place;
	watch->hooks = *hooks;
	watch->context = context;
	scan_init(&watch->scan, loop, place, hooks->marker, context);
	watch->fd = watch->wd = watch->file = -1;
	watch->tick = loop_timer_new(loop, on_tick, watch);
	watch->throttled = loop_timer_new(loop, on_throttled, watch);
	watch_mounts(watch);
	make_sure(watch);
	if (watch->mounts < 0)
		loop_timer_start(watch->tick, TICK_IDLE_BLIND_MS);
	return watch;
}

void watch_free(struct watch *watch)
{
	age_extra_watches(watch, true);
	scan_fini(&watch->scan);
	loop_fd_free(watch->events);
	loop_fd_free(watch->mounted);
	loop_timer_free(watch->tick);
	loop_timer_free(watch->throttled);
	if (watch->mounts >= 0)
		close(watch->mounts);
	if (watch->fd >= 0)
		close(watch->fd);
	xalloc_free(watch);
}

const struct watch_counts *watch_counts(const struct watch *watch)
{
	return &watch->counts;
}
