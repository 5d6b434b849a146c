/*
 * The contract between a worker and the programs that wait for it.
 *
 * A worker that has finished its set-up creates the file READYD_MARKER_PREFIX<pid>; that is the whole
 * protocol on its side. This header is all it needs: copy it or include it, there is nothing to link. It is
 * valid C99 and C++, includes libc headers only, allocates nothing and prints nothing. Its functions keep no
 * state and may be called from any thread.
 */
#ifndef READYD_MARKER_H
#define READYD_MARKER_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* The directory that holds the markers. */
#define READYD_MARKER_DIR "/tmp"

/* A marker's file name without the pid that ends it. */
#define READYD_MARKER_NAME_PREFIX "ktstr-worker-ready-"

/* A marker's path without the pid that ends it: decimal, no sign, no leading zero. */
#define READYD_MARKER_PREFIX READYD_MARKER_DIR "/" READYD_MARKER_NAME_PREFIX

/* The content of a marker. It is informative only: that the marker exists as a regular file means ready. */
#define READYD_MARKER_CONTENT "ready\n"

/* For tests: if this environment variable is set and not empty, the worker writes its marker to the path
 * that it holds. */
#define READYD_MARKER_OVERRIDE_ENV "KTSTR_WORKER_READY_MARKER_OVERRIDE"

/* Each line that the reference worker writes to standard error begins with this and a space. */
#define READYD_WORKER_STDERR_PREFIX "jemalloc-alloc-worker:"

/* A printf(3) format: the line that the reference worker writes to standard output once it is ready. Takes
 * unsigned long and unsigned long long. */
#define READYD_WORKER_BREADCRUMB_FORMAT "jemalloc-alloc-worker ready pid=%lu bytes=%llu\n"

/* Bytes for the path of any marker, including the terminating NUL. Linux pids are below 2^22 (PID_MAX_LIMIT,
 * include/linux/threads.h); this has room for any uint32_t. */
#define READYD_MARKER_PATH_SIZE (sizeof(READYD_MARKER_PREFIX "4294967295"))

/*
 * glibc hides O_CLOEXEC and O_NOFOLLOW under -std=c99. Without O_NOFOLLOW, a worker would write through a
 * symbolic link that another user has planted in a shared /tmp. So use glibc's internal names, which
 * <bits/fcntl-linux.h> always defines; do without the flags only where both names are missing.
 */
#if defined(O_CLOEXEC)
#define READYD_MARKER_O_CLOEXEC O_CLOEXEC
#elif defined(__O_CLOEXEC)
#define READYD_MARKER_O_CLOEXEC __O_CLOEXEC
#else
#define READYD_MARKER_O_CLOEXEC 0
#endif
#if defined(O_NOFOLLOW)
#define READYD_MARKER_O_NOFOLLOW O_NOFOLLOW
#elif defined(__O_NOFOLLOW)
#define READYD_MARKER_O_NOFOLLOW __O_NOFOLLOW
#else
#define READYD_MARKER_O_NOFOLLOW 0
#endif

#if defined(O_PATH)
#define READYD_MARKER_O_PATH O_PATH
#elif defined(__O_PATH)
#define READYD_MARKER_O_PATH __O_PATH
#else
#define READYD_MARKER_O_PATH 0
#endif

/* A marker is a new file of the worker. */
#define READYD_MARKER_OPEN_FLAGS                                                                             \
	(O_WRONLY | O_CREAT | O_EXCL | READYD_MARKER_O_CLOEXEC | READYD_MARKER_O_NOFOLLOW)

/* For a file that was made for the worker. O_NONBLOCK: if it is a FIFO without a reader (fifo(7)) or leased
 * (F_SETLEASE in fcntl(2)), open(2) fails instead of blocking the worker. No O_TRUNC: another user may have
 * linked a file of the worker's to the name. */
#define READYD_MARKER_REUSE_FLAGS (O_WRONLY | O_NONBLOCK | READYD_MARKER_O_CLOEXEC | READYD_MARKER_O_NOFOLLOW)

/* How often an entry that reappears is removed. */
#define READYD_MARKER_TRIES 8

/*
 * Writes the path of pid's marker, terminated by a NUL, to buf, which has room for size bytes;
 * READYD_MARKER_PATH_SIZE always suffices. Returns the length of the path without the NUL, or -1 with errno
 * EINVAL (pid is 0) or ENAMETOOLONG (buf is too small).
 */
static inline int readyd_marker_path(char *buf, size_t size, uint32_t pid)
{
	int length;

	if (pid == 0) {
		errno = EINVAL;
		return -1;
	}
	length = snprintf(buf, size, "%s%lu", READYD_MARKER_PREFIX, (unsigned long)pid);
	if (length < 0 || (size_t)length >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return length;
}

/* What has the name, not what it links to. 0, or -1 with errno. */
static inline int readyd_marker_stat(const char *path, struct stat *st)
{
	const int flags = READYD_MARKER_O_PATH | READYD_MARKER_O_CLOEXEC | READYD_MARKER_O_NOFOLLOW;
	const int fd = open(path, READYD_MARKER_O_PATH != 0 ? flags : flags | O_NONBLOCK);
	int result;

	if (fd < 0)
		return -1;
	result = fstat(fd, st);
	close(fd);
	return result;
}

/* Whether it is in the way of a marker: any regular file, which is a leftover or another user's, and what
 * else another user has put there. Directories and devices are not removed. */
static inline int readyd_marker_is_in_the_way(const struct stat *st)
{
	if (S_ISDIR(st->st_mode) || S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	return S_ISREG(st->st_mode) || st->st_uid != geteuid();
}

/* Opens what has the name already; not a file that has another name, too. Returns a descriptor, or -1 with
 * errno. */
static inline int readyd_marker_reuse(const char *path)
{
	const int fd = open(path, READYD_MARKER_REUSE_FLAGS);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_nlink == 1))
		return fd;
	close(fd);
	errno = EMLINK;
	return -1;
}

/* Replaces what has the name already, or reuses it where only the file may be written to, not the directory.
 * Returns a descriptor, or -1 with errno. */
static inline int readyd_marker_replace(const char *path)
{
	struct stat st;
	int fd = -1, tries;

	for (tries = 0; tries < READYD_MARKER_TRIES && fd < 0; tries++) {
		if (readyd_marker_stat(path, &st) != 0) {
			if (errno != ENOENT)
				return -1;
		} else if (!readyd_marker_is_in_the_way(&st)) {
			return readyd_marker_reuse(path);
		} else if (unlink(path) != 0 && errno != ENOENT) {
			return errno == EACCES || errno == EBUSY ? readyd_marker_reuse(path) : -1;
		}
		fd = open(path, READYD_MARKER_OPEN_FLAGS, 0644);
		if (fd < 0 && errno != EEXIST)
			return -1;
	}
	return fd;
}

/*
 * Writes the marker at path with three system calls: open(2), write(2) and close(2), none of them repeated.
 * More are needed only if the name exists: what is there is then removed, if it may be, and the marker is a
 * new file. So a leftover does not pass its age on, and a worker never truncates what another user has linked
 * to the name. A directory, a device, and a link or FIFO of the worker's own user stay. A file that may not
 * be removed since the directory is closed to the worker is written to, if it has no other name.
 *
 * It can block only as long as the file system takes. Returns 0, or -1 with the errno of the call that
 * failed: EPERM where another user's file cannot be removed, as in a sticky directory, ELOOP where path is a
 * symbolic link, ENXIO where it is a FIFO without a reader, EMLINK where the file has another name; ENOSPC
 * also stands for a short write. A failed call may be repeated, also after EINTR. If only the write failed, a
 * waiting program may have seen the marker already, since open(2) is what makes it visible.
 */
static inline int readyd_marker_write(const char *path)
{
	const size_t length = sizeof(READYD_MARKER_CONTENT) - 1;
	int fd = open(path, READYD_MARKER_OPEN_FLAGS, 0644);
	ssize_t written;
	int error = 0;

	if (fd < 0 && errno == EEXIST)
		fd = readyd_marker_replace(path);
	if (fd < 0)
		return -1;
	written = write(fd, READYD_MARKER_CONTENT, length);
	if (written < 0)
		error = errno;
	else if ((size_t)written < length)
		error = ENOSPC;
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

#endif
