#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe/image.h"
#include "probe/maps.h"
#include "probe/target.h"

/* In the flags of /proc/<pid>/stat (linux/sched.h of the kernel). */
#define PF_KTHREAD 0x00200000

/* What an error at a file of /proc/<pid> means. */
static enum failure_kind kind_of(int error, enum failure_kind otherwise)
{
	return error == ENOENT || error == ESRCH ? FAILURE_PID_MISSING : otherwise;
}

static int check_pid(pid_t pid, struct failure *failure)
{
	char path[64];

	if (pid == getpid())
		return failure_set(failure, FAILURE_SELF_PROBE_REJECTED,
		    "process %ld is the probe itself, which cannot trace itself", (long)pid);
	snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
	if (access(path, F_OK) != 0)
		return failure_set(failure, kind_of(errno, FAILURE_OTHER), "process %ld: %s", (long)pid,
		    errno == ENOENT ? "there is none" : strerror(errno));
	return 0;
}

/* A thread of the kernel has no executable, as a process that has ended. */
static bool is_kernel_thread(pid_t pid)
{
	char path[64], stat[512];
	unsigned flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	stat[fread(stat, 1, sizeof(stat) - 1, file)] = '\0';
	fclose(file);
	if (strrchr(stat, ')') != NULL)
		(void)sscanf(strrchr(stat, ')'), ") %*c %*d %*d %*d %*d %*d %u", &flags);
	return (flags & PF_KTHREAD) != 0;
}

static int cannot_open(pid_t pid, const char *path, int error, struct failure *failure)
{
	if (is_kernel_thread(pid))
		return failure_set(failure, FAILURE_READLINK,
		    "process %ld is a thread of the kernel, which has no executable", (long)pid);
	return failure_set(
	    failure, kind_of(error, FAILURE_READLINK), "cannot open %s: %s", path, strerror(error));
}

static int open_executable(struct target *target, char name[PATH_MAX], struct failure *failure)
{
	char path[64];
	struct stat st;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)target->pid);
	length = readlink(path, name, PATH_MAX - 1);
	fd = length < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cannot_open(target->pid, path, errno, failure);
	name[length] = '\0';
	if (fstat(fd, &st) != 0) {
		failure_set(failure, FAILURE_READLINK, "cannot stat %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	target->dev = st.st_dev;
	target->ino = st.st_ino;
	return fd;
}

static int read_executable(struct target *target, int fd, const char *name, struct failure *failure)
{
	if (image_layout(fd, name, &target->layout, failure) == 0)
		return offsets_find(fd, name, &target->offsets, failure);
	if (failure->kind == FAILURE_JEMALLOC_NOT_FOUND)
		maps_look_for_jemalloc(target, failure);
	return -1;
}

int target_open(struct target *target, struct failure *failure)
{
	char name[PATH_MAX], path[64];
	int fd, result;

	target->memory = -1;
	if (check_pid(target->pid, failure) != 0)
		return -1;
	/* Before the executable, so that target_compare() sees an execve(2) in between. */
	snprintf(path, sizeof(path), "/proc/%ld/mem", (long)target->pid);
	target->memory = open(path, O_RDONLY | O_CLOEXEC);
	fd = open_executable(target, name, failure);
	if (fd < 0)
		return -1;
	result = read_executable(target, fd, name, failure);
	close(fd);
	return result != 0 ? result : target_compare(target, failure);
}

void target_close(struct target *target)
{
	if (target->memory >= 0)
		close(target->memory);
}

/* No process has memory at address 0, so reading there is an error while there is any memory. */
bool target_memory_is_gone(const struct target *target)
{
	char byte;

	return target->memory >= 0 && pread(target->memory, &byte, 1, 0) == 0;
}

int target_compare(const struct target *target, struct failure *failure)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)target->pid);
	if (stat(path, &st) != 0)
		return failure_set(failure, kind_of(errno, FAILURE_READLINK), "process %ld has ended: %s: %s",
		    (long)target->pid, path, strerror(errno));
	if (st.st_dev != target->dev || st.st_ino != target->ino || target_memory_is_gone(target))
		return failure_set(failure, FAILURE_EXE_IDENTITY_CHANGED,
		    "process %ld executes another program than at first", (long)target->pid);
	return 0;
}
