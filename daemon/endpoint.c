#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/endpoint.h"
#include "src/sock.h"

#define BACKLOG	  4096
#define LOCK_TAIL ".lock"
#define NEW_TAIL  ".new"
#define HINT	  "choose another place with --socket"

__attribute__((format(printf, 2, 3))) static int fail(struct endpoint *endpoint, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(endpoint->why, sizeof(endpoint->why), format, ap);
	va_end(ap);
	return -1;
}

int endpoint_init(struct endpoint *endpoint, const char *path, mode_t mode)
{
	*endpoint = (struct endpoint){.fd = -1, .lock = -1, .mode = mode};
	if (strlen(path) > ENDPOINT_PATH_MAX)
		return fail(endpoint, "the socket path %s is too long: at most %zu bytes; " HINT, path,
		    ENDPOINT_PATH_MAX);
	strcpy(endpoint->path, path);
	return 0;
}

static void lock_path(const struct endpoint *endpoint, char *buf, size_t size)
{
	snprintf(buf, size, "%s" LOCK_TAIL, endpoint->path);
}

/* If the locked file still has the name, no other daemon has removed it in between and locked a file of its
 * own. */
static bool lock_holds(const struct endpoint *endpoint)
{
	char path[sizeof(endpoint->path) + sizeof(LOCK_TAIL)];
	struct stat held, named;

	lock_path(endpoint, path, sizeof(path));
	return endpoint->lock >= 0 && fstat(endpoint->lock, &held) == 0 && stat(path, &named) == 0 &&
	       held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static int take_lock(struct endpoint *endpoint)
{
	char path[sizeof(endpoint->path) + sizeof(LOCK_TAIL)];

	lock_path(endpoint, path, sizeof(path));
	while (!lock_holds(endpoint)) {
		if (endpoint->lock >= 0)
			close(endpoint->lock);
		endpoint->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (endpoint->lock < 0)
			return fail(endpoint, "cannot create %s: %s; " HINT, path, strerror(errno));
		if (flock(endpoint->lock, LOCK_EX | LOCK_NB) != 0) {
			const int error = errno;

			close(endpoint->lock);
			endpoint->lock = -1;
			if (error != EWOULDBLOCK)
				return fail(endpoint, "cannot lock %s: %s; " HINT, path, strerror(error));
			return fail(endpoint, "another readyd serves %s; stop it, or " HINT, endpoint->path);
		}
	}
	return 0;
}

/* Only a socket is ever replaced. */
static int check_name(struct endpoint *endpoint)
{
	struct stat st;

	if (lstat(endpoint->path, &st) != 0 || S_ISSOCK(st.st_mode))
		return 0;
	return fail(endpoint, "%s exists and is not a socket; remove it, or " HINT, endpoint->path);
}

/* Bound to a private name, listening, and only then renamed, so that a client that sees the public name is
 * accepted. A socket that a killed daemon has left is replaced without a gap. */
static int bind_listen_rename(struct endpoint *endpoint, int fd)
{
	char early[sizeof(endpoint->path) + sizeof(NEW_TAIL)];
	struct sockaddr_un addr;
	struct stat st;
	socklen_t len;

	snprintf(early, sizeof(early), "%s" NEW_TAIL, endpoint->path);
	len = sock_address(&addr, early);
	(void)unlink(early); /* the lock is held: only a dead daemon can have left it */
	(void)sock_refuse_fds(fd);
	if (bind(fd, (struct sockaddr *)&addr, len) != 0)
		return -1;
	if (chmod(early, endpoint->mode) != 0 || listen(fd, BACKLOG) != 0 || lstat(early, &st) != 0 ||
	    rename(early, endpoint->path) != 0) {
		(void)unlink(early);
		return -1;
	}
	endpoint->bound = true;
	endpoint->dev = st.st_dev;
	endpoint->ino = st.st_ino;
	return 0;
}

int endpoint_listen(struct endpoint *endpoint)
{
	int fd, error;

	if (take_lock(endpoint) != 0 || check_name(endpoint) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind_listen_rename(endpoint, fd) != 0) {
		error = errno;
		if (fd >= 0)
			close(fd);
		return fail(endpoint, "cannot listen at %s: %s; " HINT, endpoint->path, strerror(error));
	}
	if (endpoint->fd >= 0)
		close(endpoint->fd);
	endpoint->fd = fd;
	return 0;
}

bool endpoint_holds(const struct endpoint *endpoint)
{
	struct stat st;

	/* No link left: the kernel reports the removal just before it removes the name. */
	return lstat(endpoint->path, &st) == 0 && st.st_nlink > 0 && st.st_dev == endpoint->dev &&
	       st.st_ino == endpoint->ino;
}

void endpoint_fini(struct endpoint *endpoint)
{
	char path[sizeof(endpoint->path) + sizeof(LOCK_TAIL)];

	if (endpoint->bound && endpoint_holds(endpoint))
		(void)unlink(endpoint->path);
	if (lock_holds(endpoint)) {
		lock_path(endpoint, path, sizeof(path));
		(void)unlink(path); /* while the lock is held: see lock_holds() */
	}
	if (endpoint->fd >= 0)
		close(endpoint->fd);
	if (endpoint->lock >= 0)
		close(endpoint->lock);
}
