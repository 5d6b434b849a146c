#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/namelock.h"

void namelock_init(struct namelock *lock, const char *socket)
{
	snprintf(lock->path, sizeof(lock->path), "%s" NAMELOCK_TAIL, socket);
	lock->fd = -1;
}

static bool has_name(const struct namelock *lock, int fd)
{
	struct stat held, named;

	return fd >= 0 && fstat(fd, &held) == 0 && lstat(lock->path, &named) == 0 &&
	       held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

bool namelock_holds(const struct namelock *lock)
{
	return has_name(lock, lock->fd);
}

static void close_file(int fd)
{
	const int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
}

static bool is_own(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink <= 1;
}

enum namelock_result namelock_take(struct namelock *lock)
{
	while (!namelock_holds(lock)) {
		int fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return NAMELOCK_NO_FILE;
		if (!is_own(fd)) {
			close_file(fd);
			return NAMELOCK_FOREIGN;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			close_file(fd);
			if (errno != EWOULDBLOCK)
				return NAMELOCK_NOT_LOCKED;
			/* If the file has come back in between, the lock that excludes is its own. */
			if (!namelock_holds(lock))
				return NAMELOCK_BUSY;
		} else if (has_name(lock, fd)) {
			close_file(lock->fd);
			lock->fd = fd;
		} else {
			close_file(fd);
		}
	}
	return NAMELOCK_HELD;
}

void namelock_fini(struct namelock *lock)
{
	/* While the lock is held: see namelock_take(). */
	if (namelock_holds(lock))
		(void)unlink(lock->path);
	close_file(lock->fd);
}
