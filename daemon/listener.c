#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/discard.h"
#include "daemon/endpoint.h"
#include "daemon/namewatch.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/reserve.h"
#include "src/sock.h"

#define PAUSE_MS 100
/* The name is lost, and cannot be bound yet: each delay is twice the last one. */
#define LOST_LEAST_MS 10
#define LOST_MOST_MS  1000
/* The name cannot be watched, so it is checked now and then. */
#define UNWATCHED_LEAST_MS 1000
#define UNWATCHED_MOST_MS  2000
/* Connections accepted in one batch, so that other events are served in between. One takes as long as several
 * requests, and its user is known only then. */
#define ACCEPT_ROUND 4

struct listener {
	struct endpoint endpoint;
	struct namewatch name;
	bool inherited;
	bool discarded; /* to log it only once */
	void (*on_accepted)(int fd, void *context);
	void *context;
	struct loop *loop;
	struct loop_fd *acceptable;
	struct loop_timer *resume, *again;
	int parked; /* a client that was accepted in the reserve: it is served once there is room; -1: none */
	int64_t delay; /* of `again`, the last one; 0: it does not run */
	bool lost;     /* so that `again` runs because of that */
	char last_logged[sizeof(((struct endpoint *)0)->why)]; /* to log a lasting state only once */
	struct listener_counts counts;
};

/* Most likely descriptors have run out. The listener is paused: it would stay readable and spin. */
static void pause_accepting(struct listener *listener, int error)
{
	if (listener->counts.pauses++ == 0)
		log_warning(
		    "cannot accept clients: %s; raise the descriptor limit (ulimit -n)", strerror(error));
	loop_fd_stop(listener->acceptable);
	loop_timer_start(listener->resume, PAUSE_MS);
}

/* False: there is still no room. */
static bool serve_parked(struct listener *listener)
{
	int client = fcntl(listener->parked, F_DUPFD_CLOEXEC, 0);

	if (client < 0)
		return false;
	if (!reserve_allows(client)) {
		close(client);
		return false;
	}
	close(listener->parked);
	listener->parked = -1;
	listener->on_accepted(client, listener->context);
	return true;
}

static void on_resume(void *context)
{
	struct listener *listener = context;

	if (listener->parked < 0 || serve_parked(listener))
		loop_fd_start(listener->acceptable);
	else
		pause_accepting(listener, EMFILE);
}

/* A connection to an inherited listener that was made before descriptors were refused. */
static bool may_hold_descriptors(const struct listener *listener, int client)
{
	return listener->inherited && sock_refuse_fds(client);
}

static void discard_client(struct listener *listener, int client)
{
	if (!listener->discarded)
		log_info("closing connections made before the start: descriptors may have been sent on them; "
			 "with systemd, set AcceptFileDescriptors=no");
	listener->discarded = true;
	discard(listener->loop, client);
}

static void on_acceptable(int fd, void *context)
{
	struct listener *listener = context;

	for (int i = 0; i < ACCEPT_ROUND; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client >= 0 && may_hold_descriptors(listener, client)) {
			discard_client(listener, client);
		} else if (client >= 0 && !reserve_allows(client)) {
			listener->parked = client;
			pause_accepting(listener, EMFILE);
			return;
		} else if (client >= 0) {
			listener->on_accepted(client, listener->context);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			pause_accepting(listener, errno);
			return;
		}
	}
}

static void start_accepting(struct listener *listener)
{
	listener->acceptable =
	    loop_fd_new(listener->loop, listener->endpoint.fd, LOOP_READ, on_acceptable, listener);
	if (listener->parked < 0)
		loop_fd_start(listener->acceptable);
	else
		loop_timer_start(listener->resume, PAUSE_MS);
}

static void stop_accepting(struct listener *listener)
{
	loop_timer_stop(listener->resume);
	loop_fd_free(listener->acceptable);
	listener->acceptable = NULL;
}

/* The name may be lost. */
static void on_again(void *context)
{
	listener_check(context);
}

static void complain(struct listener *listener)
{
	if (strcmp(listener->last_logged, listener->endpoint.why) == 0)
		return;
	log_warning("cannot bind the socket again: %s; will retry", listener->endpoint.why);
	strcpy(listener->last_logged, listener->endpoint.why);
}

static void report_success(struct listener *listener, const char *what)
{
	listener->last_logged[0] = '\0';
	log_info("%s; serving %s again", what, listener->endpoint.path);
}

/* A second descriptor of the socket, if clients may have sent descriptors in its queue: its last close closes
 * these, which can block. -1: not needed, or none is left. */
static int keep_if_it_blocks(int fd)
{
	return sock_refuses_fds(fd) ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* If only the lock was lost, the socket stays, with the clients in its backlog. */
static bool retake(struct listener *listener)
{
	const int before = listener->endpoint.fd, kept = keep_if_it_blocks(before);
	bool held;

	stop_accepting(listener);
	held = endpoint_listen(&listener->endpoint) == 0;
	start_accepting(listener);
	if (!held)
		complain(listener);
	else if (listener->endpoint.fd == before)
		report_success(listener, "the lock was lost");
	else
		report_success(listener, "the socket was removed");
	if (listener->endpoint.fd != before) {
		listener->counts.rebinds++;
		if (kept >= 0)
			discard(listener->loop, kept);
	} else if (kept >= 0) {
		close(kept);
	}
	return held;
}

/* A daemon that cannot be reached has no clients, so nothing but this timer wakes it. While the name is held
 * and watched, there is no timer. */
static void schedule(struct listener *listener, bool holds)
{
	const int64_t least = holds ? UNWATCHED_LEAST_MS : LOST_LEAST_MS;
	const int64_t most = holds ? UNWATCHED_MOST_MS : LOST_MOST_MS;

	if (holds && listener->name.works) {
		loop_timer_stop(listener->again);
		listener->delay = 0;
		return;
	}
	listener->delay = listener->lost == !holds ? 2 * listener->delay : 0;
	listener->lost = !holds;
	if (listener->delay < least)
		listener->delay = least;
	if (listener->delay > most)
		listener->delay = most;
	loop_timer_start(listener->again, listener->delay);
}

void listener_check(struct listener *listener)
{
	struct endpoint *endpoint = &listener->endpoint;
	bool holds;

	if (listener->inherited || endpoint_is_abstract(endpoint))
		return;
	holds = endpoint_holds(endpoint);
	if (!holds) {
		holds = retake(listener);
		listener->name.works = false;
	} else if (listener->last_logged[0] != '\0') {
		report_success(listener, "the socket's name has come back");
	}
	/* Watch, then check: the name may be removed before it is watched. */
	if (holds && !listener->name.works) {
		(void)namewatch_set(&listener->name, endpoint->path, endpoint->lock.path);
		holds = endpoint_holds(endpoint);
	}
	schedule(listener, holds);
}

static int open_endpoint(struct listener *listener, const struct listener_config *config)
{
	if (endpoint_init(&listener->endpoint, config->path, config->mode) == 0) {
		listener->endpoint.group = config->group;
		listener->endpoint.fd = config->inherited;
		if (listener->inherited || endpoint_listen(&listener->endpoint) == 0)
			return 0;
	}
	log_error("%s", listener->endpoint.why);
	return -1;
}

struct listener *listener_new(struct loop *loop, const struct listener_config *config,
    void (*on_accepted)(int fd, void *context), void *context)
{
	struct listener *listener = xalloc_new(sizeof(*listener));

	listener->parked = -1;
	listener->on_accepted = on_accepted;
	listener->context = context;
	listener->loop = loop;
	listener->inherited = config->inherited >= 0;
	listener->resume = loop_timer_new(loop, on_resume, listener);
	listener->again = loop_timer_new(loop, on_again, listener);
	namewatch_init(&listener->name, loop, on_again, listener);
	if (open_endpoint(listener, config) != 0) {
		listener_free(listener);
		return NULL;
	}
	start_accepting(listener);
	listener_check(listener);
	return listener;
}

/* At the end of the process, which does not wait for what may block to close. */
static void end_parked(int client)
{
	if (sock_refuses_fds(client))
		close(client);
	else
		(void)shutdown(client, SHUT_RDWR);
}

void listener_free(struct listener *listener)
{
	if (listener->acceptable != NULL)
		stop_accepting(listener);
	loop_timer_free(listener->resume);
	loop_timer_free(listener->again);
	namewatch_fini(&listener->name);
	if (listener->parked >= 0)
		end_parked(listener->parked);
	/* Closed by the exit: connections to be discarded may still be in its queue. */
	if (listener->inherited)
		listener->endpoint.fd = -1;
	endpoint_fini(&listener->endpoint);
	xalloc_free(listener);
}

const struct listener_counts *listener_counts(const struct listener *listener)
{
	return &listener->counts;
}
