/* How long a daemon_conn waits for its daemon. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "client/lib/daemon_conn.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/process.h"

/* If the daemon, which may remember more, is stopped, the own check that ends a wait counts after this time,
 * by which the answer is late. An active daemon is waited for, at growing intervals. */
#define CONFIRM_MS	50
#define CONFIRM_MOST_MS 1000

static bool has_patience(const struct daemon_conn *conn, int64_t now)
{
	return now - conn->asked_at < conn->patience_ms;
}

/* Whether the daemon is active: then it will answer, however slow the machine is and however many clients it
 * serves. */
static bool is_active(struct daemon_conn *conn, int64_t now)
{
	return conn->pid > 0 && now - conn->asked_at < conn->active_ms &&
	       process_is_active(conn->pid, &conn->cpu);
}

static void await_word(struct daemon_conn *conn, int64_t now, int64_t ms)
{
	conn->confirm_ms = ms < CONFIRM_MOST_MS ? ms : CONFIRM_MOST_MS;
	conn->confirm_by = now + clock_jitter(conn->confirm_ms);
}

HOT void daemon_conn_expect(struct daemon_conn *conn, int64_t now, bool expected)
{
	if (!expected) {
		conn->confirm_by = 0;
		return;
	}
	if (conn->confirm_by != 0)
		return;
	conn->asked_at = now;
	await_word(conn, now, CONFIRM_MS);
}

void daemon_conn_heard(struct daemon_conn *conn, int64_t now)
{
	if (!has_patience(conn, now))
		return;
	if (conn->reply_by != 0)
		conn->reply_by = now + conn->late_ms;
	if (conn->confirm_by != 0)
		await_word(conn, now, CONFIRM_MS);
}

/* True: it is late. */
static bool expire_reply(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	conn->reply_by = 0;
	if (is_active(conn, now)) {
		conn->reply_by = now + clock_jitter(conn->late_ms);
		return false;
	}
	if (settings_is_remote(conn->settings)) {
		errno = ETIMEDOUT;
		daemon_conn_fail(conn, now, event);
		return true;
	}
	conn->state = DAEMON_LATE;
	event->kind = DAEMON_ABSENT;
	event->error = ETIMEDOUT;
	return true;
}

static void expire_confirm(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	event->again = conn->confirm_ms >= CONFIRM_MOST_MS;
	conn->confirm_by = 0;
	event->kind = is_active(conn, now) ? DAEMON_SLOW : DAEMON_STOPPED;
	if (event->kind == DAEMON_SLOW)
		await_word(conn, now, 2 * conn->confirm_ms);
}

HOT bool daemon_conn_expire(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	memset(event, 0, sizeof(*event));
	if (conn->reply_by != 0 && conn->reply_by <= now && expire_reply(conn, now, event))
		return true;
	if (daemon_conn_ping(conn, now, event))
		return true;
	if (conn->confirm_by == 0 || conn->confirm_by > now)
		return false;
	expire_confirm(conn, now, event);
	return true;
}

HOT int64_t daemon_conn_deadline(const struct daemon_conn *conn, bool wanted)
{
	int64_t at =
	    clock_earlier(clock_earlier(conn->reply_by, conn->confirm_by), daemon_conn_ping_at(conn));

	return wanted && !conn->in_flight ? clock_earlier(at, conn->retry_at) : at;
}
