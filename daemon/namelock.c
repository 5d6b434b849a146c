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

/* If not, errno is ENOENT where that is certain, for a file without a number too. */
static bool has_name(const struct namelock *lock, int fd)
{
	struct stat held, named;

	errno = ENOENT;
	if (fd < 0 || fstat(fd, &held) != 0 || lstat(lock->path, &named) != 0)
		return false;
	errno = ENOENT;
	return held.st_ino == named.st_ino && held.st_dev == named.st_dev;
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

/* NAMELOCK_HELD: it may be locked. */
static enum namelock_result check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return NAMELOCK_NOT_LOCKED;
	return S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink <= 1 ? NAMELOCK_HELD
										 : NAMELOCK_FOREIGN;
}

/* After flock(2) has failed. */
static enum namelock_result fail_to_lock(const struct namelock *lock)
{
	if (errno != EWOULDBLOCK)
		return NAMELOCK_NOT_LOCKED;
	/* If the file has come back in between, the lock that excludes is its own. */
	if (namelock_holds(lock))
		return NAMELOCK_HELD;
	return errno == ENOENT ? NAMELOCK_BUSY : NAMELOCK_NOT_LOCKED;
}

/* NAMELOCK_HELD: it is worth another look at the name. */
static enum namelock_result try_to_take(struct namelock *lock)
{
	int fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	enum namelock_result result;

	if (fd < 0)
		return NAMELOCK_NO_FILE;
	result = check_file(fd);
	if (result != NAMELOCK_HELD) {
		close_file(fd);
		return result;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		result = fail_to_lock(lock);
	} else if (has_name(lock, fd)) {
		close_file(lock->fd);
		lock->fd = fd;
		return NAMELOCK_HELD;
	} else if (errno != ENOENT) {
		result = NAMELOCK_NOT_LOCKED;
	}
	close_file(fd);
	return result;
}

enum namelock_result namelock_take(struct namelock *lock)
{
	enum namelock_result result = NAMELOCK_HELD;

	while (result == NAMELOCK_HELD && !namelock_holds(lock))
		result = try_to_take(lock);
	return result;
}

void namelock_fini(struct namelock *lock)
{
	/* While the lock is held: see namelock_take(). */
	if (namelock_holds(lock))
		(void)unlink(lock->path);
	close_file(lock->fd);
}
