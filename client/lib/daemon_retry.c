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
#define RESTORE_FIRST_MS  20
#define RESTORE_DOUBLINGS 6
#define LASTED_MS	  5000
/* A daemon that has been restarted, or the kernel that it ran on, may leave the stream open, and then says
 * nothing. */
#define PING_MS 5000

static bool may_retry(struct daemon_conn *conn, int64_t now, int error)
{
	if (!settings_is_remote(conn->settings) || !conn->met || error == EXDEV)
		return false;
	if (conn->lost_at == 0)
		conn->lost_at = now;
	if (now - conn->lost_at < RESTORE_MS)
		return true;
	conn->lost_at = 0;
	return false;
}

bool daemon_conn_retries(struct daemon_conn *conn, int64_t now, int error, struct daemon_event *event)
{
	if (!may_retry(conn, now, error))
		return false;
	if (conn->opened_at != 0 && now - conn->opened_at > LASTED_MS)
		conn->attempts = 0;
	conn->opened_at = 0;
	daemon_conn_close(conn);
	conn->retry_at = now + clock_jitter((int64_t)RESTORE_FIRST_MS << conn->attempts);
	conn->attempts += conn->attempts < RESTORE_DOUBLINGS;
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
