#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "src/abode.h"

/* Whether the process has a root of its own to look into: one that is gone has none. */
static bool has_root(const struct process *p)
{
	char root[32];
	struct stat st;

	snprintf(root, sizeof(root), "/proc/%ld/root/", (long)p->pid);
	return stat(root, &st) == 0;
}

/* Where path is what dir is to the process. */
static enum abode compare(const char *dir, const char *path, const struct process *p)
{
	struct stat mine, its;
	bool have_mine = stat(dir, &mine) == 0;

	if (stat(path, &its) == 0) {
		/* Both are mounted at this moment, so that equal numbers do mean the same directory. */
		if (have_mine && mine.st_dev == its.st_dev && mine.st_ino == its.st_ino)
			return ABODE_HERE;
		return ABODE_ELSEWHERE;
	}
	if (errno == EACCES || errno == EPERM)
		return have_mine ? ABODE_CLOSED : ABODE_HERE;
	return have_mine && errno == ENOENT && has_root(p) ? ABODE_ELSEWHERE : ABODE_HERE;
}

/* What the directory is to the process. -1: too long. */
static int path_of(const struct marker_place *place, const struct process *p, char *path, size_t size)
{
	int len = snprintf(path, size, "/proc/%ld/root%s", (long)p->pid, place->dir);

	return len < 0 || (size_t)len >= size ? -1 : 0;
}

enum abode abode_find(const struct marker_place *place, const struct process *p, struct marker_place *there)
{
	char path[sizeof(there->dir)];
	enum abode abode;

	*there = *place;
	if (p->never || path_of(place, p, path, sizeof(path)) != 0)
		return ABODE_HERE;
	abode = compare(place->dir, path, p);
	if (abode == ABODE_ELSEWHERE)
		strcpy(there->dir, path);
	return abode;
}

/* Its directory; ours where it has no root any more, or none that we may enter. */
static int own_or_here(const struct marker_place *place, const struct process *p, struct stat *st)
{
	char path[MARKER_DIR_SIZE];

	if (path_of(place, p, path, sizeof(path)) == 0 && stat(path, st) == 0)
		return 0;
	return stat(place->dir, st);
}

bool abode_is_shared(const struct marker_place *place, const struct process *p, const struct process *q)
{
	char path[MARKER_DIR_SIZE];
	struct stat its, others;

	return own_or_here(place, p, &its) == 0 && path_of(place, q, path, sizeof(path)) == 0 &&
	       stat(path, &others) == 0 && its.st_dev == others.st_dev && its.st_ino == others.st_ino;
}
