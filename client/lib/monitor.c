/* The monitors of readyd.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/abi.h"
#include "client/lib/daemon_conn.h"
#include "client/lib/poller.h"
#include "client/lib/settings.h"
#include "src/clock.h"
#include "src/span.h"

/* After a connection that failed, or that told nothing. Thousands of monitors must not come back in step. */
#define RETRY_LEAST_MS 100
#define RETRY_MOST_MS  5000

struct readyd_monitor {
	struct settings settings;
	struct daemon_conn conn;
	struct poller poller;
	int polled; /* the descriptor of the connection that the poller knows; -1: none */
	bool has_token;
	uint64_t epoch, seq; /* the last position, to resume from if has_token */
	bool told;	     /* something was told since the monitor is there: */
	bool gap;	     /* what was told is not a position, and the connection that told it is lost */
	enum { MONITOR_FOUND, MONITOR_LOSING, MONITOR_LOST } loss;
	enum readyd_reason why; /* LOSING: the reason of the event to come */
	int64_t retry_ms;
	bool more;  /* the last call has given an event, so there may be another */
	bool holds; /* `held` is the next event */
	struct readyd_event held;
	int failed; /* errno: it cannot go on */
};

static int take_token(struct readyd_monitor *m, const char *token)
{
	if (token == NULL)
		return 0;
	m->has_token = true;
	if (span_token((struct span){token, strlen(token)}, &m->epoch, &m->seq) == 0)
		return 0;
	errno = EINVAL;
	return -1;
}

static int init(struct readyd_monitor *m, const struct readyd_options *options, const char *token)
{
	memset(m, 0, sizeof(*m));
	if (settings_init(&m->settings, options) != 0 || take_token(m, token) != 0)
		return -1;
	if (m->settings.backend == READYD_BACKEND_FILE) {
		errno = EINVAL;
		return -1;
	}
	daemon_conn_init(&m->conn, &m->settings);
	poller_init(&m->poller);
	m->polled = -1;
	m->retry_ms = RETRY_LEAST_MS;
	return 0;
}

/* A socket that was closed has left an epoll instance by itself. */
static void forget(struct readyd_monitor *m)
{
	if (m->polled >= 0)
		poller_forget(&m->poller, m->polled);
	m->polled = -1;
}

/* The connection is closed, or too late, for the reason `error`. */
static void lose(struct readyd_monitor *m, int error)
{
	if (m->conn.io.fd < 0)
		forget(m);
	if (m->loss == MONITOR_FOUND) {
		m->loss = MONITOR_LOSING;
		m->why = error == EPERM	   ? READYD_REASON_DAEMON_UNTRUSTED
			 : error == EAGAIN ? READYD_REASON_NO_RESOURCES
					   : READYD_REASON_NONE;
	}
	m->gap |= m->told && !m->has_token;
	m->conn.retry_at = clock_ms() + clock_jitter(m->retry_ms);
	m->retry_ms = 2 * m->retry_ms < RETRY_MOST_MS ? 2 * m->retry_ms : RETRY_MOST_MS;
}

static int watch(struct readyd_monitor *m)
{
	if (poller_add(&m->poller, m->conn.io.fd, POLLIN, 0) != 0)
		return -1;
	m->polled = m->conn.io.fd;
	return 0;
}

static bool is_fatal(const struct daemon_event *event)
{
	return event->error == EXDEV || event->error == ENOMEM || event->refusal == WIRE_BAD_VERB;
}

static void take_absence(struct readyd_monitor *m, const struct daemon_event *event)
{
	if (is_fatal(event))
		m->failed = event->refusal == WIRE_BAD_VERB ? EOPNOTSUPP : event->error;
	lose(m, event->error);
}

static void connect_now(struct readyd_monitor *m)
{
	const struct wire_request request = {
	    .verb = WIRE_MONITOR, .has_token = m->has_token, .epoch = m->epoch, .seq = m->seq};
	struct daemon_event event;
	int64_t now = clock_ms();

	if (!daemon_conn_begin(&m->conn, now, true, &event)) {
		/* Else the backlog of the socket is full, and the time of the next attempt is set. */
		if (event.kind != DAEMON_NOTHING)
			take_absence(m, &event);
		return;
	}
	daemon_conn_put(&m->conn, &request);
	if (!daemon_conn_commit(&m->conn, now, false, &event))
		take_absence(m, &event);
	else if (watch(m) != 0)
		m->failed = errno;
}

static bool is_position(enum readyd_change change)
{
	return change != READYD_CHANGE_SNAPSHOT && change != READYD_CHANGE_STATE &&
	       change != READYD_CHANGE_GAP;
}

/* While the present state is being told, a transition is not a position: the rest of the state is missing. */
static void take_change(struct readyd_monitor *m, const struct readyd_event *event)
{
	m->loss = MONITOR_FOUND;
	m->told = true;
	m->epoch = event->epoch;
	m->seq = event->seq;
	if (event->change == READYD_CHANGE_LIVE || event->change == READYD_CHANGE_RESUMED) {
		m->has_token = true;
		m->retry_ms = RETRY_LEAST_MS;
	} else if (!is_position(event->change)) {
		m->has_token = false;
	}
}

/* True: *event is the next one. */
static bool take_event(
    struct readyd_monitor *m, const struct daemon_event *daemon, struct readyd_event *event)
{
	switch (daemon->kind) {
	case DAEMON_CHANGE:
		take_change(m, &daemon->change);
		*event = daemon->change;
		return true;
	case DAEMON_LOST:
	case DAEMON_ABSENT:
	case DAEMON_REFUSED:
		take_absence(m, daemon);
		return false;
	case DAEMON_NOTHING:
	case DAEMON_ANSWER:
	case DAEMON_GATE:
	case DAEMON_ANSWERED:
	case DAEMON_ENTRY:
	case DAEMON_END:
	case DAEMON_STATS:
	case DAEMON_SLOW:
	case DAEMON_STOPPED:
		return false;
	}
	return false;
}

static struct readyd_event position(const struct readyd_monitor *m, enum readyd_change change)
{
	struct readyd_event event = READYD_EVENT_INIT;

	event.change = change;
	event.epoch = m->epoch;
	event.seq = m->seq;
	return event;
}

/* The daemon does not know that this client was there before. */
static void tell_gap(struct readyd_monitor *m, struct readyd_event *event)
{
	bool gap = m->gap && event->change == READYD_CHANGE_SNAPSHOT;

	m->gap = false;
	if (!gap)
		return;
	m->held = *event;
	m->holds = true;
	*event = position(m, READYD_CHANGE_GAP);
}

static bool is_connected(struct readyd_monitor *m)
{
	if (m->conn.io.fd < 0 && m->conn.retry_at <= clock_ms())
		connect_now(m);
	return m->failed == 0 && m->conn.io.fd >= 0;
}

/* The next event of the daemon. */
static bool hear(struct readyd_monitor *m, struct readyd_event *event)
{
	struct daemon_event daemon;

	while (is_connected(m)) {
		if (!daemon_conn_next(&m->conn, clock_ms(), &daemon) &&
		    !daemon_conn_expire(&m->conn, clock_ms(), &daemon))
			return false;
		if (!take_event(m, &daemon, event))
			continue;
		tell_gap(m, event);
		return true;
	}
	return false;
}

static bool take_own(struct readyd_monitor *m, struct readyd_event *event)
{
	if (m->holds) {
		m->holds = false;
		*event = m->held;
		return true;
	}
	if (m->loss != MONITOR_LOSING)
		return false;
	m->loss = MONITOR_LOST;
	*event = position(m, READYD_CHANGE_LOST);
	event->reason = m->why;
	return true;
}

static int64_t deadline(const struct readyd_monitor *m)
{
	if (m->holds || m->loss == MONITOR_LOSING || m->failed != 0)
		return clock_ms();
	return m->conn.io.fd >= 0 ? daemon_conn_deadline(&m->conn, false) : m->conn.retry_at;
}

/* What the caller is to be woken by. */
static void arm(struct readyd_monitor *m)
{
	const uint32_t bits = POLLIN | (daemon_io_wants_write(&m->conn.io) ? POLLOUT : 0);

	if (m->polled >= 0)
		poller_change(&m->poller, m->polled, bits, 0);
	poller_set_deadline(&m->poller, deadline(m));
}

struct readyd_monitor *readyd_monitor_new(const struct readyd_options *options, const char *token)
{
	struct readyd_monitor *m = malloc(sizeof(*m));
	int saved;

	if (m == NULL)
		return NULL;
	if (init(m, options, token) != 0) {
		saved = errno;
		free(m);
		errno = saved;
		return NULL;
	}
	(void)is_connected(m);
	arm(m);
	return m;
}

void readyd_monitor_free(struct readyd_monitor *m)
{
	if (m == NULL)
		return;
	poller_fini(&m->poller);
	daemon_conn_close(&m->conn);
	free(m);
}

int readyd_monitor_fd(struct readyd_monitor *m)
{
	return poller_fd(&m->poller);
}

/* Takes what has woken the caller. */
static int wake(struct readyd_monitor *m, int timeout_ms)
{
	struct poller_event events[POLLER_EVENTS];

	return poller_wait(&m->poller, clock_ms(), timeout_ms, events) < 0 ? -1 : 0;
}

int readyd_monitor_next(struct readyd_monitor *m, struct readyd_event *event)
{
	struct readyd_event own;

	if (abi_check_event(event) != 0 || (!m->more && wake(m, 0) != 0))
		return -1;
	m->more = take_own(m, &own) || hear(m, &own) || take_own(m, &own);
	arm(m);
	if (m->more) {
		abi_give_event(event, &own);
		return 1;
	}
	errno = m->failed;
	return m->failed == 0 ? 0 : -1;
}

int readyd_monitor_sleep(struct readyd_monitor *m, int timeout_ms)
{
	return m->more ? 0 : wake(m, timeout_ms);
}
