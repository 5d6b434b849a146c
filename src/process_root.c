#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#ifdef HAVE_LINUX_OPENAT2_H
#include <linux/openat2.h>
#else
/* include/uapi/linux/openat2.h */
struct open_how {
	uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_IN_ROOT	      0x10
#endif

#include "src/number.h"
#include "src/process_root.h"
#include "src/procfs.h"
#include "src/shortage.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* ".." fails with EAGAIN while anything is being renamed or mounted anywhere. */
#define OPEN_TRIES 16

/* "/proc/<pid>/task/<tid>" */
#define TASK_SIZE 48

/* errno says why nothing can be seen of the root of a thread. */
static enum process_root explain_failure(void)
{
	if (is_shortage(errno))
		return PROCESS_ROOT_UNKNOWN;
	return errno == EACCES || errno == EPERM ? PROCESS_ROOT_CLOSED : PROCESS_ROOT_NONE;
}

/* False with errno. The kernel makes these names up without calling a file system. */
static bool read_name(const char *task, const char *link, char name[PROCESS_ROOT_NAME_SIZE])
{
	char path[PROCESS_ROOT_SIZE];
	ssize_t len;

	stpcpy(stpcpy(stpcpy(path, task), "/"), link);
	len = readlink(path, name, PROCESS_ROOT_NAME_SIZE - 1);
	name[len < 0 ? 0 : len] = '\0';
	return len >= 0;
}

/* Without statx(2), which is to say, before Linux 4.11 or where a seccomp filter denies it. */
static int identify_by_stat(const char *root, struct statx *found)
{
	struct stat st;

	if (stat(root, &st) != 0)
		return -1;
	*found = (struct statx){.stx_mask = STATX_INO,
	    .stx_ino = st.st_ino,
	    .stx_dev_major = major(st.st_dev),
	    .stx_dev_minor = minor(st.st_dev)};
	return 0;
}

/* By what the kernel remembers of the directory, without a request to a server or another process. EINVAL
 * comes from C libraries that do without the call, and do not know the flag. */
static int identify(const char *root, struct statx *found)
{
	if (statx(AT_FDCWD, root, AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, found) == 0)
		return 0;
	return errno == EINVAL || errno == ENOSYS || errno == EPERM ? identify_by_stat(root, found) : -1;
}

static bool read_ours(struct process_root_ours *ours)
{
	ours->known = ours->known || identify("/", &ours->root) == 0;
	return ours->known;
}

/* By the names of mount namespace and root (proc_pid_ns(5), proc_pid_root(5)): OTHER is certain, OURS is not.
 * "/" is also the name of a root above ours, if ours was changed (chroot(2)), and of one in a detached mount.
 */
static enum process_root compare_names(const char *task, struct process_root_ours *ours)
{
	char its[PROCESS_ROOT_NAME_SIZE];

	if (ours->mount_namespace[0] == '\0' && !read_name("/proc/self", "ns/mnt", ours->mount_namespace) &&
	    is_shortage(errno))
		return PROCESS_ROOT_UNKNOWN;
	if (ours->mount_namespace[0] != '\0') {
		if (!read_name(task, "ns/mnt", its))
			return explain_failure();
		if (strcmp(its, ours->mount_namespace) != 0)
			return PROCESS_ROOT_OTHER;
	}
	if (!read_name(task, "root", its))
		return explain_failure();
	return strcmp(its, "/") == 0 ? PROCESS_ROOT_OURS : PROCESS_ROOT_OTHER;
}

/* A file system's error says nothing of the process: it may have ended, or its root is on a file system that
 * refuses us or is broken, which ours is not. */
static enum process_root explain_without_mounts(const char *task, struct process_root_ours *ours)
{
	enum process_root found = is_shortage(errno) ? PROCESS_ROOT_UNKNOWN : compare_names(task, ours);

	return found == PROCESS_ROOT_OURS ? PROCESS_ROOT_OTHER : found;
}

/* A mount belongs to one mount namespace, so a root in the same place of the same mount is the same root
 * for us. Before Linux 5.8 there are no mount ids. */
static enum process_root compare_mounts(const char *task, struct process_root_ours *ours)
{
	char root[PROCESS_ROOT_SIZE];
	struct statx its;

	stpcpy(stpcpy(root, task), "/root");
	if (identify(root, &its) != 0)
		return explain_without_mounts(task, ours);
	if (ours->root.stx_dev_major != its.stx_dev_major || ours->root.stx_dev_minor != its.stx_dev_minor ||
	    ours->root.stx_ino != its.stx_ino)
		return PROCESS_ROOT_OTHER;
	if ((its.stx_mask & STATX_MNT_ID) == 0)
		return compare_names(task, ours);
	return ours->root.stx_mnt_id == its.stx_mnt_id ? PROCESS_ROOT_OURS : PROCESS_ROOT_OTHER;
}

static enum process_root compare_names_and_mounts(const char *task, struct process_root_ours *ours)
{
	enum process_root found = compare_names(task, ours);

	return found == PROCESS_ROOT_OURS ? compare_mounts(task, ours) : found;
}

/* How to compare the root of a thread with ours. */
struct comparison {
	enum process_root (*compare)(const char *task, struct process_root_ours *ours);
	struct process_root_ours *ours;
};

/* Links of /proc/<pid>/task: 2, and one for each thread. */
#define LINKS_OF_LAST_THREAD 3

/* A main thread that has ended no longer has a root, while the other threads still do. */
static enum process_root find_in_other_threads(pid_t pid, const struct comparison *how, char task[TASK_SIZE])
{
	enum process_root found = PROCESS_ROOT_NONE;
	struct dirent *entry;
	struct stat st;
	uint64_t tid;
	DIR *tasks;

	snprintf(task, TASK_SIZE, "/proc/%ld/task", (long)pid);
	if (stat(task, &st) == 0 && st.st_nlink <= LINKS_OF_LAST_THREAD)
		return PROCESS_ROOT_NONE;
	tasks = opendir(task);
	if (tasks == NULL)
		return explain_failure();
	while (found == PROCESS_ROOT_NONE && (entry = readdir(tasks)) != NULL) {
		if (number_parse(entry->d_name, strlen(entry->d_name), INT_MAX, &tid) != 0)
			continue;
		snprintf(task, TASK_SIZE, "/proc/%ld/task/%ld", (long)pid, (long)tid);
		found = how->compare(task, how->ours);
	}
	closedir(tasks);
	return found;
}

static enum process_root find(const struct process *p, const struct comparison *how, char task[TASK_SIZE])
{
	enum process_root found;

	/* Then there is nothing of it in /proc, or of another process. */
	if (p->no_such_process || !p->start_known || !procfs_is_ours())
		return PROCESS_ROOT_NONE;
	if (!read_ours(how->ours))
		return PROCESS_ROOT_UNKNOWN;
	number_put(stpcpy(task, "/proc/"), (uint64_t)p->pid);
	found = how->compare(task, how->ours);
	return found == PROCESS_ROOT_NONE ? find_in_other_threads(p->pid, how, task) : found;
}

enum process_root process_root_find(const struct process *p, char root[PROCESS_ROOT_SIZE])
{
	struct process_root_ours ours = {0};
	const struct comparison how = {compare_mounts, &ours};
	char task[TASK_SIZE] = "";
	enum process_root found = find(p, &how, task);

	stpcpy(stpcpy(root, task), "/root");
	return found;
}

enum process_root process_root_find_nowait(const struct process *p, struct process_root_ours *ours)
{
	const struct comparison how = {compare_names_and_mounts, ours};
	char task[TASK_SIZE];

	return find(p, &how, task);
}

int process_root_open(const char *root, const char *dir)
{
	struct open_how how = {
	    .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int at = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1, error;

	if (at < 0)
		return -1;
	errno = EAGAIN;
	for (int tries = 0; tries < OPEN_TRIES && fd < 0 && errno == EAGAIN; tries++)
		fd = (int)syscall(SYS_openat2, at, dir, &how, sizeof(how));
	/* The kernel has no EPERM for this; seccomp filters of containers do. */
	error = errno == EPERM ? ENOSYS : errno;
	close(at);
	errno = error;
	return fd;
}

bool process_root_can_open(void)
{
	const int fd = process_root_open("/", "/");

	if (fd < 0)
		return errno != ENOSYS;
	close(fd);
	return true;
}
