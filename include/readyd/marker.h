/*
 * The contract between a worker and those who wait for it.
 *
 * A worker that has finished its set-up creates the file READYD_MARKER_PREFIX<pid>; that is the whole
 * protocol on its side. This header is all it needs: copy it or include it, there is nothing to link. It is
 * C99 and C++, includes libc headers only, allocates nothing and prints nothing.
 */
#ifndef READYD_MARKER_H
#define READYD_MARKER_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

/* The directory that holds the markers. */
#define READYD_MARKER_DIR "/tmp"

/* A marker's file name without the pid that ends it. */
#define READYD_MARKER_NAME_PREFIX "ktstr-worker-ready-"

/* A marker's path without the pid that ends it: decimal, no sign, no leading zero. */
#define READYD_MARKER_PREFIX READYD_MARKER_DIR "/" READYD_MARKER_NAME_PREFIX

/* What a marker holds. Nobody has to read it: a marker that exists as a regular file means ready. */
#define READYD_MARKER_CONTENT "ready\n"

/* For tests: when this variable is set and not empty, a worker writes its marker to the path it names. */
#define READYD_MARKER_OVERRIDE_ENV "KTSTR_WORKER_READY_MARKER_OVERRIDE"

/* Every line of the reference worker on standard error begins with this and a space. */
#define READYD_WORKER_STDERR_PREFIX "jemalloc-alloc-worker:"

/* The line that the reference worker prints once it is ready; takes unsigned long and unsigned long long. */
#define READYD_WORKER_BREADCRUMB_FORMAT "jemalloc-alloc-worker ready pid=%lu bytes=%llu\n"

/* Enough for the path of any marker, its terminating NUL included. */
#define READYD_MARKER_PATH_SIZE (sizeof(READYD_MARKER_PREFIX "4294967295"))

/*
 * -std=c99 hides these two flags in glibc. Without O_NOFOLLOW a symbolic link that somebody planted in a
 * shared /tmp would be written through, so glibc's own names, which are always there, stand in before doing
 * without.
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

/* O_NONBLOCK: a fifo or a leased file that was left under the name fails instead of hanging the worker. */
#define READYD_MARKER_OPEN_FLAGS                                                                             \
	(O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | READYD_MARKER_O_CLOEXEC | READYD_MARKER_O_NOFOLLOW)

/*
 * Puts the path of pid's marker into buf, which has room for size bytes; READYD_MARKER_PATH_SIZE always
 * suffices. Returns the length of the path, or -1 with errno EINVAL (pid is 0) or ENAMETOOLONG (no room).
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

/*
 * Writes the marker at path: one open, one write, one close, whatever happens. Returns 0, or -1 with errno;
 * ENOSPC also stands for a write that was cut short. A call that failed may be repeated, EINTR included.
 * Those who wait may already have seen a marker whose write failed: the open is what makes it visible.
 */
static inline int readyd_marker_write(const char *path)
{
	const size_t length = sizeof(READYD_MARKER_CONTENT) - 1;
	const int fd = open(path, READYD_MARKER_OPEN_FLAGS, 0644);
	ssize_t written;
	int error = 0;

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
