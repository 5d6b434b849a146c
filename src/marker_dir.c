#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/clock.h"
#include "src/marker_dir.h"
#include "src/process_root.h"
#include "src/shortage.h"
#include "src/stamp.h"

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Both are mounted now, so equal numbers do mean the same directory. */
static enum marker_dir compare(const struct marker_place *place, const struct stat *its)
{
	struct stat mine;

	return stat(place->dir, &mine) == 0 && is_same(&mine, its) ? MARKER_DIR_SAME : MARKER_DIR_OTHER;
}

static bool has_no_directory(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG ||
	       error == EXDEV;
}

/* The directory below that root could not be opened. */
static enum marker_dir explain_failure(const char *root)
{
	struct stat st;

	if (errno == ENOSYS || errno == EACCES)
		return MARKER_DIR_INACCESSIBLE;
	if (!has_no_directory(errno))
		return MARKER_DIR_UNKNOWN;
	/* The process has no such directory, or has ended in the meantime. */
	return stat(root, &st) == 0 ? MARKER_DIR_OTHER : MARKER_DIR_NONE;
}

/* *fd is the directory if the process has another root, for the caller to close; else -1. */
static enum marker_dir open_dir(
    const struct marker_place *place, const struct process *p, int *fd, struct stat *its)
{
	char root[PROCESS_ROOT_SIZE];
	struct stat mine;

	*fd = -1;
	if (p->no_such_process)
		return MARKER_DIR_NONE;
	switch (process_root_find(p, root)) {
	case PROCESS_ROOT_OURS:
		return MARKER_DIR_SAME;
	case PROCESS_ROOT_NONE:
		return MARKER_DIR_NONE;
	case PROCESS_ROOT_UNKNOWN:
		return MARKER_DIR_UNKNOWN;
	case PROCESS_ROOT_CLOSED:
		return stat(place->dir, &mine) == 0 ? MARKER_DIR_HIDDEN : MARKER_DIR_SAME;
	case PROCESS_ROOT_OTHER:
		break;
	}
	*fd = process_root_open(root, place->dir);
	if (*fd < 0)
		return explain_failure(root);
	return fstat(*fd, its) == 0 ? compare(place, its) : MARKER_DIR_UNKNOWN;
}

static void close_dir(int fd)
{
	if (fd >= 0)
		close(fd);
}

#define FD_PATH_SIZE (sizeof("/proc/self/fd/") + 16)

static void print_fd_path(char path[FD_PATH_SIZE], int fd)
{
	snprintf(path, FD_PATH_SIZE, "/proc/self/fd/%d", fd);
}

static void view_below(
    const struct marker_place *place, const struct process *p, int fd, struct marker_view *view)
{
	int64_t started = clock_ticks_to_ns(p->start) + clock_boot_offset();
	char path[FD_PATH_SIZE];

	marker_stat_at(fd, place, p->ns_pid, &view->marker);
	if (view->marker.kind != MARKER_FILE)
		return;
	view->birth = marker_birth_at(fd, place, p->ns_pid, &view->marker, &view->born);
	print_fd_path(path, fd);
	if (!stamp_read(path, &view->marker.ctime, started, &view->stamps)) {
		view->marker.error = errno;
		view->marker.kind = MARKER_UNKNOWN;
	}
}

static void view_marker(
    const struct marker_place *place, const struct process *p, int fd, struct marker_view *view)
{
	switch (view->where) {
	case MARKER_DIR_OTHER:
		if (fd < 0)
			view->marker.kind = MARKER_NO_DIRECTORY;
		else
			view_below(place, p, fd, view);
		return;
	case MARKER_DIR_SAME:
	case MARKER_DIR_NONE:
	case MARKER_DIR_HIDDEN:
		/* The same directory may show other owners below its root (mount_setattr(2)). */
		if (fd >= 0)
			marker_stat_at(fd, place, p->ns_pid, &view->marker);
		else
			marker_stat(place, p->ns_pid, &view->marker);
		return;
	case MARKER_DIR_UNKNOWN:
	case MARKER_DIR_INACCESSIBLE:
	case MARKER_DIR_HANGS:
		view->marker.kind = MARKER_UNKNOWN;
		return;
	}
}

void marker_view(const struct marker_place *place, const struct process *p, struct marker_view *view)
{
	struct stat its = {0};
	int fd;

	memset(view, 0, sizeof(*view));
	view->where = open_dir(place, p, &fd, &its);
	view_marker(place, p, fd, view);
	if (view->where == MARKER_DIR_OTHER) {
		view->dev = its.st_dev;
		view->ino = its.st_ino;
		view->mode = its.st_mode;
		view->owner = its.st_uid;
	}
	close_dir(fd);
}

enum marker_dir marker_dir_visit(const struct marker_place *place, const struct process *p,
    void (*visit)(const char *dir, void *context), void *context)
{
	char path[FD_PATH_SIZE];
	enum marker_dir where;
	struct stat its;
	int fd, error;

	where = open_dir(place, p, &fd, &its);
	error = errno;
	if (where == MARKER_DIR_OTHER && fd >= 0) {
		print_fd_path(path, fd);
		visit(path, context);
	}
	close_dir(fd);
	errno = error;
	return where;
}

static void view_directly(
    const struct marker_place *place, const struct process *p, struct marker_view *view, void *context)
{
	(void)context;
	marker_view(place, p, view);
}

const struct marker_viewer marker_viewer_direct = {.view = view_directly};

/* False: none that can be found. */
static bool identify(const struct marker_place *place, const struct marker_view *view, dev_t *dev, ino_t *ino)
{
	if (view->where != MARKER_DIR_OTHER)
		return marker_place_identify(place, dev, ino);
	*dev = view->dev;
	*ino = view->ino;
	return *ino != 0;
}

int marker_dir_is_shared(
    const struct marker_place *place, const struct marker_view *its, const struct marker_view *others)
{
	dev_t dev, other_dev;
	ino_t ino, other_ino;

	if (others->where == MARKER_DIR_UNKNOWN || others->where == MARKER_DIR_HANGS)
		return -1;
	if (others->where != MARKER_DIR_SAME && others->where != MARKER_DIR_OTHER)
		return 0;
	return identify(place, its, &dev, &ino) && identify(place, others, &other_dev, &other_ino) &&
	       dev == other_dev && ino == other_ino;
}
