#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/number.h"
#include "src/process.h"
#include "src/procfs.h"
#include "src/shortage.h"

#define PATH_SIZE 64

static int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	error = n == 0 ? ENODATA : errno;
	close(fd);
	errno = error;
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

/* Without printf(3): its first use costs a short program much. */
static void format_path(char path[PATH_SIZE], pid_t pid, const char *name)
{
	char *end = stpcpy(path, "/proc/");

	if (pid != 0) {
		number_put(end, (uint64_t)pid);
		end = stpcpy(end + strlen(end), "/");
	}
	stpcpy(end, name);
}

int procfs_read(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[PATH_SIZE];

	if (!procfs_is_ours()) {
		errno = ENOENT;
		return -1;
	}
	format_path(path, pid, name);
	return read_file(path, buf, size);
}

static void take_ns_pids(const char *numbers, struct procfs_status *status)
{
	char *end;

	for (const char *at = numbers;; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			return;
		status->ns_pid = (pid_t)pid;
		status->ns_pids++;
	}
}

static void take_line(const char *line, struct procfs_status *status)
{
	uint32_t uids[4]; /* real, effective, saved, of the file system */

	if (strncmp(line, "NSpid:", 6) == 0) {
		take_ns_pids(line + 6, status);
	} else if (strncmp(line, "Uid:", 4) == 0 && number_list(line + 4, uids, 4) == 4) {
		status->has_uids = true;
		status->real = uids[0];
		status->effective = uids[1];
		status->fs = uids[3];
	}
}

/* Groups: has no bound, and stands before NSpid. A line that does not fit is passed over: its end is taken
 * for a line that is not known. */
static int read_lines(int fd, struct procfs_status *status)
{
	char buf[1024], *line, *end;
	size_t len = 0;
	ssize_t n = 1;

	/* NSpid comes after Uid. */
	while (status->ns_pids == 0 && (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
		len += (size_t)n;
		buf[len] = '\0';
		for (line = buf; (end = strchr(line, '\n')) != NULL; line = end + 1) {
			*end = '\0';
			take_line(line, status);
		}
		len -= (size_t)(line - buf);
		memmove(buf, line, len);
		if (len == sizeof(buf) - 1)
			len = 0;
	}
	return n >= 0 ? 0 : -1;
}

static int read_status_file(const char *path, struct procfs_status *status)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result, error;

	memset(status, 0, sizeof(*status));
	if (fd < 0)
		return -1;
	result = read_lines(fd, status);
	error = errno;
	close(fd);
	errno = error;
	return result;
}

int procfs_read_status(pid_t pid, struct procfs_status *status)
{
	char path[PATH_SIZE];

	if (!procfs_is_ours()) {
		errno = ENOENT;
		return -1;
	}
	format_path(path, pid, "status");
	return read_status_file(path, status);
}

/* A /proc that shows a process of the first pid namespace is that of this namespace. Elsewhere, /proc/self
 * has our pid in the namespace of that /proc, which may happen to be the same number as in ours; but then
 * NSpid has both. */
static enum procfs_state examine(pid_t own, bool *sure)
{
	struct procfs_status status;
	char self[16];
	ssize_t len;

	*sure = true;
	if (process_own_namespace("pid") == PROCESS_FIRST_PID_NAMESPACE)
		return PROCFS_OURS;
	len = readlink("/proc/self", self, sizeof(self) - 1);
	if (len < 0)
		return access("/proc/version", F_OK) == 0 ? PROCFS_FOREIGN : PROCFS_MISSING;
	self[len] = '\0';
	if (atol(self) != (long)own)
		return PROCFS_FOREIGN;
	*sure = read_status_file("/proc/self/status", &status) == 0;
	/* Out of descriptors, whatever is to be read there fails, too. */
	if (!*sure)
		return is_shortage(errno) ? PROCFS_OURS : PROCFS_FOREIGN;
	return status.ns_pids <= 1 ? PROCFS_OURS : PROCFS_FOREIGN;
}

/* Remembered only if it is ours, since it may be mounted later; and for one process, since a child may be in
 * another namespace. */
enum procfs_state procfs_state(void)
{
	static _Atomic pid_t ours;
	enum procfs_state state;
	pid_t own = getpid();
	bool sure;

	if (atomic_load_explicit(&ours, memory_order_relaxed) == own)
		return PROCFS_OURS;
	state = examine(own, &sure);
	if (sure && state == PROCFS_OURS)
		atomic_store_explicit(&ours, own, memory_order_relaxed);
	return state;
}

const char *procfs_word(void)
{
	switch (procfs_state()) {
	case PROCFS_OURS:
		return "ok";
	case PROCFS_FOREIGN:
		return "foreign";
	case PROCFS_MISSING:
		return "missing";
	}
	return NULL;
}
