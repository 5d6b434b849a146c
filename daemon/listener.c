#include "config.h"

#include <errno.h>
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
#define AGAIN_MS 1000
/* Connections accepted in one batch, so that other events are served in between. */
#define ACCEPT_ROUND 64

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

static void on_resume(void *context)
{
	struct listener *listener = context;

	loop_fd_start(listener->acceptable);
}

/* There is room for another client if the descriptor that it would get is low enough. */
static bool has_room(int fd)
{
	int next = dup(fd);
	bool room = next >= 0 && reserve_allows(next);

	if (next >= 0)
		close(next);
	return room;
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
		int client;

		if (!has_room(fd)) {
			pause_accepting(listener, EMFILE);
			return;
		}
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0 && may_hold_descriptors(listener, client)) {
			discard_client(listener, client);
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

/* Without a watch the name is checked each second. */
static void watch_name(struct listener *listener)
{
	if (!namewatch_set(&listener->name, listener->endpoint.path) && !loop_timer_runs(listener->again))
		loop_timer_start(listener->again, AGAIN_MS);
}

static void start_accepting(struct listener *listener)
{
	listener->acceptable =
	    loop_fd_new(listener->loop, listener->endpoint.fd, LOOP_READ, on_acceptable, listener);
	loop_fd_start(listener->acceptable);
	if (listener->inherited)
		return;
	watch_name(listener);
	/* Watch, then check: the name may have been removed before the watch was set. */
	if (listener->endpoint.bound && !endpoint_holds(&listener->endpoint) &&
	    !loop_timer_runs(listener->again))
		loop_soon(listener->again);
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
	if (strcmp(listener->last_logged, listener->endpoint.why) != 0) {
		log_warning("cannot bind the socket again: %s; will retry", listener->endpoint.why);
		strcpy(listener->last_logged, listener->endpoint.why);
	}
	loop_timer_start(listener->again, AGAIN_MS);
}

void listener_check(struct listener *listener)
{
	if (listener->inherited)
		return;
	if (endpoint_holds(&listener->endpoint)) {
		if (listener->name.wd < 0)
			watch_name(listener);
		return;
	}
	stop_accepting(listener);
	if (endpoint_listen(&listener->endpoint) == 0) {
		listener->counts.rebinds++;
		listener->last_logged[0] = '\0';
		log_info("the socket was removed; serving %s again", listener->endpoint.path);
	} else {
		complain(listener);
	}
	start_accepting(listener);
}

static int open_endpoint(struct listener *listener, const struct listener_config *config)
{
	if (endpoint_init(&listener->endpoint, config->path, config->mode) == 0) {
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
	return listener;
}

void listener_free(struct listener *listener)
{
	if (listener->acceptable != NULL)
		stop_accepting(listener);
	loop_timer_free(listener->resume);
	loop_timer_free(listener->again);
	namewatch_fini(&listener->name);
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
