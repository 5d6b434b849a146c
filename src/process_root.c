#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
#include "src/shortage.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

/* ".." fails with EAGAIN while anything is being renamed or mounted anywhere. */
#define OPEN_TRIES 16

/* Before Linux 5.8 there are no mount ids: then take the mount namespace. */
static bool is_in_our_mount_namespace(const char *root)
{
	char path[PROCESS_ROOT_SIZE + sizeof("/../ns/mnt")];
	struct stat its, ours;

	snprintf(path, sizeof(path), "%.*sns/mnt", (int)(strlen(root) - strlen("root")), root);
	return stat(path, &its) == 0 && stat("/proc/self/ns/mnt", &ours) == 0 && its.st_ino == ours.st_ino;
}

/* A mount belongs to one mount namespace, so a root in the same place of the same mount is the same root
 * for us. */
static bool is_ours(const char *root, const struct statx *its)
{
	struct statx ours;

	if (statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &ours) != 0 ||
	    ours.stx_dev_major != its->stx_dev_major || ours.stx_dev_minor != its->stx_dev_minor ||
	    ours.stx_ino != its->stx_ino)
		return false;
	return its->stx_mask & STATX_MNT_ID ? ours.stx_mnt_id == its->stx_mnt_id
					    : is_in_our_mount_namespace(root);
}

static enum process_root try_root(const char *root)
{
	struct statx its;

	if (statx(AT_FDCWD, root, 0, STATX_INO | STATX_MNT_ID, &its) == 0)
		return is_ours(root, &its) ? PROCESS_ROOT_OURS : PROCESS_ROOT_OTHER;
	if (is_shortage(errno))
		return PROCESS_ROOT_UNKNOWN;
	return errno == EACCES || errno == EPERM ? PROCESS_ROOT_CLOSED : PROCESS_ROOT_NONE;
}

/* A main thread that has ended no longer has a root, while the other threads still do. */
static enum process_root find_root_of_others(const struct process *p, char root[PROCESS_ROOT_SIZE])
{
	enum process_root found = PROCESS_ROOT_NONE;
	struct dirent *entry;
	uint64_t tid;
	DIR *tasks;

	snprintf(root, PROCESS_ROOT_SIZE, "/proc/%ld/task", (long)p->pid);
	tasks = opendir(root);
	if (tasks == NULL)
		return is_shortage(errno) ? PROCESS_ROOT_UNKNOWN : PROCESS_ROOT_NONE;
	while (found == PROCESS_ROOT_NONE && (entry = readdir(tasks)) != NULL) {
		if (number_parse(entry->d_name, strlen(entry->d_name), INT_MAX, &tid) != 0)
			continue;
		snprintf(root, PROCESS_ROOT_SIZE, "/proc/%ld/task/%ld/root", (long)p->pid, (long)tid);
		found = try_root(root);
	}
	closedir(tasks);
	return found;
}

enum process_root process_root_find(const struct process *p, char root[PROCESS_ROOT_SIZE])
{
	enum process_root found;

	/* Then there is nothing of it in /proc, or of another process. */
	if (!p->start_known)
		return PROCESS_ROOT_NONE;
	snprintf(root, PROCESS_ROOT_SIZE, "/proc/%ld/root", (long)p->pid);
	found = try_root(root);
	return found == PROCESS_ROOT_NONE ? find_root_of_others(p, root) : found;
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
