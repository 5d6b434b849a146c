#include "config.h"

#include <errno.h>
#include <string.h>

#include "client/lib/daemon_conn.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/sock.h"
#include "src/trust.h"

/* A daemon that has not answered a wait by then is considered frozen; a later answer still counts. The limit
 * is not lower, since a daemon that thousands ask at once is only busy, and falling back would create
 * thousands of private watches. With READYD_BACKEND_DAEMON the limit is higher. */
#define WAIT_REPLY_MS	1000
#define FORCED_REPLY_MS 5000
#define QUERY_REPLY_MS	250
/* How long replies can renew these limits: a daemon that only sends other lines does not answer. */
#define WAIT_PATIENCE_MS 30000
#define LIST_PATIENCE_MS 10000
/* How long a question waits for a daemon that is active: readyctl(1) is given 5 seconds. */
#define QUERY_ACTIVE_MS 4000
/* When to try again: if no daemon runs, if it has just gone away, if its backlog is full. The last is doubled
 * each time, so that it takes as long as WAIT_REPLY_MS to give up. */
#define RETRY_MS	  1000
#define RECONNECT_MS	  20
#define BACKLOG_FULL_MS	  20
#define BACKLOG_FULL_MOST 6

static bool is_forced(const struct settings *settings)
{
	return settings->backend == READYD_BACKEND_DAEMON || settings_is_remote(settings);
}

static void init(struct daemon_conn *conn, struct settings *settings, int64_t late_ms)
{
	memset(conn, 0, sizeof(*conn));
	daemon_io_init(&conn->io);
	conn->settings = settings;
	conn->late_ms = is_forced(settings) ? FORCED_REPLY_MS : late_ms;
}

void daemon_conn_init(struct daemon_conn *conn, struct settings *settings)
{
	init(conn, settings, WAIT_REPLY_MS);
	conn->patient = true;
	conn->patience_ms = conn->active_ms = WAIT_PATIENCE_MS;
}

void daemon_conn_init_question(struct daemon_conn *conn, struct settings *settings, bool long_answer)
{
	init(conn, settings, QUERY_REPLY_MS);
	conn->patience_ms = long_answer ? LIST_PATIENCE_MS : 0;
	conn->active_ms = long_answer ? LIST_PATIENCE_MS : QUERY_ACTIVE_MS;
}

HOT void daemon_conn_close(struct daemon_conn *conn)
{
	daemon_io_close(&conn->io);
	conn->state = DAEMON_CLOSED;
	conn->in_flight = conn->refused = conn->carries_waits = conn->asks_more = false;
	conn->owed = 0;
	conn->reply_by = 0;
	conn->failed = 0;
}

static void retry_in(struct daemon_conn *conn, int64_t now, int64_t ms)
{
	conn->retry_at = clock_earlier(conn->retry_at, now + clock_jitter(ms));
}

void daemon_conn_hold(struct daemon_conn *conn, int64_t now)
{
	retry_in(conn, now, RECONNECT_MS);
}

void daemon_conn_refuse(struct daemon_conn *conn, int64_t now)
{
	conn->refused = true;
	retry_in(conn, now, RETRY_MS);
}

void daemon_conn_ask_soon(struct daemon_conn *conn)
{
	if (conn->refused)
		conn->retry_at = 0;
}

HOT void daemon_conn_rest(struct daemon_conn *conn, bool close)
{
	conn->retry_at = 0;
	conn->refused = false;
	if (close || conn->state == DAEMON_BACKING_OFF)
		daemon_conn_close(conn);
}

void daemon_conn_back_off(struct daemon_conn *conn, int64_t now, int error, struct daemon_event *event)
{
	if (daemon_conn_retries(conn, now, error, event))
		return;
	daemon_conn_close(conn);
	conn->state = DAEMON_BACKING_OFF;
	retry_in(conn, now, RETRY_MS);
	event->kind = DAEMON_ABSENT;
	event->error = error;
}

/* A daemon that had answered everything may only be restarting: try again soon, but not all clients at once.
 * One that goes away without an answer, or says what is not an answer, may do so each time. */
void daemon_conn_fail(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	int error = errno;

	memset(event, 0, sizeof(*event));
	if (conn->state != DAEMON_OPEN || conn->in_flight || error == EPROTO || is_forced(conn->settings)) {
		daemon_conn_back_off(conn, now, error, event);
		return;
	}
	daemon_conn_close(conn);
	retry_in(conn, now, RECONNECT_MS);
	event->kind = DAEMON_LOST;
	event->error = error;
}

HOT bool daemon_conn_may_ask(const struct daemon_conn *conn, int64_t now, bool urgent)
{
	if (conn->in_flight || (conn->retry_at > now && conn->backlog_full > 0))
		return false;
	return urgent || conn->retry_at <= now;
}

static bool connect_failed(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	if (errno == EAGAIN && conn->patient && conn->backlog_full < BACKLOG_FULL_MOST) {
		retry_in(conn, now, BACKLOG_FULL_MS << conn->backlog_full);
		conn->backlog_full++;
		return false;
	}
	conn->backlog_full = 0;
	daemon_conn_back_off(conn, now, errno, event);
	return false;
}

/* The same socket again, through the directory that makes it trusted. */
static int open_by_directory(struct daemon_conn *conn)
{
	char path[TRUST_PATH_SIZE];
	int dir = trust_directory(conn->settings->socket, path), result, saved;

	if (dir < 0) {
		conn->untrusted = true;
		errno = EPERM;
		return -1;
	}
	result = daemon_io_open(&conn->io, path);
	saved = errno;
	if (result == 0)
		conn->pid = sock_peer(conn->io.fd).pid;
	sock_close(dir);
	errno = saved;
	return result;
}

/* Sets conn->pid. */
static int open_trusted(struct daemon_conn *conn)
{
	struct sock_peer peer;

	conn->untrusted = false;
	if (daemon_io_open(&conn->io, conn->settings->socket) != 0)
		return -1;
	peer = sock_peer(conn->io.fd);
	conn->pid = peer.pid;
	if (trust_user(peer.uid, conn->settings->trust_uid))
		return 0;
	daemon_io_close(&conn->io);
	return open_by_directory(conn);
}

/* The caller has named the address, so what answers there is believed. */
static int open_remote(struct daemon_conn *conn)
{
	const struct settings *settings = conn->settings;

	conn->pid = 0;
	conn->untrusted = false;
	return settings->is_vsock ? daemon_io_open_vsock(&conn->io, &settings->vsock)
				  : daemon_io_open(&conn->io, settings->socket);
}

/* Through a stream that carries one connection, what comes first may be for the client before. */
static void greet(struct daemon_conn *conn)
{
	struct wire_request hello = {.verb = WIRE_HELLO};

	if (settings_is_remote(conn->settings)) {
		conn->tag = hello.tag = clock_tag();
		conn->io.in.skips = true;
		if (daemon_io_end_line(&conn->io) != 0)
			conn->failed = errno;
	}
	conn->state = DAEMON_GREETING;
	daemon_conn_put(conn, &hello);
}

bool daemon_conn_begin(struct daemon_conn *conn, int64_t now, bool greets, struct daemon_event *event)
{
	const bool remote = settings_is_remote(conn->settings);

	memset(event, 0, sizeof(*event));
	conn->retry_at = 0;
	conn->refused = false;
	if (conn->io.fd >= 0)
		return true;
	if ((remote ? open_remote(conn) : open_trusted(conn)) != 0)
		return connect_failed(conn, now, event);
	conn->backlog_full = 0;
	conn->state = DAEMON_OPEN;
	if (greets || remote)
		greet(conn);
	return true;
}

void daemon_conn_put(struct daemon_conn *conn, const struct wire_request *request)
{
	if (conn->failed == 0 && daemon_io_put(&conn->io, request) != 0)
		conn->failed = errno;
	conn->carries_waits |= request->verb == WIRE_WAIT || request->verb == WIRE_END;
	conn->asks_more |= request->verb == WIRE_MONITOR || request->verb == WIRE_END;
	conn->owed += request->verb == WIRE_QUERY || request->verb == WIRE_GATE;
}

bool daemon_conn_commit(struct daemon_conn *conn, int64_t now, bool confirm, struct daemon_event *event)
{
	const struct wire_request ping = {.verb = WIRE_PING};

	if (confirm && conn->carries_waits && !conn->in_flight)
		daemon_conn_put(conn, &ping);
	errno = conn->failed;
	if (conn->failed != 0 || daemon_io_flush(&conn->io) != 0) {
		daemon_conn_fail(conn, now, event);
		return false;
	}
	conn->in_flight = confirm && (conn->carries_waits || conn->owed > 0);
	conn->asked_at = now;
	conn->reply_by = now + daemon_conn_late_ms(conn, now);
	return true;
}
