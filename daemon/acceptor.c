#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/acceptor.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/reserve.h"
#include "src/sock.h"

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

/* False: there is still no room. */
static bool serve_parked(struct acceptor *acceptor)
{
	int client = fcntl(acceptor->parked, F_DUPFD_CLOEXEC, 0);

	if (client < 0)
		return false;
	if (!reserve_allows(client)) {
		close(client);
		return false;
	}
	close(acceptor->parked);
	acceptor->parked = -1;
	acceptor->on_client(client, acceptor->context);
	return true;
}

static void on_resume(void *context)
{
	struct acceptor *acceptor = context;

	if (acceptor->parked < 0 || serve_parked(acceptor))
		loop_fd_start(acceptor->acceptable);
	else
		pause_accepting(acceptor, EMFILE);
}

static void on_acceptable(int fd, void *context)
{
	struct acceptor *acceptor = context;

	for (int i = 0; i < ACCEPT_ROUND; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0 && !reserve_allows(client)) {
			acceptor->parked = client;
			pause_accepting(acceptor, EMFILE);
			return;
		}
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
	*acceptor = (struct acceptor){.loop = loop, .on_client = on_client, .context = context, .parked = -1};
	acceptor->resume = loop_timer_new(loop, on_resume, acceptor);
}

/* At the end of the process, which does not wait for what may block to close. */
static void end_parked(int client)
{
	if (sock_refuses_fds(client))
		close(client);
	else
		(void)shutdown(client, SHUT_RDWR);
}

void acceptor_fini(struct acceptor *acceptor)
{
	acceptor_stop(acceptor);
	if (acceptor->parked >= 0)
		end_parked(acceptor->parked);
	acceptor->parked = -1;
	loop_timer_free(acceptor->resume);
	acceptor->resume = NULL;
}

void acceptor_start(struct acceptor *acceptor, int fd)
{
	acceptor->acceptable = loop_fd_new(acceptor->loop, fd, LOOP_READ, on_acceptable, acceptor);
	if (acceptor->parked < 0)
		loop_fd_start(acceptor->acceptable);
	else
		loop_timer_start(acceptor->resume, PAUSE_MS);
}

void acceptor_stop(struct acceptor *acceptor)
{
	if (acceptor->acceptable == NULL)
		return;
	loop_timer_stop(acceptor->resume);
	loop_fd_free(acceptor->acceptable);
	acceptor->acceptable = NULL;
}
