#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/endpoint.h"
#include "daemon/probe.h"
#include "daemon/socket_dir.h"
#include "src/sock.h"

#define BACKLOG	       4096
#define NEW_TAIL       ".new"
#define HINT	       "choose another place with --socket"
#define PROBE_START_MS 1000
#define PROBE_AGAIN_MS 20

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
	const size_t most = path[0] == '@' ? ENDPOINT_NAME_MAX : ENDPOINT_PATH_MAX;

	*endpoint = (struct endpoint){.fd = -1, .lock.fd = -1, .mode = mode};
	if (strlen(path) > most)
		return fail(endpoint, "the socket path %s is too long: at most %zu bytes; " HINT, path, most);
	strcpy(endpoint->path, path);
	namelock_init(&endpoint->lock, path);
	return 0;
}

static int fail_as_another_serves(struct endpoint *endpoint)
{
	return fail(endpoint, "another readyd serves %s; stop it, or " HINT, endpoint->path);
}

static int take_lock(struct endpoint *endpoint)
{
	switch (namelock_take(&endpoint->lock)) {
	case NAMELOCK_HELD:
		return 0;
	case NAMELOCK_BUSY:
		return fail_as_another_serves(endpoint);
	case NAMELOCK_FOREIGN:
		return fail(endpoint, "%s is not a file of this daemon's user; " HINT, endpoint->lock.path);
	case NAMELOCK_NO_FILE:
		return fail(endpoint, "cannot create %s: %s; " HINT, endpoint->lock.path, strerror(errno));
	case NAMELOCK_NOT_LOCKED:
		return fail(endpoint, "cannot lock %s: %s; " HINT, endpoint->lock.path, strerror(errno));
	}
	return -1;
}

static bool holds_name(const struct endpoint *endpoint)
{
	struct stat st;

	/* No link left: the kernel reports the removal just before it removes the name. */
	return endpoint->bound && lstat(endpoint->path, &st) == 0 && st.st_nlink > 0 &&
	       st.st_dev == endpoint->dev && st.st_ino == endpoint->ino;
}

bool endpoint_holds(const struct endpoint *endpoint)
{
	if (endpoint_is_abstract(endpoint))
		return endpoint->fd >= 0;
	return holds_name(endpoint) && namelock_holds(&endpoint->lock);
}

/* A cleaner may have removed the lock file of a daemon that serves the socket. */
static int check_not_served(struct endpoint *endpoint)
{
	switch (probe_socket(endpoint->path, endpoint->bound ? PROBE_AGAIN_MS : PROBE_START_MS)) {
	case PROBE_DEAD:
	case PROBE_SILENT:
		return 0;
	case PROBE_ANSWERED:
		return fail_as_another_serves(endpoint);
	case PROBE_UNKNOWN:
		return fail(endpoint, "cannot determine whether %s is served: %s; " HINT, endpoint->path,
		    strerror(errno));
	}
	return -1;
}

/* Only a socket is ever replaced. */
static int check_name(struct endpoint *endpoint, bool *is_free)
{
	struct stat st;

	*is_free = lstat(endpoint->path, &st) != 0;
	if (*is_free)
		return 0;
	if (S_ISSOCK(st.st_mode))
		return check_not_served(endpoint);
	return fail(endpoint, "%s exists and is not a socket; " HINT, endpoint->path);
}

/* The mode comes with the name: chmod(2) would follow a link that has taken its place. */
static int bind_with_mode(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un addr;
	const socklen_t len = sock_address(&addr, path);
	const mode_t old = umask(~mode & 0777);
	const int result = bind(fd, (struct sockaddr *)&addr, len);

	(void)umask(old);
	return result;
}

/* A directory with the set-group-ID bit gives its own group to what is created in it. */
static bool has_group(const struct endpoint *endpoint, const struct stat *st)
{
	return endpoint->group == NULL || st->st_gid == *endpoint->group;
}

#define WRONG_GROUP 0

static int give_up(const char *name, int error)
{
	(void)unlink(name);
	errno = error;
	return -1;
}

/* At the name itself, or at a temporary one that becomes the name. -1: errno, or WRONG_GROUP. */
static int bind_and_listen(struct endpoint *endpoint, int fd, const char *at)
{
	struct stat st;

	(void)sock_refuse_fds(fd);
	if (bind_with_mode(fd, at, endpoint->mode) != 0)
		return -1;
	if (lstat(at, &st) != 0 || listen(fd, BACKLOG) != 0)
		return give_up(at, errno);
	if (!has_group(endpoint, &st))
		return give_up(at, WRONG_GROUP);
	if (at != endpoint->path && rename(at, endpoint->path) != 0)
		return give_up(at, errno);
	endpoint->bound = true;
	endpoint->dev = st.st_dev;
	endpoint->ino = st.st_ino;
	return 0;
}

static int replace(struct endpoint *endpoint, int fd)
{
	char early[sizeof(endpoint->path) + sizeof(NEW_TAIL)];

	snprintf(early, sizeof(early), "%s" NEW_TAIL, endpoint->path);
	(void)unlink(early); /* the lock is held: only a dead daemon can have left it */
	return bind_and_listen(endpoint, fd, early);
}

/* Closes the socket unless it listens now, with errno. */
static int open_listener(struct endpoint *endpoint, int (*start)(struct endpoint *endpoint, int fd))
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0 || start(endpoint, fd) != 0) {
		error = errno;
		if (fd >= 0)
			close(fd);
		errno = error;
		return -1;
	}
	if (endpoint->fd >= 0)
		close(endpoint->fd);
	endpoint->fd = fd;
	return 0;
}

static int create(struct endpoint *endpoint, int fd)
{
	return bind_and_listen(endpoint, fd, endpoint->path);
}

static int take_abstract(struct endpoint *endpoint, int fd)
{
	(void)sock_refuse_fds(fd);
	return bind_with_mode(fd, endpoint->path, endpoint->mode) != 0 ? -1 : listen(fd, BACKLOG);
}

static int listen_abstract(struct endpoint *endpoint)
{
	if (endpoint->fd >= 0 || open_listener(endpoint, take_abstract) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return fail(endpoint, "another process serves %s; stop it, or " HINT, endpoint->path);
	return fail(endpoint, "cannot listen at %s: %s; " HINT, endpoint->path, strerror(errno));
}

int endpoint_listen(struct endpoint *endpoint)
{
	bool is_free;

	if (endpoint_is_abstract(endpoint))
		return listen_abstract(endpoint);
	if (socket_dir_check(endpoint->path, endpoint->why, sizeof(endpoint->why)) != 0 ||
	    take_lock(endpoint) != 0)
		return -1;
	if (holds_name(endpoint))
		return 0;
	if (check_name(endpoint, &is_free) != 0)
		return -1;
	if (open_listener(endpoint, is_free ? create : replace) == 0)
		return 0;
	return fail(endpoint, "cannot listen at %s: %s; " HINT, endpoint->path,
	    errno != WRONG_GROUP ? strerror(errno) : "the directory gives its own group to a socket");
}

void endpoint_fini(struct endpoint *endpoint)
{
	if (holds_name(endpoint))
		(void)unlink(endpoint->path);
	namelock_fini(&endpoint->lock);
	/* Else the exit closes it, which does not wait for the descriptors that clients may have sent in its
	 * queue. */
	if (endpoint->fd >= 0 && sock_refuses_fds(endpoint->fd))
		close(endpoint->fd);
}
