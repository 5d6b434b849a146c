/* How a daemon_conn keeps its connection to a remote daemon. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "client/lib/daemon_conn.h"
#include "src/clock.h"
#include "src/hot.h"

/* How long it is tried to restore a lost connection, and how long an attempt has at least. */
#define RESTORE_MS	 5000
#define RESTORE_LEAST_MS 1000
/* Between two attempts; each delay is twice the last one. One that lasted a while begins again. */
#define RESTORE_FIRST_MS 20
#define RESTORE_MOST_MS	 1280
#define LASTED_MS	 5000
/* The same until it has answered once: its kernel may still be starting, which takes long, and thousands may
 * wait for that. */
#define REACH_FIRST_MS 100
#define REACH_MOST_MS  3000
/* A daemon that has been restarted, or the kernel that it ran on, may leave the stream open, and then says
 * nothing. */
#define PING_MS 5000

/* Whether it is what a daemon that is not there yet would cause. */
static bool is_absence(int error)
{
	switch (error) {
	case EAGAIN:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENODEV:
	case ENOENT:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static bool may_retry(struct daemon_conn *conn, int64_t now, int error)
{
	if (!settings_is_remote(conn->settings) || error == EXDEV || error == EOPNOTSUPP)
		return false;
	if (!conn->met)
		return conn->patient && is_absence(error);
	if (conn->lost_at == 0)
		conn->lost_at = now;
	if (now - conn->lost_at < RESTORE_MS)
		return true;
	conn->lost_at = 0;
	return false;
}

static int64_t next_delay(struct daemon_conn *conn)
{
	const int64_t first = conn->met ? RESTORE_FIRST_MS : REACH_FIRST_MS;
	const int64_t most = conn->met ? RESTORE_MOST_MS : REACH_MOST_MS;
	const int64_t delay = first << conn->attempts;

	if (delay >= most)
		return clock_jitter(most);
	conn->attempts++;
	return clock_jitter(delay);
}

bool daemon_conn_retries(struct daemon_conn *conn, int64_t now, int error, struct daemon_event *event)
{
	if (!may_retry(conn, now, error))
		return false;
	if (conn->opened_at != 0 && now - conn->opened_at > LASTED_MS)
		conn->attempts = 0;
	conn->opened_at = 0;
	daemon_conn_close(conn);
	conn->retry_at = now + next_delay(conn);
	conn->error = conn->met ? 0 : error;
	memset(event, 0, sizeof(*event));
	event->kind = DAEMON_LOST;
	event->error = error;
	return true;
}

int64_t daemon_conn_late_ms(const struct daemon_conn *conn, int64_t now)
{
	const int64_t left = conn->lost_at + RESTORE_MS - now;

	if (conn->lost_at == 0 || left > conn->late_ms)
		return conn->late_ms;
	return left > RESTORE_LEAST_MS ? left : RESTORE_LEAST_MS;
}

void daemon_conn_restored(struct daemon_conn *conn, int64_t now)
{
	conn->lost_at = 0;
	conn->ping_at = settings_is_remote(conn->settings) ? now + clock_jitter(PING_MS) : 0;
}

HOT int64_t daemon_conn_ping_at(const struct daemon_conn *conn)
{
	return conn->state == DAEMON_OPEN && conn->carries_waits && !conn->in_flight ? conn->ping_at : 0;
}

HOT bool daemon_conn_ping(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	const int64_t at = daemon_conn_ping_at(conn);

	return at != 0 && at <= now && !daemon_conn_commit(conn, now, true, event);
}
