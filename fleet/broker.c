#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fleet/broker.h"
#include "fleet/memory.h"
#include "src/clock.h"

/* A broker that vanishes, or that a node vanishes from, is noticed after one and a half of it. */
#define KEEPALIVE_S 15
/* How long a broker may take for an answer, to the first packet or any later one. It doubles each time that
 * none comes, so that a broker which many ask at once is not asked by all again before it can have answered.
 */
#define ANSWER_MS      10000
#define ANSWER_MOST_MS 80000
/* How long a broker may take to end a connection that was taken leave of. */
#define LEAVE_MS 3000
/* How often libmosquitto has to look at its clock. */
#define HOUSEKEEPING_MS 1000
#define IN_FLIGHT	100
/* A connection that lasted so long does not count as a failed attempt; two clients with one name take it from
 * each other at once. */
#define STABLE_MS 3000

struct broker {
	const struct broker_options *options;
	const struct broker_events *events;
	void *context;
	char *client_id, *will_topic, *will;
	struct mosquitto *mosq; /* NULL: between two connections */
	struct backoff backoff;
	int64_t retry_at, opened_at;
	int64_t answer_by, patience;
	size_t unanswered; /* of what was published and subscribed to */
	bool is_open, is_closed, is_refused, leaves_will, took_leave;
	size_t attempts; /* so far */
	char why[256];	 /* the connection is lost; "": it is not known why */
};

static void note(struct broker *b, const char *why)
{
	if (b->why[0] == '\0')
		snprintf(b->why, sizeof(b->why), "%s", why);
}

static void await_answer(struct broker *b, int64_t now)
{
	b->answer_by = now + b->patience;
}

static void on_connect(struct mosquitto *mosq, void *context, int code)
{
	struct broker *b = context;

	(void)mosq;
	if (code == 0) {
		b->is_open = true;
		b->took_leave = false;
		b->unanswered = 0;
		b->opened_at = clock_ms();
		b->events->on_open(b->context);
		return;
	}
	/* 3: the server is unavailable. */
	b->is_refused = code != 3;
	note(b, mosquitto_connack_string(code));
}

static void on_message(struct mosquitto *mosq, void *context, const struct mosquitto_message *m)
{
	struct broker *b = context;

	(void)mosq;
	await_answer(b, clock_ms());
	if (m->topic != NULL && b->events->on_message != NULL)
		b->events->on_message(m->topic, m->payload, m->payloadlen > 0 ? (size_t)m->payloadlen : 0,
		    m->retain, b->context);
}

static void take_answer(struct broker *b)
{
	if (b->unanswered > 0)
		b->unanswered--;
	b->patience = ANSWER_MS;
	await_answer(b, clock_ms());
}

static void on_publish(struct mosquitto *mosq, void *context, int mid)
{
	struct broker *b = context;

	(void)mosq;
	take_answer(b);
	if (b->events->on_acknowledged != NULL)
		b->events->on_acknowledged(mid, b->context);
}

static void on_subscribe(struct mosquitto *mosq, void *context, int mid, int count, const int *granted)
{
	struct broker *b = context;

	(void)mosq;
	take_answer(b);
	if (b->events->on_subscribed != NULL)
		b->events->on_subscribed(mid, count == 1 && granted[0] <= 2, b->context);
}

/* What OpenSSL says comes here alone, perhaps after the socket's error, which says less. */
static void on_log(struct mosquitto *mosq, void *context, int level, const char *text)
{
	struct broker *b = context;

	(void)mosq;
	if (level != MOSQ_LOG_ERR)
		return;
	if (strstr(text, "certificate") != NULL || strstr(text, "unknown ca") != NULL) {
		b->is_refused = true;
		b->why[0] = '\0';
	}
	note(b, text);
}

/* A key that requires a password would be asked for on the terminal. */
static int no_password(char *buf, int size, int for_writing, void *context)
{
	(void)buf;
	(void)size;
	(void)for_writing;
	(void)context;
	return 0;
}

static int set_tls(struct broker *b)
{
	const struct broker_options *o = b->options;

	if (!o->tls)
		return MOSQ_ERR_SUCCESS;
	if (o->cafile == NULL)
		return mosquitto_int_option(b->mosq, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
	return mosquitto_tls_set(b->mosq, o->cafile, NULL, o->cert, o->key, no_password);
}

static int configure(struct broker *b)
{
	int rc = set_tls(b);

	if (rc == MOSQ_ERR_SUCCESS && b->options->user != NULL)
		rc = mosquitto_username_pw_set(b->mosq, b->options->user, b->options->password);
	if (rc == MOSQ_ERR_SUCCESS && b->will != NULL)
		rc = mosquitto_will_set(b->mosq, b->will_topic, (int)strlen(b->will), b->will, 1, true);
	(void)mosquitto_max_inflight_messages_set(b->mosq, IN_FLIGHT);
	mosquitto_connect_callback_set(b->mosq, on_connect);
	mosquitto_message_callback_set(b->mosq, on_message);
	mosquitto_publish_callback_set(b->mosq, on_publish);
	mosquitto_subscribe_callback_set(b->mosq, on_subscribe);
	mosquitto_log_callback_set(b->mosq, on_log);
	return rc;
}

/* Of a broker that ends the connection after the handshake, the reason is lost if something is written first.
 */
static const char *tls_failure(const struct broker *b)
{
	return b->options->cert == NULL ? "TLS has failed; the broker may require a certificate (--cert)"
					: "TLS has failed; the broker may not accept the certificate";
}

static void report(struct broker *b, int rc)
{
	if (rc == MOSQ_ERR_ERRNO && errno == EPROTO && b->options->tls)
		note(b, tls_failure(b));
	else if (rc == MOSQ_ERR_ERRNO)
		note(b, strerror(errno));
	else
		note(b, mosquitto_strerror(rc));
}

static int left_until(int64_t at)
{
	int64_t left = at - clock_ms();

	return left > 0 ? (int)left : 0;
}

/* Until the broker has ended its side, too. What is unread when a socket is closed makes the kernel reset the
 * connection, and a broker that sees this before the last packet publishes the will. */
static void drain(int fd, int64_t deadline)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	char buf[4096];

	(void)shutdown(fd, SHUT_WR);
	while (poll(&pollfd, 1, left_until(deadline)) > 0 && read(fd, buf, sizeof(buf)) > 0)
		;
}

/* libmosquitto closes the socket as soon as it has written its last packet, which may be behind others. */
static void take_leave(struct broker *b)
{
	int fd = b->is_open && b->will != NULL ? fcntl(mosquitto_socket(b->mosq), F_DUPFD_CLOEXEC, 0) : -1;
	int64_t deadline = clock_ms() + (fd >= 0 ? LEAVE_MS : 0);
	int rc = mosquitto_disconnect(b->mosq);

	b->took_leave = b->will != NULL;
	while (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(b->mosq) >= 0) {
		rc = mosquitto_loop(b->mosq, left_until(deadline), 1);
		if (left_until(deadline) == 0)
			break;
	}
	if (fd < 0)
		return;
	drain(fd, deadline);
	close(fd);
}

/* Another instance, so that nothing of the old session is sent again. */
static void drop(struct broker *b, int64_t now)
{
	bool is_refused = b->is_refused;
	char why[sizeof(b->why)];

	if (b->is_open && now - b->opened_at >= STABLE_MS)
		backoff_reset(&b->backoff);
	mosquitto_destroy(b->mosq);
	b->mosq = NULL;
	b->is_open = b->is_refused = false;
	b->retry_at = now + backoff_next(&b->backoff);
	memcpy(why, b->why, sizeof(why));
	b->why[0] = '\0';
	b->events->on_lost(why, is_refused, b->context);
}

/* Without blocking, libmosquitto tries one address of a name alone, the first one that does not fail at once:
 * so each is tried without a limit and then limited to IPv4, by the address that it comes from. */
static void connect_now(struct broker *b, int64_t now)
{
	const size_t attempt = b->attempts++;
	const bool prefers_ipv4 = attempt / b->options->address_count % 2 != 0;
	const struct broker_address *to = broker_address(b);
	int rc;

	b->mosq = mosquitto_new(b->client_id, true, b);
	if (b->mosq == NULL) {
		note(b, strerror(errno));
		drop(b, now);
		return;
	}
	rc = configure(b);
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_connect_bind_async(b->mosq, to->host, to->port, KEEPALIVE_S,
		    prefers_ipv4 && strchr(to->host, ':') == NULL ? "0.0.0.0" : NULL);
	await_answer(b, now);
	if (rc == MOSQ_ERR_SUCCESS)
		return;
	if (rc == MOSQ_ERR_EAI)
		note(b, "its name cannot be resolved");
	report(b, rc);
	drop(b, now);
}

struct broker *broker_new(const struct broker_options *options, const char *client_id,
    const struct broker_events *events, void *context)
{
	struct broker *b = memory_new(sizeof(*b));

	b->options = options;
	b->events = events;
	b->context = context;
	b->patience = ANSWER_MS;
	if (getrandom(&b->backoff.seed, sizeof(b->backoff.seed), GRND_NONBLOCK) != sizeof(b->backoff.seed))
		b->backoff.seed = (uint64_t)clock_now_ns(CLOCK_MONOTONIC) ^ ((uint64_t)getpid() << 32);
	b->client_id = memory_copy(client_id);
	if (mosquitto_lib_init() != MOSQ_ERR_SUCCESS) {
		free(b->client_id);
		free(b);
		return NULL;
	}
	return b;
}

void broker_free(struct broker *broker)
{
	if (broker == NULL)
		return;
	if (broker->mosq != NULL)
		mosquitto_destroy(broker->mosq);
	free(broker->client_id);
	free(broker->will_topic);
	free(broker->will);
	free(broker);
	(void)mosquitto_lib_cleanup();
}

void broker_set_will(struct broker *broker, const char *topic, const char *payload)
{
	free(broker->will_topic);
	free(broker->will);
	broker->will_topic = memory_copy(topic);
	broker->will = memory_copy(payload);
}

static void end(struct broker *b)
{
	if (b->mosq == NULL)
		return;
	take_leave(b);
	mosquitto_destroy(b->mosq);
	b->mosq = NULL;
	b->is_open = false;
	b->why[0] = '\0';
}

void broker_reopen(struct broker *broker)
{
	end(broker);
	broker->retry_at = 0;
}

void broker_lose(struct broker *broker, const char *why)
{
	note(broker, why);
}

void broker_leave_will(struct broker *broker)
{
	broker->leaves_will = true;
}

bool broker_took_leave(const struct broker *broker)
{
	return broker->took_leave;
}

void broker_close(struct broker *broker)
{
	end(broker);
	broker->is_closed = true;
}

const struct broker_address *broker_address(const struct broker *broker)
{
	const size_t attempt = broker->attempts > 0 ? broker->attempts - 1 : 0;

	return &broker->options->addresses[attempt % broker->options->address_count];
}

bool broker_is_open(const struct broker *broker)
{
	return broker->is_open;
}

bool broker_is_connecting(const struct broker *broker)
{
	return broker->mosq != NULL && !broker->is_open;
}

static int until(int64_t at, int64_t now)
{
	int64_t left = at > now ? at - now : 0;

	return left < HOUSEKEEPING_MS ? (int)left : HOUSEKEEPING_MS;
}

int broker_prepare(struct broker *broker, struct pollfd *fd, int64_t now_ms)
{
	*fd = (struct pollfd){.fd = -1};
	if (broker->is_closed)
		return -1;
	if (broker->mosq == NULL)
		return until(broker->retry_at, now_ms);
	fd->fd = mosquitto_socket(broker->mosq);
	fd->events = (short)(POLLIN | (mosquitto_want_write(broker->mosq) ? POLLOUT : 0));
	return broker->is_open ? HOUSEKEEPING_MS : until(broker->answer_by, now_ms);
}

/* While it connects, the kernel knows more than libmosquitto tells. */
static void note_socket_error(struct broker *b, const struct pollfd *fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (!b->is_open && (fd->revents & (POLLERR | POLLHUP)) != 0 &&
	    getsockopt(fd->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
		note(b, strerror(error));
}

static bool is_overdue(const struct broker *b, int64_t now)
{
	return (!b->is_open || b->unanswered > 0) && now >= b->answer_by;
}

static void lose_patience(struct broker *b)
{
	note(b, b->is_open ? "it does not acknowledge what it was sent" : "it does not answer");
	if (b->patience < ANSWER_MOST_MS)
		b->patience *= 2;
}

void broker_turn(struct broker *broker, const struct pollfd *fd, int64_t now_ms)
{
	int rc;

	if (broker->is_closed)
		return;
	if (broker->mosq == NULL) {
		if (now_ms >= broker->retry_at)
			connect_now(broker, now_ms);
		return;
	}
	if (fd->fd >= 0)
		note_socket_error(broker, fd);
	rc = mosquitto_loop(broker->mosq, 0, 1);
	if (broker->mosq == NULL)
		return;
	if (rc == MOSQ_ERR_SUCCESS && is_overdue(broker, now_ms))
		lose_patience(broker);
	if (rc == MOSQ_ERR_SUCCESS && broker->why[0] == '\0')
		return;
	report(broker, rc);
	if (rc == MOSQ_ERR_SUCCESS && broker->is_open && !broker->leaves_will)
		take_leave(broker);
	drop(broker, now_ms);
}

static int sent(struct broker *b, int rc)
{
	if (rc != MOSQ_ERR_SUCCESS) {
		report(b, rc);
		return -1;
	}
	if (b->unanswered++ == 0)
		await_answer(b, clock_ms());
	return 0;
}

int broker_publish(struct broker *broker, const char *topic, const char *payload, size_t length, int *mid)
{
	if (!broker->is_open)
		return -1;
	return sent(broker,
	    mosquitto_publish(broker->mosq, mid, topic, (int)length, length > 0 ? payload : NULL, 1, true));
}

int broker_subscribe(struct broker *broker, const char *topic, int *mid)
{
	return broker->is_open ? sent(broker, mosquitto_subscribe(broker->mosq, mid, topic, 1)) : -1;
}

int broker_unsubscribe(struct broker *broker, const char *topic)
{
	return broker->is_open && mosquitto_unsubscribe(broker->mosq, NULL, topic) == MOSQ_ERR_SUCCESS ? 0
												       : -1;
}
