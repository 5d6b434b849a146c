#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "daemon/arrival.h"
#include "daemon/hangcheck.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/mountwatch.h"
#include "daemon/names.h"
#include "daemon/scan.h"
#include "daemon/tick.h"
#include "daemon/watch.h"
#include "daemon/xalloc.h"
#include "src/clock.h"
#include "src/dirwatch.h"

/* Large enough to drain a burst in few calls. */
#define BUFFER_SIZE 65536
/* After a drain that found at least this much, the directory is being flooded. Then many events are read
 * for each wake-up, which leaves the CPU to the rest of the machine; but not while a process is waited for,
 * whose marker may be among them, nor before the queue is drained. */
#define FLOOD_BYTES (BUFFER_SIZE / 4)
#define THROTTLE_MS 5
/* Searches for processes without a pid of ours, in the events of one read. */
#define SEARCHES 16
/* The mounts and the socket are looked at so often at least. */
#define ENVIRONMENT_MS 1000

struct watch {
	const struct marker_place *place;
	struct watch_hooks hooks;
	void *context;
	struct loop *loop;
	struct dirwatch *dirs;
	struct mountwatch mounts;
	struct hangcheck hangs;
	struct scan scan;
	struct names names;
	int64_t environment_seen; /* clock_ms() */
	int64_t drained;	  /* CLOCK_BOOTTIME in nanoseconds: no event was left unread; 0: not known */
	int last_logged;	  /* errno last logged, so that a lasting state is logged once */
	struct loop_fd *events;	  /* NULL while dirs has no instance */
	struct loop_timer *tick, *throttled;
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
		return "will retry";
	}
}

static void schedule(struct watch *watch)
{
	int64_t ms = tick_interval(
	    watch->hooks.has_waits(watch->context), watch->dirs->wd >= 0, watch->mounts.changed != NULL);

	if (ms > 0)
		loop_timer_start(watch->tick, ms);
}

static void complain(struct watch *watch, int error)
{
	if (error != 0 && error != watch->last_logged)
		log_warning("cannot watch %s: %s (%s); polling it while a process is waited for",
		    watch->place->dir, strerror(error), hint(error));
	if (error == 0 && watch->last_logged != 0)
		log_info("watching %s again", watch->place->dir);
	watch->last_logged = error;
	watch->counts.polling = error != 0;
	if (error != 0 && !loop_timer_runs(watch->tick))
		schedule(watch);
}

static void on_events(int fd, void *context);

/* True when the watched directory has changed. */
static bool rearm(struct watch *watch)
{
	const int64_t before = clock_now_ns(CLOCK_BOOTTIME);
	enum dirwatch_armed armed = dirwatch_arm(watch->dirs);

	if (armed == DIRWATCH_OTHER) {
		watch->drained = before;
		names_forget(&watch->names);
	}
	complain(watch, armed == DIRWATCH_NONE ? errno : 0);
	if (watch->events == NULL && watch->dirs->fd >= 0) {
		watch->events = loop_fd_new(watch->loop, watch->dirs->fd, LOOP_READ, on_events, watch);
		loop_fd_start(watch->events);
	}
	return armed == DIRWATCH_OTHER;
}

/* Watch, then check: in this order nothing that happens in between is missed. This holds although a scan
 * takes several turns: each of its checks comes after the watch, so a marker that does not exist yet when
 * the scan reads its name or checks it raises an event. If that event is lost, the overflow or the new
 * directory starts another scan. */
static void make_sure(struct watch *watch)
{
	if (!rearm(watch))
		return;
	hangcheck_run(&watch->hangs, watch->place->dir);
	begin_scan(watch);
	watch->hooks.rescan(watch->context);
}

void watch_refresh(struct watch *watch)
{
	(void)rearm(watch);
	begin_scan(watch);
	watch->hooks.rescan(watch->context);
}

/* The instance can no longer be read: polling from now on, until the tick opens another one. */
static void lose_instance(struct watch *watch, int error)
{
	loop_fd_free(watch->events);
	watch->events = NULL;
	dirwatch_close(watch->dirs);
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

	loop_timer_stop(watch->throttled);
	if (watch->events != NULL)
		loop_fd_start(watch->events);
}

void watch_on_behind(struct watch *watch)
{
	if (watch->events != NULL)
		loop_fd_raise(watch->events);
}

/* Events that were read together. */
struct batch {
	bool needs_refresh;
	bool identified; /* the directory, for the arrivals */
	struct arrival arrival;
	unsigned searches;
};

/* Which directory the arrivals are in. If the path leads to another one by now, nothing is known of what is
 * seen there. */
static void identify(struct watch *watch, struct batch *batch)
{
	if (batch->identified)
		return;
	batch->identified = true;
	batch->arrival.since = watch->drained;
	if (!marker_place_identify(watch->place, &batch->arrival.dev, &batch->arrival.ino))
		batch->arrival.since = 0;
	batch->needs_refresh |= rearm(watch);
	if (batch->needs_refresh || watch->dirs->wd < 0)
		batch->arrival.since = 0;
}

static void take_marker(struct watch *watch, struct batch *batch, const struct dirwatch_event *event)
{
	struct arrival arrival = {.searches = &batch->searches};

	if (event->written) {
		watch->hooks.written(event->ns_pid, event->position, watch->context);
		return;
	}
	if (event->came) {
		identify(watch, batch);
		arrival = batch->arrival;
		arrival.created = event->created;
		arrival.position = event->position;
	}
	watch->hooks.marker(event->ns_pid, &arrival, watch->context);
}

static void take_event(struct watch *watch, struct batch *batch, const struct dirwatch_event *event)
{
	watch->counts.events++;
	switch (event->kind) {
	case DIRWATCH_UNRELATED:
		return;
	case DIRWATCH_MARKER:
		take_marker(watch, batch, event);
		return;
	case DIRWATCH_EXTRA:
		watch->hooks.extra(event->wd, event->ns_pid, watch->context);
		return;
	case DIRWATCH_OVERFLOW:
		watch->counts.overflows++;
		batch->needs_refresh = true;
		return;
	case DIRWATCH_UNSURE:
		batch->needs_refresh = true;
		return;
	}
}

/* A read returns as many events as fit. */
static bool is_drained(const struct watch *watch, ssize_t n)
{
	return n >= 0 && n + DIRWATCH_BUFFER_LEAST <= (ssize_t)sizeof(watch->buffer);
}

static void on_events(int fd, void *context)
{
	struct watch *watch = context;
	struct batch batch = {.searches = SEARCHES, .arrival.searches = &batch.searches};
	const int64_t before = clock_now_ns(CLOCK_BOOTTIME);
	ssize_t n = dirwatch_read(watch->dirs, watch->buffer, sizeof(watch->buffer));
	struct dirwatch_event event;

	(void)fd;
	if (n < 0)
		lose_instance(watch, errno);
	if (n >= FLOOD_BYTES && is_drained(watch, n) && !watch->hooks.has_waits(watch->context))
		throttle(watch);
	while (dirwatch_next(watch->dirs, &event))
		take_event(watch, &batch, &event);
	if (is_drained(watch, n))
		watch->drained = before;
	if (batch.needs_refresh)
		watch_refresh(watch);
}

static void on_scanned(pid_t pid, void *context)
{
	struct watch *watch = context;

	watch->hooks.marker(pid, NULL, watch->context);
}

static void on_name(pid_t pid, void *context)
{
	struct watch *watch = context;

	watch->hooks.name(pid, watch->context);
}

static void on_mounted(void *context)
{
	struct watch *watch = context;

	make_sure(watch);
	watch->hooks.environment_changed(watch->context);
}

static void check_drained(struct watch *watch)
{
	struct pollfd poll_fd = {.fd = watch->dirs->fd, .events = POLLIN};
	const int64_t before = clock_now_ns(CLOCK_BOOTTIME);

	if (watch->events != NULL && poll(&poll_fd, 1, 0) == 0)
		watch->drained = before;
}

static void check_environment(struct watch *watch)
{
	const int64_t now = clock_ms();

	if (watch->mounts.changed != NULL && now < watch->environment_seen + ENVIRONMENT_MS)
		return;
	watch->environment_seen = now;
	watch->hooks.environment_changed(watch->context);
}

static void on_tick(void *context)
{
	struct watch *watch = context;
	bool has_waits = watch->hooks.has_waits(watch->context);

	if (!has_waits)
		dirwatch_drop_extras(watch->dirs);
	if (tick_interval(has_waits, watch->dirs->wd >= 0, watch->mounts.changed != NULL) == 0)
		return;
	(void)mountwatch_arm(&watch->mounts);
	watch->counts.ticks++;
	check_drained(watch);
	check_environment(watch);
	if (rearm(watch)) {
		begin_scan(watch);
		watch->hooks.rescan(watch->context);
	}
	watch->hooks.tick(names_check(&watch->names), watch->context);
	schedule(watch);
}

void watch_start_ticking(struct watch *watch)
{
	schedule(watch);
	if (loop_timer_runs(watch->throttled))
		on_throttled(watch);
}

struct watch *watch_new(struct loop *loop, const struct marker_place *place, struct dirwatch *dirs,
    const struct watch_hooks *hooks, void *context)
{
	struct watch *watch = xalloc_new(sizeof(*watch));

	watch->loop = loop;
	watch->place = place;
	watch->dirs = dirs;
	watch->hooks = *hooks;
	watch->context = context;
	scan_init(&watch->scan, loop, place, on_scanned, watch);
	names_init(&watch->names, loop, place, on_name, watch);
	watch->tick = loop_timer_new(loop, on_tick, watch);
	watch->throttled = loop_timer_new(loop, on_throttled, watch);
	mountwatch_init(&watch->mounts, loop, on_mounted, watch);
	(void)mountwatch_arm(&watch->mounts);
	hangcheck_run(&watch->hangs, place->dir);
	make_sure(watch);
	schedule(watch);
	return watch;
}

void watch_free(struct watch *watch)
{
	scan_fini(&watch->scan);
	names_fini(&watch->names);
	loop_fd_free(watch->events);
	loop_timer_free(watch->tick);
	loop_timer_free(watch->throttled);
	mountwatch_fini(&watch->mounts);
	dirwatch_close(watch->dirs);
	xalloc_free(watch);
}

const struct watch_counts *watch_counts(const struct watch *watch)
{
	return &watch->counts;
}
