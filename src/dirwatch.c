#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/dirwatch.h"
#include "src/hot.h"

/* IN_MODIFY is left out: a writer could flood it, and existence is all that counts. */
#define MASK                                                                                                 \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
/* What happens to a file that is there already: the daemon waits for it on behalf of many. */
#define MASK_OF_FILES (IN_CLOSE_WRITE | IN_ATTRIB)
#define MASK_OF_ENDS  (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)
/* Names remembered for one directory; the oldest is forgotten first. */
#define NAMES_LEAST 16
#define NAMES_MOST  4096
/* Bytes of a queue that takes long to count: some hundred events. */
#define LONG_QUEUE 16384
/* Limit of reads ahead in one call: the directory may be flooded. */
#define READS_AHEAD 4

/* Of a marker. */
struct name {
	pid_t ns_pid;
	bool arrived;
	uint64_t after; /* an event at this position of the queue or an earlier one does not count */
};

struct dirwatch_extra {
	struct dirwatch_extra *next, **to_this;
	int wd;
	bool wanted; /* added since the last dirwatch_age() but one */
	bool fresh;  /* added since the last dirwatch_age() */
	struct name *names;
	size_t count, size;
	size_t reuse; /* the slot to reuse when the array is full */
	void *charged;
};

void dirwatch_init(
    struct dirwatch *d, const struct marker_place *place, void (*on_behind)(void *context), void *context)
{
	*d =
	    (struct dirwatch){.place = place, .fd = -1, .wd = -1, .on_behind = on_behind, .context = context};
}

static void remove_extra(struct dirwatch *d, struct dirwatch_extra *extra)
{
	(void)inotify_rm_watch(d->fd, extra->wd); /* fails if the directory is gone */
	*extra->to_this = extra->next;
	if (extra->next != NULL)
		extra->next->to_this = extra->to_this;
	if (extra->charged != NULL)
		d->on_extra_gone(extra->charged, d->extra_context);
	free(extra->names);
	free(extra);
}

void dirwatch_drop_extras(struct dirwatch *d)
{
	while (d->extras != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is taken out of the list first */
		remove_extra(d, d->extras);
}

HOT void dirwatch_close(struct dirwatch *d)
{
	dirwatch_drop_extras(d);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = d->wd = -1;
	d->at = d->end = NULL;
	d->behind = false;
	d->end_of_queue = 0;
}

int dirwatch_add_watch(int inotify, const char *dir)
{
	return inotify_add_watch(inotify, dir, MASK);
}

static uint64_t count_queue(struct dirwatch *d)
{
	int unread;

	if (d->fd < 0 || ioctl(d->fd, FIONREAD, &unread) != 0)
		return UINT64_MAX;
	d->end_of_queue = unread >= LONG_QUEUE ? d->read + (uint64_t)unread : 0;
	return d->read + (uint64_t)unread;
}

uint64_t dirwatch_position(struct dirwatch *d)
{
	return d->counts_once && d->end_of_queue != 0 ? d->end_of_queue : count_queue(d);
}

enum dirwatch_armed dirwatch_arm(struct dirwatch *d)
{
	int old = d->wd, error;

	if (d->fd < 0)
		d->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (d->fd < 0)
		return DIRWATCH_NONE;
	d->wd = inotify_add_watch(d->fd, d->place->dir, d->reports_writes ? MASK | MASK_OF_FILES : MASK);
	error = errno;
	if (old >= 0 && d->wd != old)
		(void)inotify_rm_watch(d->fd, old); /* fails if the kernel has removed it already */
	errno = error;
	if (d->wd < 0)
		return DIRWATCH_NONE;
	return d->wd == old ? DIRWATCH_SAME : DIRWATCH_OTHER;
}

static struct dirwatch_extra *find_extra(const struct dirwatch *d, int wd)
{
	struct dirwatch_extra *extra;

	for (extra = d->extras; extra != NULL; extra = extra->next)
		if (extra->wd == wd)
			return extra;
	return NULL;
}

static struct dirwatch_extra *new_extra(struct dirwatch *d, int wd)
{
	struct dirwatch_extra *extra = calloc(1, sizeof(*extra));

	if (extra == NULL) {
		(void)inotify_rm_watch(d->fd, wd);
		return NULL;
	}
	extra->wd = wd;
	extra->next = d->extras;
	extra->to_this = &d->extras;
	if (extra->next != NULL)
		extra->next->to_this = &extra->next;
	d->extras = extra;
	return extra;
}

/* NULL: it is the marker directory, or cannot be remembered. */
static struct dirwatch_extra *want_extra(struct dirwatch *d, int wd, bool *is_new)
{
	struct dirwatch_extra *extra;

	if (wd < 0 || wd == d->wd)
		return NULL;
	extra = find_extra(d, wd);
	*is_new = extra == NULL;
	if (extra == NULL)
		extra = new_extra(d, wd);
	if (extra != NULL)
		extra->wanted = extra->fresh = true;
	return extra;
}

bool dirwatch_add_extra(struct dirwatch *d, const char *dir, int *number)
{
	int wd = d->fd < 0 ? -1 : dirwatch_add_watch(d->fd, dir);
	bool is_new = false;

	*number = want_extra(d, wd, &is_new) != NULL ? wd : 0;
	return *number != 0 && is_new;
}

int dirwatch_adopt_extra(struct dirwatch *d, int wd)
{
	bool is_new;

	return want_extra(d, wd, &is_new) != NULL ? wd : 0;
}

void *dirwatch_extra_charged(const struct dirwatch *d, int wd)
{
	const struct dirwatch_extra *extra = find_extra(d, wd);

	return extra == NULL ? NULL : extra->charged;
}

void dirwatch_charge_extra(struct dirwatch *d, int wd, void *charged)
{
	struct dirwatch_extra *extra = find_extra(d, wd);

	if (extra != NULL)
		extra->charged = charged;
}

HOT void dirwatch_age(struct dirwatch *d)
{
	struct dirwatch_extra *extra, *next;

	for (extra = d->extras; extra != NULL; extra = next) {
		next = extra->next;
		if (!extra->wanted) {
			remove_extra(d, extra);
			continue;
		}
		extra->wanted = extra->fresh;
		extra->fresh = false;
	}
}

static struct name *find_name(const struct dirwatch_extra *extra, pid_t ns_pid)
{
	for (size_t i = 0; i < extra->count; i++)
		if (extra->names[i].ns_pid == ns_pid)
			return &extra->names[i];
	return NULL;
}

static bool has_arrived(const struct dirwatch_extra *extra, pid_t ns_pid)
{
	const struct name *name = find_name(extra, ns_pid);

	return name != NULL && name->arrived;
}

/* The analyzer takes the old names for leaked, which realloc() has freed. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
/* If there is no memory for more, the oldest is forgotten. */
static void grow(struct dirwatch_extra *extra)
{
	size_t size = extra->size == 0 ? NAMES_LEAST : 2 * extra->size;
	struct name *names = size > NAMES_MOST ? NULL : realloc(extra->names, size * sizeof(*names));

	if (names == NULL)
		return;
	extra->names = names;
	extra->size = size;
	extra->reuse = extra->count;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/* NULL: there is no memory for any name. */
static struct name *enter_name(struct dirwatch_extra *extra, pid_t ns_pid)
{
	struct name *name = find_name(extra, ns_pid);

	if (name != NULL)
		return name;
	if (extra->count == extra->size)
		grow(extra);
	if (extra->size == 0)
		return NULL;
	if (extra->reuse == extra->size)
		extra->reuse = 0;
	name = &extra->names[extra->reuse++];
	*name = (struct name){.ns_pid = ns_pid};
	if (extra->count < extra->size)
		extra->count++;
	return name;
}

static void remember_arrival(struct dirwatch_extra *extra, pid_t ns_pid, uint64_t position)
{
	struct name *name = enter_name(extra, ns_pid);

	if (name != NULL && position > name->after)
		name->arrived = true;
}

/* What has been seen under the name may have its event in the queue still. The queue is counted now, not as
 * dirwatch_position() may, since an earlier end would let that event count. */
void dirwatch_forget_arrival(struct dirwatch *d, int wd, pid_t ns_pid)
{
	struct dirwatch_extra *extra = find_extra(d, wd);
	const uint64_t end = extra == NULL ? 0 : count_queue(d);
	struct name *name = NULL;

	if (extra != NULL)
		name = end == d->read ? find_name(extra, ns_pid) : enter_name(extra, ns_pid);
	if (name != NULL)
		*name = (struct name){.ns_pid = ns_pid, .after = end};
}

static const struct inotify_event *take(const char **at, const char *end)
{
	const struct inotify_event *event = (const struct inotify_event *)*at;

	if (end - *at < (ptrdiff_t)sizeof(*event))
		return NULL;
	*at += sizeof(*event) + event->len;
	return event;
}

static pid_t name_of(const struct dirwatch *d, const struct inotify_event *event)
{
	return event->len > 0 ? marker_pid(d->place, event->name) : 0;
}

/* Of events that have just been read. */
static void note_arrivals(struct dirwatch *d, const char *at, const char *end)
{
	const struct inotify_event *event;
	struct dirwatch_extra *extra;
	pid_t ns_pid;

	while (d->extras != NULL && (event = take(&at, end)) != NULL) {
		/* A directory is not a marker. */
		ns_pid = event->mask & (IN_CREATE | IN_MOVED_TO) && (event->mask & IN_ISDIR) == 0
			     ? name_of(d, event)
			     : 0;
		extra = ns_pid == 0 ? NULL : find_extra(d, event->wd);
		if (extra != NULL)
			remember_arrival(extra, ns_pid, d->read - (uint64_t)(end - at));
	}
}

/* Arrivals are recorded before anything is checked, since their processes may be gone. */
static ssize_t read_events(struct dirwatch *d, char *buffer, size_t size)
{
	ssize_t n = read(d->fd, buffer, size);

	d->end_of_queue = 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	d->read += (uint64_t)n;
	note_arrivals(d, buffer, buffer + n);
	return n;
}

static void read_ahead(struct dirwatch *d)
{
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool behind = false;

	for (int i = 0; i < READS_AHEAD && read_events(d, buffer, sizeof(buffer)) > 0; i++)
		behind = true;
	if (!behind || d->behind)
		return;
	d->behind = true;
	d->on_behind(d->context);
}

bool dirwatch_has_arrived(struct dirwatch *d, int wd, pid_t ns_pid)
{
	const struct dirwatch_extra *extra = find_extra(d, wd);

	if (extra != NULL && !has_arrived(extra, ns_pid))
		read_ahead(d);
	return extra != NULL && has_arrived(extra, ns_pid);
}

ssize_t dirwatch_read(struct dirwatch *d, void *buffer, size_t size)
{
	ssize_t n = read_events(d, buffer, size);

	d->at = buffer;
	d->end = d->at + (n > 0 ? n : 0);
	return n;
}

static enum dirwatch_kind kind_of(struct dirwatch *d, const struct inotify_event *event, pid_t ns_pid)
{
	const bool ends = (event->mask & MASK_OF_ENDS) != 0;

	if (event->mask & IN_Q_OVERFLOW)
		return DIRWATCH_OVERFLOW;
	/* Otherwise it is left in the queue from a directory that was watched before. */
	if (event->wd != d->wd)
		return (ns_pid != 0 || ends) && find_extra(d, event->wd) != NULL ? DIRWATCH_EXTRA
										 : DIRWATCH_UNRELATED;
	if (event->mask & IN_IGNORED)
		d->wd = -1;
	if (ends)
		return DIRWATCH_UNSURE;
	return ns_pid != 0 ? DIRWATCH_MARKER : DIRWATCH_UNRELATED;
}

bool dirwatch_next(struct dirwatch *d, struct dirwatch_event *event)
{
	const struct inotify_event *raw;

	if (d->behind) {
		d->behind = false;
		*event = (struct dirwatch_event){.kind = DIRWATCH_UNSURE};
		return true;
	}
	raw = take(&d->at, d->end);
	if (raw == NULL)
		return false;
	event->wd = raw->wd;
	event->ns_pid = name_of(d, raw);
	event->came = (raw->mask & (IN_CREATE | IN_MOVED_TO)) != 0 && (raw->mask & IN_ISDIR) == 0;
	event->created = event->came && (raw->mask & IN_CREATE) != 0;
	event->written = (raw->mask & IN_CLOSE_WRITE) != 0;
	event->position = d->read - (uint64_t)(d->end - d->at);
	event->kind = kind_of(d, raw, event->ns_pid);
	return true;
}
