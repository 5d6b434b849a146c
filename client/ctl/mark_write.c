#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/mark_write.h"
#include "readyd/marker.h"
#include "src/marker_dir.h"

/* An explanation names the path of the marker, after the root of the process if that is another one. */
static int find_place(const char *path, const struct process *p, struct marker_place *place)
{
	char root[40], pid[24], dir[MARK_PATH_SIZE];
	size_t length, digits;
	char *name;

	snprintf(root, sizeof(root), "/proc/%ld/root/", (long)p->pid);
	snprintf(pid, sizeof(pid), "%ld", (long)p->ns_pid);
	snprintf(
	    dir, sizeof(dir), "%s", strncmp(path, root, strlen(root)) == 0 ? path + strlen(root) - 1 : path);
	name = strrchr(dir, '/');
	digits = strlen(pid);
	length = strlen(dir);
	if (name == NULL || name == dir || length < digits || strcmp(dir + length - digits, pid) != 0) {
		errno = ENOENT;
		return -1;
	}
	dir[length - digits] = '\0';
	*name = '\0';
	return marker_place_init(place, dir, name + 1);
}

struct writing {
	const struct process *process;
	const struct marker_place *place;
	enum mark_result result;
	int error;
};

static int fill(int fd)
{
	const size_t length = sizeof(READYD_MARKER_CONTENT) - 1;
	ssize_t written = write(fd, READYD_MARKER_CONTENT, length);

	if (written >= 0 && (size_t)written < length)
		errno = ENOSPC;
	return written == (ssize_t)length ? 0 : -1;
}

/* A marker of root's counts, too, so it does not matter if it cannot be given away. */
static void give_away(int fd, const struct process *p)
{
	uid_t uid;

	if (process_real_uid(p, &uid) && uid != geteuid())
		(void)!fchown(fd, uid, (gid_t)-1);
}

/* Only the file that was written: the name may be another file's by now. */
static void remove_again(const char *path, const struct stat *written)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == written->st_dev && st.st_ino == written->st_ino)
		(void)unlink(path);
}

static enum mark_result write_at(const char *path, const struct process *p)
{
	struct stat st = {0};
	int fd = open(path, READYD_MARKER_OPEN_FLAGS, 0644), error = 0;

	if (fd < 0 && errno == EEXIST)
		fd = readyd_marker_replace(path);
	if (fd < 0)
		return MARK_FAILED;
	give_away(fd, p);
	if (fill(fd) != 0)
		error = errno;
	(void)fstat(fd, &st);
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error != 0 || process_life(p) == PROCESS_GONE) {
		remove_again(path, &st);
		errno = error;
		return error != 0 ? MARK_FAILED : MARK_ENDED;
	}
	return MARK_WRITTEN;
}

static void write_in(const char *dir, void *context)
{
	struct writing *w = context;
	char path[MARK_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s%ld", dir, w->place->prefix, (long)w->process->ns_pid);
	w->result = write_at(path, w->process);
	w->error = errno;
}

static enum mark_result write_where(struct writing *w)
{
	switch (marker_dir_visit(w->place, w->process, write_in, w)) {
	case MARKER_DIR_SAME:
		write_in(w->place->dir, w);
		return w->result;
	case MARKER_DIR_OTHER:
		if (w->error == 0 && w->result == MARK_FAILED)
			w->error = errno;
		return w->result;
	case MARKER_DIR_NONE:
		return MARK_ENDED;
	case MARKER_DIR_HIDDEN:
	case MARKER_DIR_INACCESSIBLE:
	case MARKER_DIR_HANGS:
	case MARKER_DIR_UNKNOWN:
		w->error = EACCES;
		return MARK_FAILED;
	}
	return MARK_FAILED;
}

enum mark_result mark_write(
    struct readyd_waiter *waiter, const struct process *p, uint64_t start, char path[MARK_PATH_SIZE])
{
	struct readyd_explanation why = READYD_EXPLANATION_INIT;
	struct marker_place place;
	struct writing w = {.process = p, .place = &place, .result = MARK_FAILED};
	enum mark_result result;

	path[0] = '\0';
	if (process_life(p) == PROCESS_GONE)
		return MARK_ENDED;
	if (readyd_waiter_explain_exact(waiter, p->pid, start, &why) != 0)
		return MARK_FAILED;
	memcpy(path, why.path, MARK_PATH_SIZE);
	if (find_place(why.path, p, &place) != 0)
		return MARK_FAILED;
	result = write_where(&w);
	errno = w.error;
	return result;
}
