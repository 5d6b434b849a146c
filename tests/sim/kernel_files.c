/* The system calls on files, directories and pipes, and those that take any descriptor. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/sim/history.h"
#include "tests/sim/kernel_private.h"
#include "tests/sim/syscalls.h"

int __wrap_close(int fd)
{
	if (kernel_enter(fd, FD_FREE) == NULL)
		return -1;
	fd_close(world.current, fd);
	return 0;
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	struct sim_fd *found = kernel_enter(fd, FD_FREE);

	if (found == NULL)
		return -1;
	if (found->kind == FD_INOTIFY)
		return kernel_read_inotify(&world.inotifies[found->index], buffer, size);
	if (found->kind == FD_TIMER)
		return kernel_read_timer(&world.timers[found->index], buffer);
	/* The table is read for mounts that could hang: there are none. */
	if (found->kind == FD_MOUNTS)
		return 0;
	fail("read(2) of a descriptor of kind %d", found->kind);
	errno = EINVAL;
	return -1;
}

ssize_t __wrap_write(int fd, const void *buffer, size_t size)
{
	struct sim_fd *found = kernel_enter(fd, FD_PIPE_WRITE);

	(void)buffer;
	if (found == NULL)
		return -1;
	if (world.pipes[found->index].readers == 0) {
		errno = EPIPE;
		return -1;
	}
	world.pipes[found->index].bytes += (unsigned)size;
	return (ssize_t)size;
}

int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	void *argument;

	if (world.current != NULL)
		return 0;
	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return __real_fcntl(fd, command, argument);
}

int __wrap_pipe2(int ends[2], int flags)
{
	int index = 0;

	(void)flags;
	if (!kernel_enter_any())
		return -1;
	while (index < POOL_PIPES && (world.pipes[index].readers > 0 || world.pipes[index].writers > 0))
		index++;
	if (index == POOL_PIPES)
		abort();
	ends[0] = fd_new(world.current, FD_PIPE_READ, index, 0);
	if (ends[0] < 0)
		return -1;
	world.pipes[index] = (struct sim_pipe){.readers = 1};
	ends[1] = fd_new(world.current, FD_PIPE_WRITE, index, 0);
	if (ends[1] >= 0) {
		world.pipes[index].writers = 1;
		return 0;
	}
	fd_close(world.current, ends[0]);
	errno = EMFILE;
	return -1;
}

static int open_mounts(void)
{
	int index;

	NEW_IN_POOL(world.mounts, POOL_SMALL, index);
	return kernel_open(FD_MOUNTS, index, &world.mounts[index].used);
}

static int open_read_end(int write_end)
{
	struct sim_fd *pipe = fd_get(world.current, write_end);
	int fd;

	errno = ENOENT;
	if (pipe == NULL || pipe->kind != FD_PIPE_WRITE)
		return -1;
	fd = fd_new(world.current, FD_PIPE_READ, pipe->index, 0);
	if (fd >= 0)
		world.pipes[pipe->index].readers++;
	return fd;
}

static int real_open(const char *path, int flags, va_list args)
{
	return flags & O_CREAT ? __real_open(path, flags, va_arg(args, mode_t)) : __real_open(path, flags);
}

/* A file without a name, which shows the clock of the file system. */
static int open_unnamed(void)
{
	errno = EOPNOTSUPP;
	if (!world_dir()->present || !world_dir()->fs.unnamed)
		return -1;
	return fd_new(world.current, FD_UNNAMED, 0, 0);
}

/* The mount table, the other end of a pipe, and a file without a name. */
int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	if (world.current == NULL) {
		va_start(args, flags);
		fd = real_open(path, flags, args);
		va_end(args);
		return fd;
	}
	if (!kernel_enter_any())
		return -1;
	if (strcmp(path, "/proc/self/mountinfo") == 0)
		return open_mounts();
	if (strncmp(path, "/proc/self/fd/", 14) == 0)
		return open_read_end(atoi(path + 14));
	if (strcmp(path, SIM_DIR) == 0 && (flags & O_TMPFILE) == O_TMPFILE)
		return open_unnamed();
	errno = ENOENT;
	return -1;
}

int __wrap_fstat(int fd, struct stat *st)
{
	if (kernel_enter(fd, FD_UNNAMED) == NULL)
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_ctim = kernel_timespec(world_stamp(&world_dir()->fs));
	return 0;
}

int __wrap_statfs(const char *path, struct statfs *fs)
{
	(void)path;
	errno = ENOENT;
	if (!kernel_enter_any() || !world_dir()->present)
		return -1;
	memset(fs, 0, sizeof(*fs));
	fs->f_type = world_dir()->fs.type;
	return 0;
}

static int stat_marker(int pid_index, struct stat *st)
{
	const struct sim_marker *marker = &world_dir()->markers[pid_index];

	errno = ENOENT;
	if (!world_dir()->present || marker->state == NO_MARKER)
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_mode = marker->state == MARKER_IS_FILE ? S_IFREG | 0644 : S_IFDIR | 0755;
	st->st_uid = marker->uid;
	st->st_dev = 1;
	st->st_ino = marker->ino;
	st->st_size = marker->size;
	st->st_nlink = marker->linked ? 2 : 1;
	st->st_ctim = kernel_timespec(marker->stamp);
	st->st_mtim = kernel_timespec(marker->modified);
	return 0;
}

static struct statx_timestamp statx_stamp(const struct timespec *t)
{
	return (struct statx_timestamp){.tv_sec = t->tv_sec, .tv_nsec = (uint32_t)t->tv_nsec};
}

static int find_marker(const char *path)
{
	size_t len = strlen(SIM_DIR "/" SIM_PREFIX);

	errno = ENOENT;
	return strncmp(path, SIM_DIR "/" SIM_PREFIX, len) == 0 ? world_pid_index((pid_t)atoi(path + len))
							       : SIM_NONE;
}

/* The daemon sees the file lie there while no process has its number. */
static void note_sight(int pid_index)
{
	struct sim_marker *marker = &world_dir()->markers[pid_index];

	if (world.current->id == SIM_DAEMON && world.holder[pid_index] == SIM_NONE && marker->daemon_saw == 0)
		marker->daemon_saw = world.now;
}

int __wrap_lstat(const char *path, struct stat *st)
{
	int pid_index, result;

	if (!kernel_enter_any())
		return -1;
	pid_index = find_marker(path);
	result = pid_index == SIM_NONE ? -1 : stat_marker(pid_index, st);
	if (result == 0)
		note_sight(pid_index);
	return result;
}

int __wrap_statx(int dir_fd, const char *path, int flags, unsigned mask, struct statx *out)
{
	struct timespec born;
	struct stat st;
	int pid_index;

	(void)dir_fd;
	(void)flags;
	(void)mask;
	if (!kernel_enter_any())
		return -1;
	pid_index = find_marker(path);
	if (pid_index == SIM_NONE || stat_marker(pid_index, &st) != 0)
		return -1;
	memset(out, 0, sizeof(*out));
	out->stx_mask = STATX_BASIC_STATS | (world_dir()->fs.births ? STATX_BTIME : 0);
	out->stx_mode = (uint16_t)st.st_mode;
	out->stx_ino = st.st_ino;
	out->stx_nlink = (uint32_t)st.st_nlink;
	out->stx_ctime = statx_stamp(&st.st_ctim);
	out->stx_mtime = statx_stamp(&st.st_mtim);
	born = kernel_timespec(world_dir()->markers[pid_index].born);
	if (world_dir()->fs.births)
		out->stx_btime = statx_stamp(&born);
	return 0;
}

/* The directory; anything else is a file that is as old as the boot, see clock_set_step(). */
int __wrap_stat(const char *path, struct stat *st)
{
	if (!kernel_enter_any())
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_dev = 1;
	if (strcmp(path, SIM_DIR) != 0) {
		st->st_ctim = kernel_timespec(world.boot_offset);
		return 0;
	}
	errno = ENOENT;
	if (!world_dir()->present)
		return -1;
	st->st_ctim = kernel_timespec(world_dir()->changed);
	st->st_mode = S_IFDIR | 01777;
	st->st_ino = world_dir()->ino;
	return 0;
}

/* One reader of the directory at a time. */
static struct {
	unsigned at;
	struct dirent entry;
} reader;

DIR *__wrap_opendir(const char *path)
{
	if (!kernel_enter_any())
		return NULL;
	errno = ENOENT;
	reader.at = 0;
	return strcmp(path, SIM_DIR) == 0 && world_dir()->present && !fault(FAULT_FD_REFUSED)
		   ? (DIR *)(void *)&reader
		   : NULL;
}

struct dirent *__wrap_readdir(DIR *dir)
{
	(void)dir;
	if (!kernel_enter_any())
		return NULL;
	while (reader.at < SIM_PIDS && world_dir()->markers[reader.at].state == NO_MARKER)
		reader.at++;
	if (reader.at == SIM_PIDS)
		return NULL;
	sprintf(reader.entry.d_name, SIM_PREFIX "%u", SIM_FIRST_PID + reader.at++);
	return &reader.entry;
}

int __wrap_closedir(DIR *dir)
{
	(void)dir;
	return 0;
}

ssize_t __wrap___read_chk(int fd, void *buffer, size_t size, size_t room)
{
	(void)room;
	return __wrap_read(fd, buffer, size);
}
