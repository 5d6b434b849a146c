#include "config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "readyd/marker.h"
#include "src/hot.h"
#include "src/marker.h"
#include "src/number.h"

int marker_place_init(struct marker_place *place, const char *dir, const char *prefix)
{
	if (dir == NULL)
		dir = READYD_MARKER_DIR;
	if (prefix == NULL)
		prefix = READYD_MARKER_NAME_PREFIX;
	if (dir[0] != '/' || prefix[0] == '\0' || strchr(prefix, '/') != NULL) {
		errno = EINVAL;
		return -1;
	}
	if (strlen(dir) >= MARKER_DIR_SIZE || strlen(prefix) >= sizeof(place->prefix)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(place->dir, dir);
	strcpy(place->prefix, prefix);
	return 0;
}

pid_t marker_pid(const struct marker_place *place, const char *name)
{
	size_t len = strlen(place->prefix);
	uint64_t pid;

	if (strncmp(name, place->prefix, len) != 0)
		return 0;
	name += len;
	if (name[0] == '0' || number_parse(name, strlen(name), INT_MAX, &pid) != 0)
		return 0;
	return (pid_t)pid;
}

bool marker_place_identify(const struct marker_place *place, dev_t *dev, ino_t *ino)
{
	struct stat st;

	if (stat(place->dir, &st) != 0)
		return false;
	*dev = st.st_dev;
	*ino = st.st_ino;
	return true;
}

/* After a failed lstat(2), by its errno. Fills in dir for MARKER_ABSENT. */
static enum marker_kind explain_failure(const struct marker_place *place, struct stat *dir)
{
	if (errno == ENOENT && stat(place->dir, dir) == 0)
		return MARKER_ABSENT;
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return MARKER_NO_DIRECTORY;
	case EACCES:
	case EPERM:
		return MARKER_DENIED;
	default:
		return MARKER_UNKNOWN;
	}
}

HOT static void copy_stat(struct marker_stat *seen, const struct stat *st)
{
	seen->dev = st->st_dev;
	seen->ino = st->st_ino;
	seen->uid = st->st_uid;
	seen->size = st->st_size;
	seen->mtime = st->st_mtim;
	seen->ctime = st->st_ctim;
}

#define PATH_SIZE (MARKER_REACH_SIZE + MARKER_PREFIX_SIZE + 24)

static char *put_text(char *at, const char *text)
{
	while (*text != '\0')
		*at++ = *text++;
	return at;
}

/* Without the C library: when thousands of waiters are woken at once, each would touch its pages too. */
HOT static void format_path(const struct marker_place *place, pid_t pid, char path[PATH_SIZE])
{
	char *at = put_text(path, place->dir);

	*at++ = '/';
	at = put_text(at, place->prefix);
	number_put(at, (uint64_t)pid);
}

bool marker_is_absent(const struct marker_place *place, pid_t pid)
{
	char path[PATH_SIZE];
	struct stat st;

	format_path(place, pid, path);
	return lstat(path, &st) != 0 && errno == ENOENT;
}

HOT void marker_stat(const struct marker_place *place, pid_t pid, struct marker_stat *seen)
{
	char path[PATH_SIZE];
	struct stat st;

	memset(seen, 0, sizeof(*seen));
	format_path(place, pid, path);
	if (lstat(path, &st) == 0)
		seen->kind = S_ISREG(st.st_mode) ? MARKER_FILE : MARKER_OTHER;
	else
		seen->kind = explain_failure(place, &st);
	seen->error = seen->kind == MARKER_UNKNOWN ? errno : 0;
	if (seen->kind == MARKER_FILE || seen->kind == MARKER_OTHER || seen->kind == MARKER_ABSENT)
		copy_stat(seen, &st);
}

bool marker_same(const struct marker_stat *a, const struct marker_stat *b)
{
	return a->kind == b->kind && a->dev == b->dev && a->ino == b->ino &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}
