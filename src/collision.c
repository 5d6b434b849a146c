#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/collision.h"
#include "src/marker_dir.h"
#include "src/number.h"
#include "src/shortage.h"

static void read_namespace(const char *process, struct own_namespace *its)
{
	char path[48];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%s/ns/pid", process);
	len = readlink(path, its->name, sizeof(its->name) - 1);
	its->name[len < 0 ? 0 : len] = '\0';
}

void own_namespace_read(struct own_namespace *own)
{
	read_namespace("self", own);
}

pid_t own_namespace_ns_pid(const struct own_namespace *own, pid_t pid)
{
	struct own_namespace its;
	char process[16];

	snprintf(process, sizeof(process), "%ld", (long)pid);
	read_namespace(process, &its);
	return its.name[0] != '\0' && strcmp(its.name, own->name) == 0 ? pid : process_ns_pid_of(pid);
}

/* A search for another process that could have left p's marker. */
struct search {
	const struct marker_place *place;
	const struct process *p;
	const struct marker_view *view;
	const struct marker_viewer *viewer;
};

static enum collision shares_directory(const struct search *search, const struct process *other)
{
	struct marker_view others;

	search->viewer->view(search->place, other, &others, search->viewer->context);
	switch (marker_dir_is_shared(search->place, search->view, &others)) {
	case 0:
		return COLLISION_NONE;
	case 1:
		return COLLISION_FOUND;
	default:
		return others.where == MARKER_DIR_HANGS ? COLLISION_HANGS : COLLISION_UNKNOWN;
	}
}

/* Than the marker came. */
static bool started_later(const struct search *search, uint64_t start)
{
	const int64_t came = clock_to_ns(&search->view->marker.ctime) - clock_boot_offset() + clock_tick_ns();

	return clock_ticks_to_ns(start) > came;
}

/*
 * The other process must have existed when the marker was created, have exactly the uid that owns it, also
 * where that is root (a process of another user cannot have left it), and see the same directory, which is
 * examined last: only that takes long, and the directory of another user may not answer. A process that has
 * dropped that uid by now is not found.
 */
static enum collision could_have_left(const struct search *search, const struct process *other)
{
	const struct marker_stat *marker = &search->view->marker;
	enum process_uid uid;

	if (other->kernel || process_gone(other))
		return COLLISION_NONE;
	if (other->unread)
		return COLLISION_UNKNOWN;
	if (other->ns_pid != search->p->ns_pid || (other->start_known && started_later(search, other->start)))
		return COLLISION_NONE;
	uid = process_check_uid(other, marker->uid);
	if (uid != PROCESS_UID_OWN)
		return uid == PROCESS_UID_FOREIGN ? COLLISION_NONE : COLLISION_UNKNOWN;
	return shares_directory(search, other);
}

static enum collision test(pid_t pid, void *context)
{
	const struct search *search = context;
	struct process other;
	enum collision found;
	uint64_t start;

	/* The first process of the system leaves no marker. */
	if (pid == 1)
		return COLLISION_NONE;
	/* Of hundreds that one user has started with the same number, most take no more than this. */
	if (process_start_of(pid, &start) && started_later(search, start))
		return COLLISION_NONE;
	process_open(&other, pid);
	found = could_have_left(search, &other);
	process_close(&other);
	return found;
}

enum collision collision_find(struct collisions *collisions, const struct marker_place *place,
    const struct process *p, const struct marker_view *view, const struct marker_viewer *viewer)
{
	struct search search = {place, p, view, viewer};

	return collisions->find(collisions, p, &view->marker, test, &search);
}

static enum collision find_in_proc(struct collisions *collisions, const struct process *p,
    const struct marker_stat *marker, enum collision (*test_one)(pid_t pid, void *context), void *context)
{
	DIR *proc = process_in_child_ns(p) ? opendir("/proc") : NULL;
	enum collision found = COLLISION_NONE;
	struct own_namespace own;
	struct dirent *entry;
	uint64_t pid;
	pid_t ns_pid;

	(void)collisions;
	(void)marker;
	if (proc == NULL)
		return process_in_child_ns(p) && is_shortage(errno) ? COLLISION_UNKNOWN : COLLISION_NONE;
	own_namespace_read(&own);
	while (found != COLLISION_FOUND && (entry = readdir(proc)) != NULL) {
		if (number_parse(entry->d_name, strlen(entry->d_name), INT_MAX, &pid) != 0 ||
		    (pid_t)pid == p->pid)
			continue;
		ns_pid = own_namespace_ns_pid(&own, (pid_t)pid);
		if (ns_pid == 0)
			found = COLLISION_UNKNOWN;
		else if (ns_pid == p->ns_pid)
			found = collision_join(found, test_one((pid_t)pid, context));
	}
	closedir(proc);
	return found;
}

struct collisions *collisions_lone(void)
{
	static struct collisions lone = {find_in_proc};

	return &lone;
}
