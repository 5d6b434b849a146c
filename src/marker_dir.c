#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "src/marker_dir.h"
#include "src/number.h"
#include "src/root.h"
#include "src/shortage.h"

#define ROOT_SIZE 64

enum root {
	ROOT_OURS,   /* the same as ours */
	ROOT_OTHER,  /* perhaps another root */
	ROOT_CLOSED, /* it may not be entered */
	ROOT_NONE,   /* it no longer has one */
	ROOT_UNKNOWN /* descriptors or memory ran out */
};

/* A mount belongs to one mount namespace, so a root in the same place of the same mount is the same root
 * for us. Before Linux 5.8 there are no mount ids, so no root is known to be the same. */
static bool is_ours(const struct statx *its)
{
	struct statx ours;

	return (its->stx_mask & STATX_MNT_ID) != 0 &&
	       statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &ours) == 0 &&
	       ours.stx_mnt_id == its->stx_mnt_id && ours.stx_dev_major == its->stx_dev_major &&
	       ours.stx_dev_minor == its->stx_dev_minor && ours.stx_ino == its->stx_ino;
}

static enum root try_root(const char *root)
{
	struct statx its;

	if (statx(AT_FDCWD, root, 0, STATX_INO | STATX_MNT_ID, &its) == 0)
		return is_ours(&its) ? ROOT_OURS : ROOT_OTHER;
	if (is_shortage(errno))
		return ROOT_UNKNOWN;
	return errno == EACCES || errno == EPERM ? ROOT_CLOSED : ROOT_NONE;
}

/* A main thread that has ended no longer has a root, while the other threads still do. */
static enum root find_root_of_others(const struct process *p, char root[ROOT_SIZE])
{
	enum root found = ROOT_NONE;
	struct dirent *entry;
	uint64_t tid;
	DIR *tasks;

	snprintf(root, ROOT_SIZE, "/proc/%ld/task", (long)p->pid);
	tasks = opendir(root);
	if (tasks == NULL)
		return is_shortage(errno) ? ROOT_UNKNOWN : ROOT_NONE;
	while (found == ROOT_NONE && (entry = readdir(tasks)) != NULL) {
		if (number_parse(entry->d_name, strlen(entry->d_name), INT_MAX, &tid) != 0)
			continue;
		snprintf(root, ROOT_SIZE, "/proc/%ld/task/%ld/root", (long)p->pid, (long)tid);
		found = try_root(root);
	}
	closedir(tasks);
	return found;
}

/* Writes to root the path that leads there. */
static enum root find_root(const struct process *p, char root[ROOT_SIZE])
{
	enum root found;

	snprintf(root, ROOT_SIZE, "/proc/%ld/root", (long)p->pid);
	found = try_root(root);
	return found == ROOT_NONE ? find_root_of_others(p, root) : found;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Compares what dir names here with path, which is what dir names to a process with that root. */
static enum marker_dir compare(const char *dir, const char *path, const char *root)
{
	struct stat mine, its;
	bool have_mine = stat(dir, &mine) == 0;

	/* Both are mounted now, so equal numbers do mean the same directory. */
	if (stat(path, &its) == 0)
		return have_mine && is_same(&mine, &its) ? MARKER_DIR_SAME : MARKER_DIR_OTHER;
	if (!have_mine)
		return MARKER_DIR_SAME;
	if (errno == EACCES || errno == EPERM)
		return MARKER_DIR_INACCESSIBLE;
	/* The process has no such directory, or has ended in the meantime. */
	return stat(root, &its) == 0 ? MARKER_DIR_OTHER : MARKER_DIR_SAME;
}

enum marker_dir marker_dir_find(
    const struct marker_place *place, const struct process *p, struct marker_place *there)
{
	char root[ROOT_SIZE], path[sizeof(there->dir)];
	enum marker_dir where = MARKER_DIR_SAME;
	struct stat mine;

	*there = *place;
	if (p->no_such_process)
		return MARKER_DIR_SAME;
	switch (find_root(p, root)) {
	case ROOT_OURS:
	case ROOT_NONE:
		return MARKER_DIR_SAME;
	case ROOT_UNKNOWN:
		return MARKER_DIR_UNKNOWN;
	case ROOT_CLOSED:
		return stat(place->dir, &mine) == 0 ? MARKER_DIR_INACCESSIBLE : MARKER_DIR_SAME;
	case ROOT_OTHER:
		if (root_resolve(root, place->dir, path, sizeof(path)) != 0)
			return MARKER_DIR_INACCESSIBLE;
		where = compare(place->dir, path, root);
		break;
	}
	if (where == MARKER_DIR_OTHER)
		strcpy(there->dir, path);
	return where;
}

/* Stats its directory; -1 and errno if that cannot be determined. */
static int stat_own(const struct marker_place *place, const struct process *p, struct stat *st)
{
	char root[ROOT_SIZE], path[sizeof(place->dir)];

	switch (find_root(p, root)) {
	case ROOT_OURS:
		return stat(place->dir, st);
	case ROOT_OTHER:
		return root_resolve(root, place->dir, path, sizeof(path)) == 0 ? stat(path, st) : -1;
	case ROOT_CLOSED:
	case ROOT_NONE:
		errno = ENOENT;
		return -1;
	case ROOT_UNKNOWN:
		errno = EMFILE;
		return -1;
	}
	return -1;
}

int marker_dir_is_shared(const struct marker_place *place, const struct process *p, const struct process *q)
{
	struct stat its, others;

	/* Ours if p no longer has a root, or has one that we may not enter. */
	if (stat_own(place, p, &its) != 0 && (is_shortage(errno) || stat(place->dir, &its) != 0))
		return is_shortage(errno) ? -1 : 0;
	if (stat_own(place, q, &others) != 0)
		return is_shortage(errno) ? -1 : 0;
	return is_same(&its, &others);
}
