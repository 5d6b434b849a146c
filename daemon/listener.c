#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/discard.h"
#include "daemon/endpoint.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/xalloc.h"
#include "daemon/reserve.h"
#include "src/sock.h"

#define PAUSE_MS 100
#define AGAIN_S	 1
/* Connections taken in one round, so that the other events are served meanwhile. */
#define ACCEPT_ROUND 64

struct listener {
	struct endpoint endpoint;
	bool inherited;
	bool discarded; /* so that it is logged once */
	struct listener_hooks hooks;
	void *context;
	struct event_base *base;
	struct event *acceptable, *resume, *again;
	char last_logged[sizeof(((struct endpoint *)0)->why)]; /* so that a lasting state is logged once */
	struct listener_counts counts;
};

/* Most likely descriptors are used up. A listener left alone would be readable without end. */
static void pause_accepting(struct listener *listener, int error)
{
	struct timeval interval = {0, PAUSE_MS * 1000};

	if (listener->counts.pauses++ == 0)
		log_warning(
		    "cannot accept clients: %s; raise the descriptor limit (ulimit -n)", strerror(error));
	event_del(listener->acceptable);
	loop_add(listener->resume, &interval);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd;
	(void)what;
	loop_add(listener->acceptable, NULL);
}

/* The number that the next client would have tells whether there is room for it. */
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
	discard(listener->base, client);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_ROUND; i++) {
		int client;

		if (!has_room((int)fd)) {
			pause_accepting(listener, EMFILE);
			return;
		}
		client = accept4((int)fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0 && may_hold_descriptors(listener, client)) {
			discard_client(listener, client);
		} else if (client >= 0) {
			listener->hooks.accepted(client, listener->context);
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
	    event_new(listener->base, listener->endpoint.fd, EV_READ | EV_PERSIST, on_acceptable, listener);
	loop_add(listener->acceptable, NULL);
	if (listener->inherited)
		return;
	/* Watch, then look: the name may have been taken away before it was watched. */
	listener->hooks.rebound(listener->context);
	if (listener->endpoint.bound && !event_pending(listener->again, EV_TIMEOUT, NULL) &&
	    !endpoint_holds(&listener->endpoint))
		event_active(listener->again, EV_TIMEOUT, 0);
}

static void stop_accepting(struct listener *listener)
{
	event_del(listener->resume);
	event_free(listener->acceptable);
	listener->acceptable = NULL;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	listener_check(arg);
}

static void complain(struct listener *listener)
{
	const struct timeval interval = {AGAIN_S, 0};

	if (strcmp(listener->last_logged, listener->endpoint.why) != 0) {
		log_warning("lost the socket's name: %s; trying again", listener->endpoint.why);
		strcpy(listener->last_logged, listener->endpoint.why);
	}
	loop_add(listener->again, &interval);
}

void listener_check(struct listener *listener)
{
	if (listener->inherited || endpoint_holds(&listener->endpoint))
		return;
	stop_accepting(listener);
	if (endpoint_listen(&listener->endpoint) == 0) {
		listener->counts.rebinds++;
		listener->last_logged[0] = '\0';
		log_info("the socket's name was lost; serving %s again", listener->endpoint.path);
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

struct listener *listener_new(struct event_base *base, const struct listener_config *config,
    const struct listener_hooks *hooks, void *context)
{
	struct listener *listener = xalloc_new(sizeof(*listener));

	listener->hooks = *hooks;
	listener->context = context;
	listener->base = base;
	listener->inherited = config->inherited >= 0;
	listener->resume = evtimer_new(base, on_resume, listener);
	listener->again = evtimer_new(base, on_again, listener);
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
	event_free(listener->resume);
	event_free(listener->again);
	/* The exit closes it: connections that are to be discarded may be left in its queue. */
	if (listener->inherited)
		listener->endpoint.fd = -1;
	endpoint_fini(&listener->endpoint);
	xalloc_free(listener);
}

const struct listener_counts *listener_counts(const struct listener *listener)
{
	return &listener->counts;
}
