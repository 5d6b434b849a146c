#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/scout.h"
#include "daemon/scout_starter.h"
#include "src/clock.h"
#include "src/sock.h"

/* How long the spawner may take to start one. It never sleeps in a file system, so no user can delay it. */
#define SPAWN_MS 200

void scout_starter_fini(struct scout_starter *starter)
{
	if (starter->fd < 0)
		return;
	loop_fd_free(starter->event);
	starter->event = NULL;
	close(starter->fd);
	starter->fd = -1;
	/* It has no look of its own to be stuck in. */
	(void)kill(starter->pid, SIGKILL);
	(void)waitpid(starter->pid, NULL, 0);
}

static void lose_spawner(struct scout_starter *starter)
{
	log_warning("the process that starts scouts has ended; processes with another root are unreachable "
		    "until readyd is restarted");
	scout_starter_fini(starter);
}

/* Milliseconds until the deadline, for poll(2). */
static int left_until(int64_t deadline)
{
	int64_t left = deadline - clock_ms();

	return left < 0 ? 0 : (int)left;
}

bool scout_await(int fd, int64_t deadline)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&poll_fd, 1, left_until(deadline));
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* The spawner's reply, if there is one; it may be that no scout could be started. */
static void take_scout(struct scout_starter *starter)
{
	struct spawner_reply reply;
	int fd;
	ssize_t n = sock_recv_fd(starter->fd, &reply, sizeof(reply), &fd);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		lose_spawner(starter);
	if (n != (ssize_t)sizeof(reply))
		return;
	starter->starting = false;
	if (reply.scout > 0 && fd >= 0) {
		starter->complained = false;
		starter->started(fd, reply.scout, starter->context);
		return;
	}
	if (!starter->complained)
		log_warning("cannot start a scout: %s", strerror(fd == SOCK_FD_LOST ? EMFILE : reply.error));
	starter->complained = true;
}

/* One that comes late, or the end of the spawner. */
static void on_spawner(int fd, void *context)
{
	(void)fd;
	take_scout(context);
}

void scout_starter_init(struct scout_starter *starter, struct loop *loop, int fd, pid_t pid,
    void (*started)(int fd, pid_t pid, void *context), void *context)
{
	*starter = (struct scout_starter){.fd = fd, .pid = pid, .started = started, .context = context};
	if (fd < 0)
		return;
	starter->event = loop_fd_new(loop, fd, LOOP_READ, on_spawner, starter);
	loop_fd_start(starter->event);
}

void scout_starter_start(struct scout_starter *starter)
{
	const struct spawner_order order = {0};

	if (starter->fd < 0 || starter->starting ||
	    sock_send(starter->fd, &order, sizeof(order)) != (ssize_t)sizeof(order))
		return;
	starter->starting = true;
	if (scout_await(starter->fd, clock_ms() + SPAWN_MS))
		take_scout(starter);
}

void scout_starter_kill(struct scout_starter *starter, pid_t scout)
{
	const struct spawner_order order = {.kill = scout};

	(void)sock_send(starter->fd, &order, sizeof(order));
}
