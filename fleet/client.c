#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fleet/client.h"
#include "fleet/say.h"
#include "src/clock.h"

#define SETTLED_MS 300
/* In a row, before the rules are named as the cause: a server of a cluster that is electing a leader refuses
 * subscriptions, too. */
#define REFUSALS 3
/* Packets that are handled before anything is decided: a broker that has much to say is read in pieces. */
#define BATCH 256

static void on_open(void *context)
{
	struct client *c = context;
	int mid;

	if (c->was_told)
		say("connected to the broker %s:%u", broker_address(c->broker)->host,
		    broker_address(c->broker)->port);
	c->was_told = false;
	c->why[0] = '\0';
	c->granted = 0;
	c->has_refused = false;
	view_renew(&c->view);
	for (size_t i = 0; i < c->topic_count; i++)
		(void)broker_subscribe(c->broker, c->topics[i], &mid);
}

static void on_lost(const char *why, bool is_refused, void *context)
{
	struct client *c = context;

	view_renew(&c->view);
	c->granted = 0;
	snprintf(c->why, sizeof(c->why), "%s", why);
	c->is_refused = is_refused;
	if (is_refused)
		say("the broker %s:%u cannot be used: %s", broker_address(c->broker)->host,
		    broker_address(c->broker)->port, why);
	else if (!c->was_told)
		say("no connection to the broker %s:%u: %s; trying again", broker_address(c->broker)->host,
		    broker_address(c->broker)->port, why);
	c->was_told = true;
}

static void refuse(const char *topic, const char *why)
{
	say("a message is ignored: %s: %s", topic, why);
}

static void take_status(struct client *c, const struct topic *topic, const char *text, const char *payload,
    size_t length, bool retained)
{
	struct view_moment moment = {
	    .ms = clock_ms(), .real_ms = clock_now_ns(CLOCK_REALTIME) / 1000000, .retained = retained};
	struct payload_status status;
	const char *why;

	if (length == 0) {
		view_clear_status(&c->view, topic->node);
		return;
	}
	why = payload_read_status(payload, length, &status);
	if (why != NULL)
		refuse(text, why);
	else if (view_put_status(&c->view, topic->node, &status, &moment) == VIEW_CHANGED &&
		 c->on_status != NULL)
		c->on_status(view_find(&c->view, topic->node), c->context);
}

static void take_process(
    struct client *c, const struct topic *topic, const char *text, const char *payload, size_t length)
{
	struct payload_process state;
	struct view_process *process;
	enum view_change change;
	const char *why = NULL;

	if (length == 0)
		change = view_clear_process(&c->view, topic->node, topic->pid, topic->start);
	else if ((why = payload_read_process(payload, length, &state)) != NULL)
		change = VIEW_SAME;
	else
		change = view_put_process(&c->view, topic->node, topic->pid, topic->start, &state, &process);
	if (why != NULL || change == VIEW_FULL)
		refuse(text, why != NULL ? why : "there are too many topics");
	else if (change == VIEW_CHANGED && c->on_process != NULL)
		c->on_process(topic->node, topic->pid, topic->start, length > 0 ? &state : NULL, c->context);
}

static void on_message(const char *text, const char *payload, size_t length, bool retained, void *context)
{
	struct client *c = context;
	struct topic topic;

	if (retained)
		c->quiet_since = clock_ms();
	if (topic_parse(text, &topic) != 0)
		refuse(text, "not a topic of a node");
	else if (topic.kind == TOPIC_STATUS)
		take_status(c, &topic, text, payload, length, retained);
	else
		take_process(c, &topic, text, payload, length);
}

static void on_subscribed(int mid, bool is_granted, void *context)
{
	struct client *c = context;

	(void)mid;
	c->quiet_since = clock_ms();
	c->granted++;
	if (is_granted && !c->has_refused && c->granted == c->topic_count)
		c->refusals = 0;
	if (is_granted || c->has_refused)
		return;
	c->has_refused = true;
	broker_lose(c->broker, "it refuses a subscription");
	if (++c->refusals == REFUSALS)
		say("the broker refuses a subscription: check its rules (ACL) for this user");
}

static const struct broker_events events = {on_open, on_lost, on_message, NULL, on_subscribed};

static int catch_signals(void)
{
	struct sigaction before;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* As nohup(1) leaves it. */
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaddset(&set, SIGHUP);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

int client_open(struct client *client, const struct line *line, char (*topics)[TOPIC_SIZE], size_t count)
{
	uint64_t number;
	char id[64];

	client->line = line;
	client->topics = topics;
	client->topic_count = count;
	client->quiet_since = clock_ms();
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number = (uint64_t)clock_now_ns(CLOCK_REALTIME);
	snprintf(id, sizeof(id), "readyctl-%" PRIx64 "-%lx", number, (long)getpid());
	client->signals = catch_signals();
	client->broker = broker_new(&line->broker, id, &events, client);
	return client->signals >= 0 && client->broker != NULL ? 0 : -1;
}

static enum client_outcome take_signal(struct client *c)
{
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return CLIENT_GOES_ON;
	c->caught = (int)info.ssi_signo;
	return CLIENT_INTERRUPTED;
}

static int poll_once(struct client *c, int64_t timeout_ms)
{
	struct pollfd fds[2] = {{.fd = c->signals, .events = POLLIN}};
	int timeout = broker_prepare(c->broker, &fds[1], clock_ms()), count;

	if (timeout_ms >= 0 && (timeout < 0 || timeout_ms < timeout))
		timeout = (int)timeout_ms;
	count = poll(fds, 2, timeout);
	if (count < 0 && errno != EINTR)
		return -1;
	broker_turn(c->broker, &fds[1], clock_ms());
	return count > 0 && fds[1].revents != 0;
}

enum client_outcome client_turn(struct client *client, int64_t timeout_ms)
{
	int more = poll_once(client, timeout_ms);

	for (int i = 0; i < BATCH && more > 0 && !client->is_refused; i++)
		more = poll_once(client, 0);
	if (more < 0)
		say("cannot wait: %s", strerror(errno));
	if (more < 0 || client->is_refused)
		return CLIENT_FAILED;
	return take_signal(client);
}

bool client_is_settled(const struct client *client)
{
	return client_settles_in(client) == 0;
}

int64_t client_settles_in(const struct client *client)
{
	int64_t left = client->quiet_since + SETTLED_MS - clock_ms();

	if (!broker_is_open(client->broker) || client->granted < client->topic_count)
		return -1;
	return left > 0 ? left : 0;
}

void client_close(struct client *client)
{
	if (client->broker != NULL)
		broker_close(client->broker);
	broker_free(client->broker);
	view_free(&client->view);
	free(client->topics);
	if (client->signals >= 0)
		close(client->signals);
}

_Noreturn void client_die(const struct client *client)
{
	sigset_t set;

	(void)signal(client->caught, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, client->caught);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(client->caught);
	_exit(128 + client->caught);
}
