#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "readyd/marker.h"
#include "src/hot.h"
#include "src/marker.h"
#include "src/number.h"
#include "src/statx.h"

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

static enum marker_kind kind_of_failure(int error)
{
	switch (error) {
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

static enum marker_kind kind_of_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) ? MARKER_FILE : MARKER_OTHER;
}

/*
 * Fills in *st, with the directory for MARKER_ABSENT. A directory may have appeared between the first two
 * calls, with old files in it: so the name is absent in it only if it is missing after the directory was
 * found.
 */
static enum marker_kind look(const struct marker_place *place, const char *path, struct stat *st)
{
	struct stat dir;

	if (lstat(path, st) == 0)
		return kind_of_file(st);
	if (errno != ENOENT || stat(place->dir, &dir) != 0)
		return kind_of_failure(errno);
	if (lstat(path, st) == 0)
		return kind_of_file(st);
	if (errno != ENOENT)
		return kind_of_failure(errno);
	*st = dir;
	return MARKER_ABSENT;
}

static void copy_stat(struct marker_stat *seen, const struct stat *st)
{
	seen->dev = st->st_dev;
	seen->ino = st->st_ino;
	seen->uid = st->st_uid;
	seen->size = st->st_size;
	seen->links = st->st_nlink;
	seen->mtime = st->st_mtim;
	seen->ctime = st->st_ctim;
}

#define NAME_SIZE (MARKER_PREFIX_SIZE + 24)
#define PATH_SIZE (MARKER_DIR_SIZE + NAME_SIZE)

/* Each wake-up looks, with cold caches, so these go without printf(3). */
HOT static void format_name(const struct marker_place *place, pid_t pid, char name[NAME_SIZE])
{
	number_put(stpcpy(name, place->prefix), (uint64_t)pid);
}

HOT static void format_path(const struct marker_place *place, pid_t pid, char path[PATH_SIZE])
{
	char *end = stpcpy(path, place->dir);

	*end++ = '/';
	format_name(place, pid, end);
}

HOT bool marker_is_absent(const struct marker_place *place, pid_t pid)
{
	char path[PATH_SIZE];
	struct stat st;

	format_path(place, pid, path);
	return lstat(path, &st) != 0 && errno == ENOENT;
}

static void copy_seen(struct marker_stat *seen, enum marker_kind kind, const struct stat *st)
{
	memset(seen, 0, sizeof(*seen));
	seen->kind = kind;
	if (kind == MARKER_UNKNOWN)
		seen->error = errno;
	if (kind == MARKER_FILE || kind == MARKER_OTHER || kind == MARKER_ABSENT)
		copy_stat(seen, st);
}

void marker_stat(const struct marker_place *place, pid_t pid, struct marker_stat *seen)
{
	char path[PATH_SIZE];
	enum marker_kind kind;
	struct stat st;

	format_path(place, pid, path);
	kind = look(place, path, &st);
	copy_seen(seen, kind, &st);
}

void marker_stat_at(int dir_fd, const struct marker_place *place, pid_t pid, struct marker_stat *seen)
{
	char name[NAME_SIZE];
	enum marker_kind kind;
	struct stat st;

	format_name(place, pid, name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		kind = kind_of_file(&st);
	else if (errno == ENOENT && fstat(dir_fd, &st) == 0)
		kind = MARKER_ABSENT;
	else
		kind = kind_of_failure(errno);
	copy_seen(seen, kind, &st);
}

static enum marker_birth birth_of(
    int dir_fd, const char *path, const struct marker_stat *seen, struct timespec *born)
{
	struct statx st;

	if (statx(dir_fd, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) != 0)
		return errno == ENOSYS || errno == EPERM ? MARKER_BIRTH_NOT_KEPT : MARKER_BIRTH_UNKNOWN;
	if (st.stx_ino != seen->ino)
		return MARKER_BIRTH_UNKNOWN;
	*born = (struct timespec){.tv_sec = st.stx_btime.tv_sec, .tv_nsec = st.stx_btime.tv_nsec};
	return (st.stx_mask & STATX_BTIME) != 0 ? MARKER_BIRTH_KNOWN : MARKER_BIRTH_NOT_KEPT;
}

enum marker_birth marker_birth(
    const struct marker_place *place, pid_t pid, const struct marker_stat *seen, struct timespec *born)
{
	char path[PATH_SIZE];

	format_path(place, pid, path);
	return birth_of(AT_FDCWD, path, seen, born);
}

enum marker_birth marker_birth_at(int dir_fd, const struct marker_place *place, pid_t pid,
    const struct marker_stat *seen, struct timespec *born)
{
	char name[NAME_SIZE];

	format_name(place, pid, name);
	return birth_of(dir_fd, name, seen, born);
}

bool marker_same(const struct marker_stat *a, const struct marker_stat *b)
{
	return a->kind == b->kind && a->dev == b->dev && a->ino == b->ino &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}
