#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/xalloc.h"
/* Before uthash.h, which on a failed allocation would exit(-1) without a message. */
#define uthash_malloc(size)	 xalloc_new(size)
#define uthash_free(block, size) xalloc_free(block)
#include <uthash.h>

#include "daemon/ns_index.h"
#include "daemon/tick.h"
#include "src/clock.h"
#include "src/number.h"
#include "src/procfs.h"
#include "src/shortage.h"

/* New processes that are examined one by one; beyond this a walk of /proc takes less time. */
#define NEW_MAX 4096
/* Pids are assigned in ascending order, but a process becomes visible only some time after its pid was
 * assigned. So the last ones are examined again until a process is seen. */
#define UNSEEN_MAX 64
/* More than any machine assigns. After the time that all pids take, they may have wrapped around unnoticed.
 */
#define PIDS_PER_MS 100
#define PID_MAX	    32768 /* the smallest in use */
/* Known processes that are checked for each new one. */
#define CHECKED_FOR_NEW 2

struct ns_process {
	struct name_item name; /* first: cast back to the process */
	pid_t pid;
	TAILQ_ENTRY(ns_process) check;
	UT_hash_handle hh;
};

static void forget(struct ns_index *index, struct ns_process *process)
{
	name_index_remove(&index->names, &process->name);
	TAILQ_REMOVE(&index->by_check, process, check);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
	HASH_DEL(index->processes, process);
	index->count--;
	xalloc_free(process);
}

static void forget_ended(struct ns_index *index)
{
	struct ns_process *process;

	for (int n = 0; n < CHECKED_FOR_NEW && (process = TAILQ_FIRST(&index->by_check)) != NULL; n++) {
		if (!process_exists(process->pid)) {
			forget(index, process);
			continue;
		}
		TAILQ_REMOVE(&index->by_check, process, check);
		TAILQ_INSERT_TAIL(&index->by_check, process, check);
	}
}

/* Its directory does not matter here. */
static struct name_key key_of(pid_t ns_pid)
{
	return (struct name_key){.ns_pid = ns_pid};
}

static struct ns_process *first_named(const struct ns_index *index, pid_t ns_pid)
{
	return (struct ns_process *)name_index_first(&index->names, key_of(ns_pid));
}

static struct ns_process *next_named(const struct ns_process *process)
{
	return (struct ns_process *)name_index_next(&process->name);
}

static void add(struct ns_index *index, pid_t pid, pid_t ns_pid)
{
	struct ns_process *process = xalloc_new(sizeof(*process));

	process->pid = pid;
	name_index_set(&index->names, &process->name, key_of(ns_pid));
	TAILQ_INSERT_TAIL(&index->by_check, process, check);
	HASH_ADD_INT(index->processes, pid, process);
	index->count++;
}

static void note(struct ns_index *index, pid_t pid, pid_t ns_pid)
{
	struct ns_process *known;

	HASH_FIND_INT(index->processes, &pid, known);
	if (known != NULL && name_index_key(&known->name).ns_pid == ns_pid)
		return;
	if (known != NULL)
		forget(index, known);
	if (ns_pid == pid)
		return;
	forget_ended(index);
	add(index, pid, ns_pid);
}

/* False: it could not be examined. */
static bool examine(struct ns_index *index, pid_t pid)
{
	pid_t ns_pid = own_namespace_ns_pid(&index->own, pid);

	if (ns_pid != 0)
		note(index, pid, ns_pid);
	return ns_pid != 0;
}

static void forget_all(struct ns_index *index)
{
	while (!TAILQ_EMPTY(&index->by_check))
		forget(index, TAILQ_FIRST(&index->by_check));
}

/* False: not all could be examined. */
static bool walk(struct ns_index *index)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool complete = proc != NULL || !is_shortage(errno);
	uint64_t pid;

	forget_all(index);
	while (proc != NULL && (entry = readdir(proc)) != NULL)
		if (number_parse(entry->d_name, strlen(entry->d_name), INT_MAX, &pid) == 0)
			complete &= examine(index, (pid_t)pid);
	if (proc != NULL)
		closedir(proc);
	index->unseen = UINT64_MAX;
	return complete;
}

static bool walk_and_note(struct ns_index *index)
{
	const int64_t began = clock_now_ns(CLOCK_MONOTONIC), before = clock_now_ns(CLOCK_THREAD_CPUTIME_ID);
	const bool complete = walk(index);

	index->walk_from = began + tick_pause(TICK_NAMES, clock_now_ns(CLOCK_THREAD_CPUTIME_ID) - before);
	return complete;
}

/* False: not all could be examined. */
static bool step(struct ns_index *index, pid_t newest)
{
	const pid_t added = newest - index->newest;
	uint64_t unseen = added >= UNSEEN_MAX ? 0 : index->unseen << added, bit;
	bool complete = true;

	for (pid_t n = 0, pid = newest; pid > 0 && (n < added || n < UNSEEN_MAX); n++, pid--) {
		bit = n < UNSEEN_MAX ? (uint64_t)1 << n : 0;
		if (n >= added && (unseen & bit) == 0)
			continue;
		unseen = process_exists(pid) ? unseen & ~bit : unseen | bit;
		if ((unseen & bit) == 0)
			complete &= examine(index, pid);
	}
	index->unseen = unseen;
	return complete;
}

static bool is_behind(const struct ns_index *index, pid_t newest, int64_t most_new, int64_t most_ms)
{
	return !index->complete || newest < index->newest || newest - index->newest > most_new ||
	       clock_ms() - index->caught_up > most_ms;
}

static bool needs_walk(const struct ns_index *index, pid_t newest)
{
	return is_behind(index, newest, NEW_MAX, index->trusted);
}

/* Without a /proc of ours, no process of another namespace can be found. */
static void catch_up(struct ns_index *index, pid_t newest)
{
	const int64_t now = clock_ms();

	if (!procfs_is_ours()) {
		index->complete = true;
		return;
	}
	if (needs_walk(index, newest))
		index->complete = walk_and_note(index);
	else
		index->complete = step(index, newest);
	index->newest = newest;
	index->caught_up = now;
}

void ns_index_catch_up(struct ns_index *index)
{
	catch_up(index, process_newest());
}

void ns_index_tick(struct ns_index *index)
{
	const pid_t newest = process_newest();

	if (!is_behind(index, newest, NEW_MAX / 2, index->trusted / 2))
		return;
	if (needs_walk(index, newest) && clock_now_ns(CLOCK_MONOTONIC) < index->walk_from)
		return;
	catch_up(index, newest);
}

static enum collision count_and_test(
    struct ns_index *index, pid_t pid, enum collision (*test)(pid_t pid, void *context), void *context)
{
	index->examined++;
	return test(pid, context);
}

/* The same file as before the last search: neither written, nor given another name or owner since. */
static bool is_the_searched(struct ns_index *index, const struct marker_stat *seen)
{
	const struct marker_stat *before = &index->seen;
	const bool same = seen != NULL && seen->kind == MARKER_FILE && marker_same(before, seen) &&
			  before->ctime.tv_sec == seen->ctime.tv_sec &&
			  before->ctime.tv_nsec == seen->ctime.tv_nsec;

	index->seen.kind = MARKER_ABSENT;
	return same;
}

static enum collision find(struct collisions *collisions, const struct process *p,
    const struct marker_stat *marker, enum collision (*test)(pid_t pid, void *context), void *context)
{
	struct ns_index *index = (struct ns_index *)collisions;
	struct ns_process *process, *next;
	enum collision found = COLLISION_NONE;

	ns_index_catch_up(index);
	index->seen = *marker;
	if (!index->complete)
		found = COLLISION_UNKNOWN;
	/* In our own namespace, a process has its pid. */
	if (process_in_child_ns(p))
		found = collision_join(found, test(p->ns_pid, context));
	process = first_named(index, p->ns_pid);
	for (; process != NULL && found != COLLISION_FOUND; process = next) {
		next = next_named(process);
		if (!process_exists(process->pid))
			forget(index, process);
		else if (process->pid != p->pid)
			found = collision_join(found, count_and_test(index, process->pid, test, context));
	}
	return found;
}

size_t ns_index_list(
    struct ns_index *index, pid_t ns_pid, const struct marker_stat *seen, pid_t *pids, size_t most)
{
	struct ns_process *process;
	size_t count = 0;

	if (!is_the_searched(index, seen))
		ns_index_catch_up(index);
	if (!index->complete)
		return SIZE_MAX;
	for (process = first_named(index, ns_pid); process != NULL; process = next_named(process))
		if (process_exists(process->pid) && count++ < most)
			pids[count - 1] = process->pid;
	return count;
}

static int64_t pid_max(void)
{
	FILE *file = fopen("/proc/sys/kernel/pid_max", "re");
	long max = PID_MAX;

	if (file != NULL) {
		if (fscanf(file, "%ld", &max) != 1 || max < 1)
			max = PID_MAX;
		fclose(file);
	}
	return max;
}

void ns_index_init(struct ns_index *index)
{
	*index = (struct ns_index){.collisions = {find}, .trusted = pid_max() / PIDS_PER_MS};
	own_namespace_read(&index->own);
	TAILQ_INIT(&index->by_check);
}

void ns_index_fini(struct ns_index *index)
{
	forget_all(index);
}
