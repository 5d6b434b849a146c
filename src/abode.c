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

enum abode abode_find(const struct marker_place *place, const struct process *p, struct marker_place *there)
{
	char path[sizeof(there->dir)];
	enum abode abode;
	int len;

	*there = *place;
	len = snprintf(path, sizeof(path), "/proc/%ld/root%s", (long)p->pid, place->dir);
	if (p->never || len < 0 || (size_t)len >= sizeof(path))
		return ABODE_HERE;
	abode = compare(place->dir, path, p);
	if (abode == ABODE_ELSEWHERE)
		strcpy(there->dir, path);
	return abode;
}
