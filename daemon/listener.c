#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/memory.h"
#include "src/sock.h"

#define BACKLOG	 4096
#define PAUSE_MS 100
/* Connections taken in one round, so that the other events are served meanwhile. */
#define ACCEPT_ROUND 64

struct listener {
	int fd, lock;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	bool bound; /* the name is ours to remove */
	struct listener_hooks hooks;
	void *context;
	struct event *acceptable, *resume;
	uint64_t pauses;
};

static void lock_path(const struct listener *listener, char *buf, size_t size)
{
	snprintf(buf, size, "%s.lock", listener->path);
}

/*
 * One daemon a socket. The lock is held as long as the process lives; that the locked file still is the
 * one with the name shows that no other daemon has removed it in between and locked a file of its own.
 */
static int take_lock(struct listener *listener)
{
	char path[sizeof(listener->path) + sizeof(".lock")];
	struct stat held, named;

	lock_path(listener, path, sizeof(path));
	for (;;) {
		listener->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (listener->lock < 0) {
			log_error("cannot create %s: %s; choose another place with --socket", path,
			    strerror(errno));
			return -1;
		}
		if (flock(listener->lock, LOCK_EX | LOCK_NB) != 0) {
			log_error("another readyd serves %s; stop it, or choose another place with --socket",
			    listener->path);
			return -1;
		}
		if (fstat(listener->lock, &held) == 0 && stat(path, &named) == 0 &&
		    held.st_ino == named.st_ino && held.st_dev == named.st_dev)
			return 0;
		close(listener->lock);
	}
}

/* Nothing but a socket is ever replaced. */
static int check_name(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0 || S_ISSOCK(st.st_mode))
		return 0;
	log_error("%s exists and is no socket; remove it, or choose another place with --socket", path);
	return -1;
}

/* Bound to a name that nobody looks for, listening, and only then renamed: whoever sees the name is
 * accepted. A socket that a killed daemon has left is replaced without a gap. */
static int bind_listen_rename(struct listener *listener, mode_t mode)
{
	char early[sizeof(listener->path) + 8];
	struct sockaddr_un addr;
	socklen_t len;

	snprintf(early, sizeof(early), "%s.new", listener->path);
	len = sock_address(&addr, early);
	if (len == 0) {
		log_error("the socket path %s is too long: at most %zu bytes", listener->path,
		    sizeof(addr.sun_path) - sizeof(".new"));
		return -1;
	}
	(void)unlink(early); /* under the lock nobody but a dead daemon can have left it */
	if (bind(listener->fd, (struct sockaddr *)&addr, len) == 0) {
		if (chmod(early, mode) == 0 && listen(listener->fd, BACKLOG) == 0 &&
		    rename(early, listener->path) == 0) {
			listener->bound = true;
			return 0;
		}
		(void)unlink(early);
	}
	log_error(
	    "cannot listen at %s: %s; choose another place with --socket", listener->path, strerror(errno));
	return -1;
}

static int make_socket(struct listener *listener, const struct listener_config *config)
{
	if (strlen(config->path) >= sizeof(listener->path)) {
		log_error("the socket path %s is too long: at most %zu bytes", config->path,
		    sizeof(listener->path) - sizeof(".new"));
		return -1;
	}
	strcpy(listener->path, config->path);
	if (take_lock(listener) != 0 || check_name(listener->path) != 0)
		return -1;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0) {
		log_error("cannot make a socket: %s", strerror(errno));
		return -1;
	}
	return bind_listen_rename(listener, config->mode);
}

/* Descriptors are used up: a listener left alone would be readable without end. */
static void pause_accepting(struct listener *listener, int error)
{
	struct timeval interval = {0, PAUSE_MS * 1000};

	if (listener->pauses++ == 0)
		log_warning(
		    "cannot accept clients: %s; raise the descriptor limit (ulimit -n)", strerror(error));
	event_del(listener->acceptable);
	event_add(listener->resume, &interval);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	event_add(listener->acceptable, NULL);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_ROUND; i++) {
		int client = accept4((int)fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0) {
			listener->hooks.accepted(listener->context, client);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(listener, errno);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

struct listener *listener_new(struct event_base *base, const struct listener_config *config,
    const struct listener_hooks *hooks, void *context)
{
	struct listener *listener = memory_alloc(sizeof(*listener));

	listener->hooks = *hooks;
	listener->context = context;
	listener->fd = config->inherited;
	listener->lock = -1;
	if (listener->fd < 0 && make_socket(listener, config) != 0) {
		listener_free(listener);
		return NULL;
	}
	listener->acceptable = event_new(base, listener->fd, EV_READ | EV_PERSIST, on_acceptable, listener);
	listener->resume = evtimer_new(base, on_resume, listener);
	event_add(listener->acceptable, NULL);
	return listener;
}

void listener_free(struct listener *listener)
{
	char path[sizeof(listener->path) + sizeof(".lock")];

	if (listener->acceptable != NULL) {
		event_free(listener->acceptable);
		event_free(listener->resume);
	}
	if (listener->bound) {
		(void)unlink(listener->path);
		lock_path(listener, path, sizeof(path));
		(void)unlink(path); /* while it is locked: see take_lock() */
	}
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->lock >= 0)
		close(listener->lock);
	memory_free(listener);
}

uint64_t listener_pauses(const struct listener *listener)
{
	return listener->pauses;
}
