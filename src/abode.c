#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "src/abode.h"

/* The directory is missing where the process is; or the process itself is gone, or has no root. */
static enum abode judge_missing(const struct process *p)
{
	char root[32];
	struct stat st;

	snprintf(root, sizeof(root), "/proc/%ld/root/", (long)p->pid);
	return stat(root, &st) == 0 ? ABODE_ELSEWHERE : ABODE_HERE;
}

enum abode abode_find(const struct marker_place *place, const struct process *p, struct marker_place *there)
{
	char path[MARKER_DIR_SIZE + 32];
	struct stat mine, its;

	*there = *place;
	if (p->never)
		return ABODE_HERE;
	snprintf(path, sizeof(path), "/proc/%ld/root%s", (long)p->pid, place->dir);
	if (strlen(path) >= sizeof(there->dir))
		return ABODE_HERE;
	strcpy(there->dir, path);
	if (stat(path, &its) != 0) {
		if (errno == EACCES || errno == EPERM)
			return ABODE_CLOSED;
		return errno == ENOENT && stat(place->dir, &mine) == 0 ? judge_missing(p) : ABODE_HERE;
	}
	/* Both are mounted at this moment, so that equal numbers do mean the same directory. */
	if (stat(place->dir, &mine) == 0 && mine.st_dev == its.st_dev && mine.st_ino == its.st_ino)
		return ABODE_HERE;
	return ABODE_ELSEWHERE;
}
