#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fleet/bridge.h"
#include "fleet/notify.h"
#include "fleet/say.h"
#include "src/clock.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1 };

/* How long the end waits for the broker to have "offline". */
#define FAREWELL_MS 3000
/* The same complaint is not repeated within this time. */
#define COMPLAINT_MS 60000
/* A server of a cluster that elects a leader refuses subscriptions for a moment. Where rules do, there is
 * only nothing to clear. */
#define REFUSALS 6

static void on_open(void *context)
{
	bridge_on_open(context, clock_ms());
	notify("STATUS=connected to the broker");
}

static void on_lost(const char *why, bool is_refused, void *context)
{
	struct bridge *bridge = context;
	int64_t now = clock_ms();

	(void)is_refused;
	notify("STATUS=not connected to the broker");
	if (bridge->last_complaint != 0 && now - bridge->last_complaint < COMPLAINT_MS)
		return;
	bridge->last_complaint = now;
	say("no connection to the broker %s:%u: %s; trying again", broker_address(bridge->broker)->host,
	    broker_address(bridge->broker)->port, why);
}

static void on_message(const char *topic, const char *payload, size_t length, bool retained, void *context)
{
	bridge_on_message(context, topic, payload, length, retained, clock_ms());
}

static void on_acknowledged(int mid, void *context)
{
	bridge_on_acknowledged(context, mid, clock_ms());
}

static void on_subscribed(int mid, bool is_granted, void *context)
{
	struct bridge *bridge = context;

	(void)mid;
	if (is_granted) {
		bridge->refusals = 0;
		return;
	}
	if (++bridge->refusals < REFUSALS)
		broker_lose(bridge->broker, "it refuses a subscription");
	else if (bridge->refusals == REFUSALS)
		say("the broker refuses a subscription: check its rules (ACL) for this user");
}

static const struct broker_events events = {on_open, on_lost, on_message, on_acknowledged, on_subscribed};

static void sooner(int *timeout, int64_t ms)
{
	if (ms >= 0 && (*timeout < 0 || ms < *timeout))
		*timeout = (int)ms;
}

/* All that follows from what is known now. Returns how long nothing else does. */
static int act(struct bridge *bridge, int64_t now)
{
	int timeout = bridge_set_state(bridge, now);
	int64_t due;

	/* Also with a daemon that was started again, since the will names its epoch. */
	if (bridge->was_live && bridge->will_epoch != bridge->epoch && !broker_is_connecting(bridge->broker))
		bridge_connect(bridge);
	sooner(&timeout, bridge_ask_unlisted(bridge, now));
	due = mirror_expire(&bridge->mirror, now);
	sooner(&timeout, bridge_publish(bridge, now));
	sooner(&timeout, bridge_sweep(bridge, now));
	sooner(&timeout, due >= 0 ? (due > now ? due - now : 0) : -1);
	return timeout;
}

static bool is_acknowledged(const struct bridge *bridge)
{
	return bridge->state_is_said && bridge->is_acknowledged;
}

/* A connection that was about to be replaced has left no will, so there must be another one. */
static bool has_said_farewell(const struct bridge *bridge, int64_t until)
{
	return (!broker_is_open(bridge->broker) && !broker_took_leave(bridge->broker)) ||
	       clock_ms() >= until || is_acknowledged(bridge);
}

static const char *why_not(int error)
{
	if (error == EXDEV)
		return "it sees another marker directory or other pids; run readyd-mqtt in its mount and pid "
		       "namespace (no PrivateTmp=, no DynamicUser=)";
	return strerror(error);
}

/* What a turn waits for: the signals, the monitor and, once there is something to tell it, the broker. */
static int turn(struct bridge *bridge, int signals)
{
	struct pollfd fds[3] = {{.fd = signals, .events = POLLIN},
	    {.fd = readyd_monitor_fd(bridge->monitor), .events = POLLIN}, {.fd = -1}};
	bool may_connect = bridge->was_live;
	int timeout = act(bridge, clock_ms());

	if (may_connect)
		sooner(&timeout, broker_prepare(bridge->broker, &fds[2], clock_ms()));
	if (bridge->is_ending)
		fds[0].fd = -1;
	if (poll(fds, 3, timeout) < 0 && errno != EINTR) {
		say("cannot wait: %s", strerror(errno));
		return -1;
	}
	if (fds[0].revents != 0)
		bridge->is_ending = true;
	if (bridge_follow(bridge, clock_ms()) != 0) {
		say("cannot follow readyd: %s", why_not(errno));
		return -1;
	}
	if (may_connect)
		broker_turn(bridge->broker, &fds[2], clock_ms());
	return 0;
}

static int run(struct bridge *bridge, int signals)
{
	int64_t until = 0;

	notify("READY=1\nSTATUS=waiting for readyd");
	while (!bridge->is_ending)
		if (turn(bridge, signals) != 0)
			return -1;
	notify("STOPPING=1");
	until = clock_ms() + FAREWELL_MS;
	broker_leave_will(bridge->broker);
	bridge->state_is_said = false;
	(void)act(bridge, clock_ms());
	while (!has_said_farewell(bridge, until))
		if (turn(bridge, signals) != 0)
			return -1;
	/* Otherwise the connection ends without a word, so the broker publishes the will. */
	if (is_acknowledged(bridge))
		broker_close(bridge->broker);
	return 0;
}

static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

static int start(struct bridge *bridge)
{
	char id[TOPIC_NODE_SIZE + 8];

	topic_of_status(bridge->status_topic, bridge->options->node);
	topic_of_processes(bridge->processes_topic, bridge->options->node);
	mirror_init(&bridge->mirror, bridge->options->keep_ms);
	/* One for the node: the broker ends the connection of a bridge that was cut off when it comes back.
	 */
	snprintf(id, sizeof(id), "readyd-%s", bridge->options->node);
	bridge->broker = broker_new(&bridge->options->broker, id, &events, bridge);
	bridge->monitor = readyd_monitor_new(&bridge->options->daemon, NULL);
	if (bridge->broker == NULL || bridge->monitor == NULL)
		return -1;
	/* It is the same from now on. */
	return readyd_monitor_fd(bridge->monitor) >= 0 ? 0 : -1;
}

int bridge_run(const struct bridge_options *options)
{
	struct bridge bridge = {.options = options, .is_lost = true, .heartbeat_at = -1, .deaf_at = -1};
	int signals = catch_signals(), result;

	result = signals >= 0 ? start(&bridge) : -1;
	if (result != 0)
		say("cannot start: %s", strerror(errno));
	else
		result = run(&bridge, signals);
	broker_free(bridge.broker);
	readyd_monitor_free(bridge.monitor);
	mirror_fini(&bridge.mirror);
	if (signals >= 0)
		close(signals);
	return result == 0 ? EXIT_OK : EXIT_FAILED;
}
