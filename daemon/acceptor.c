#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/acceptor.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/reserve.h"

#define PAUSE_MS 100
/* Connections accepted in one batch, so that other events are served in between. One takes as long as several
 * requests, and its user is known only then. */
#define ACCEPT_ROUND 4

/* Most likely descriptors have run out. Accepting is paused: the socket would stay readable and spin. */
static void pause_accepting(struct acceptor *acceptor, int error)
{
	if (acceptor->pauses++ == 0)
		log_warning(
		    "cannot accept clients: %s; raise the descriptor limit (ulimit -n)", strerror(error));
	loop_fd_stop(acceptor->acceptable);
	loop_timer_start(acceptor->resume, PAUSE_MS);
}

static void on_resume(void *context)
{
	struct acceptor *acceptor = context;

	loop_fd_start(acceptor->acceptable);
}

/* There is room for another client if the descriptor that it would get is low enough. */
static bool has_room(int fd)
{
	/* The lowest free number may be the one that --ready-fd has left between those in use. */
	int lowest = dup(fd), next = dup(fd);
	bool room = next >= 0 && reserve_allows(next);

	if (next >= 0)
		close(next);
	if (lowest >= 0)
		close(lowest);
	return room;
}

static void on_acceptable(int fd, void *context)
{
	struct acceptor *acceptor = context;

	for (int i = 0; i < ACCEPT_ROUND; i++) {
		int client;

		if (!has_room(fd)) {
			pause_accepting(acceptor, EMFILE);
			return;
		}
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0) {
			acceptor->on_client(client, acceptor->context);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			pause_accepting(acceptor, errno);
			return;
		}
	}
}

void acceptor_init(
    struct acceptor *acceptor, struct loop *loop, void (*on_client)(int client, void *context), void *context)
{
	*acceptor = (struct acceptor){.loop = loop, .on_client = on_client, .context = context};
	acceptor->resume = loop_timer_new(loop, on_resume, acceptor);
}

void acceptor_fini(struct acceptor *acceptor)
{
	acceptor_stop(acceptor);
	loop_timer_free(acceptor->resume);
	acceptor->resume = NULL;
}

void acceptor_start(struct acceptor *acceptor, int fd)
{
	acceptor->acceptable = loop_fd_new(acceptor->loop, fd, LOOP_READ, on_acceptable, acceptor);
	loop_fd_start(acceptor->acceptable);
}

void acceptor_stop(struct acceptor *acceptor)
{
	if (acceptor->acceptable == NULL)
		return;
	loop_timer_stop(acceptor->resume);
	loop_fd_free(acceptor->acceptable);
	acceptor->acceptable = NULL;
}
