#include "config.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/marker_dir.h"
#include "src/clock.h"
#include "src/number.h"
#include "src/collision.h"
#include "src/shortage.h"

/* New processes that are examined one by one; beyond this a walk takes less time. */
#define BIRTHS_MOST 4096
/* Pids are assigned in ascending order, but a process becomes visible only some time after its pid was
 * assigned: so the last ones are examined again. */
#define BEING_BORN 16
/* The first pid namespace's inode: PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define FIRST_NAMESPACE 0xEFFFFFFCu

/*
 * The kernel allocates the pids of a namespace from a cache that it names after the depth
 * (create_pid_cachep() in kernel/pid_namespace.c): it is created with the first namespace of that depth and
 * kept forever. The presence of "pid" shows that this kernel lists its caches. If we are in a child
 * namespace, the depth below ours has another name: then, and where the caches are not listed, assume that
 * there may be namespaces below.
 */
static bool have_namespaces_below(void)
{
	return access("/sys/kernel/slab/pid_2", F_OK) == 0 || access("/sys/kernel/slab/pid", F_OK) != 0 ||
	       process_own_namespace("pid") != FIRST_NAMESPACE;
}

bool collision_is_possible(const struct process *p)
{
	return process_in_child_ns(p) || have_namespaces_below();
}

/* "pid:[4026531836]" */
#define NAMESPACE_SIZE 32

static void read_namespace(const char *process, char text[NAMESPACE_SIZE])
{
	char path[48];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%s/ns/pid", process);
	len = readlink(path, text, NAMESPACE_SIZE - 1);
	text[len < 0 ? 0 : len] = '\0';
}

/* The same as process_ns_pid_of(), in a third of the time for the processes in our own namespace, which are
 * most; that matters in a walk of all processes. */
static pid_t ns_pid_of(pid_t pid, const char *own)
{
	char process[16], its[NAMESPACE_SIZE];

	snprintf(process, sizeof(process), "%ld", (long)pid);
	read_namespace(process, its);
	return its[0] != '\0' && strcmp(its, own) == 0 ? pid : process_ns_pid_of(pid);
}

static void note(struct collisions *collisions, pid_t pid, pid_t name)
{
	unsigned bit = (unsigned)name % COLLISION_NS_PIDS;

	if (name != 0 && name != pid)
		collisions->names[bit / 8] |= (unsigned char)(1u << bit % 8);
}

static bool is_noted(const struct collisions *collisions, pid_t name)
{
	unsigned bit = (unsigned)name % COLLISION_NS_PIDS;

	return collisions->names[bit / 8] & 1u << bit % 8;
}

/* What to search for in a walk: another process that could have left p's marker. */
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

/* The other process must see the same directory, have existed when the marker was created, and have exactly
 * the uid that owns it, also where that is root: a process of another user cannot have left it. A process
 * that has dropped that uid by now is not found. The directory is looked at last: it takes longest, and it
 * may be one that hangs. */
static enum collision could_have_left(const struct search *search, pid_t pid)
{
	const struct marker_stat *marker = &search->view->marker;
	const int64_t came = clock_to_ns(&marker->ctime) - clock_boot_offset() + clock_tick_ns();
	enum collision could;
	enum process_uid uid;
	struct process other;
	bool too_late;

	process_open(&other, pid);
	uid = process_check_uid(&other, marker->uid);
	too_late = !other.unread && (int64_t)other.start * clock_tick_ns() > came;
	if (other.kernel || process_gone(&other) || uid == PROCESS_UID_FOREIGN || too_late)
		could = COLLISION_NONE;
	else
		could = shares_directory(search, &other);
	if (could == COLLISION_FOUND && (other.unread || uid == PROCESS_UID_UNKNOWN))
		could = COLLISION_UNKNOWN;
	process_close(&other);
	return could;
}

/* The first process of the system leaves no marker. Name 0: it could not be read. */
static enum collision check(const struct search *search, pid_t pid, pid_t name)
{
	if (name == 0)
		return COLLISION_UNKNOWN;
	if (search == NULL || pid == 1 || pid == search->p->pid || name != search->p->ns_pid)
		return COLLISION_NONE;
	return could_have_left(search, pid);
}

/* Adds all processes to the set, if there is one. Returns whether one of them is the process searched for,
 * if any; UNKNOWN if not all could be examined. */
static enum collision walk(struct collisions *collisions, const struct search *search)
{
	DIR *proc = opendir("/proc");
	enum collision found = COLLISION_NONE, one;
	char own[NAMESPACE_SIZE];
	struct dirent *entry;
	uint64_t pid;
	pid_t name;

	if (proc == NULL)
		return is_shortage(errno) ? COLLISION_UNKNOWN : COLLISION_NONE;
	if (collisions != collisions_lone())
		memset(collisions->names, 0, sizeof(collisions->names));
	read_namespace("self", own);
	while ((entry = readdir(proc)) != NULL) {
		if (number_parse(entry->d_name, strlen(entry->d_name), INT_MAX, &pid) != 0)
			continue;
		name = ns_pid_of((pid_t)pid, own);
		if (collisions != collisions_lone())
			note(collisions, (pid_t)pid, name);
		one = check(search, (pid_t)pid, name);
		if (one == COLLISION_FOUND || found == COLLISION_NONE)
			found = one;
	}
	closedir(proc);
	return found;
}

struct collisions *collisions_lone(void)
{
	static struct collisions lone; /* only its address is used */

	return &lone;
}

void collisions_catch_up(struct collisions *collisions)
{
	pid_t newest, name, from = collisions->newest - BEING_BORN;
	char own[NAMESPACE_SIZE];
	bool complete = true;

	if (!have_namespaces_below())
		return;
	read_namespace("self", own);
	newest = process_newest();
	if (collisions->newest == 0 || newest < collisions->newest ||
	    newest - collisions->newest > BIRTHS_MOST)
		complete = walk(collisions, NULL) != COLLISION_UNKNOWN;
	else
		for (pid_t pid = from < 1 ? 1 : from; pid <= newest; pid++) {
			name = ns_pid_of(pid, own);
			complete = complete && name != 0;
			note(collisions, pid, name);
		}
	collisions->newest = complete ? newest : 0;
}

enum collision collision_find(struct collisions *collisions, const struct marker_place *place,
    const struct process *p, const struct marker_view *view, const struct marker_viewer *viewer)
{
	const struct search search = {place, p, view, viewer};

	if (process_in_child_ns(p))
		return walk(collisions, &search);
	if (collisions == collisions_lone())
		return COLLISION_NONE;
	collisions_catch_up(collisions);
	if (collisions->newest == 0)
		return COLLISION_UNKNOWN;
	return is_noted(collisions, p->ns_pid) ? walk(collisions, &search) : COLLISION_NONE;
}
