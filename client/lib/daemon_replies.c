/* Turns the replies of the daemon into events of a daemon_conn. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "client/lib/daemon_conn.h"

static bool take_error(
    struct daemon_conn *conn, int64_t now, const struct wire_reply *reply, struct daemon_event *event)
{
	int error =
	    reply->error == WIRE_TOO_MANY_CLIENTS || reply->error == WIRE_NO_RESOURCES ? EAGAIN : EPROTO;

	event->refusal = reply->error;
	event->error = error;
	event->kind = DAEMON_REFUSED;
	if (reply->answer.pid == 0)
		daemon_conn_back_off(conn, now, error, event);
	return true;
}

/* False: there is no event. */
static bool take_hello(
    struct daemon_conn *conn, int64_t now, const struct wire_reply *reply, struct daemon_event *event)
{
	if (!settings_agree(conn->settings, &reply->hello)) {
		daemon_conn_back_off(conn, now, EXDEV, event);
		return true;
	}
	if (conn->state == DAEMON_GREETING)
		conn->state = DAEMON_OPEN;
	return false;
}

static void take_pong(struct daemon_conn *conn)
{
	conn->ping_in_flight = false;
	conn->reply_by = 0;
	conn->state = DAEMON_OPEN;
}

/* False: there is no event. */
static bool take_reply(
    struct daemon_conn *conn, int64_t now, const struct wire_reply *reply, struct daemon_event *event)
{
	switch (reply->kind) {
	case WIRE_REPLY_HELLO:
		return take_hello(conn, now, reply, event);
	case WIRE_REPLY_ERROR:
		return take_error(conn, now, reply, event);
	case WIRE_REPLY_PONG:
		take_pong(conn);
		event->kind = DAEMON_ANSWERED;
		return true;
	case WIRE_REPLY_ANSWER:
		event->kind = DAEMON_ANSWER;
		return true;
	case WIRE_REPLY_GATE:
		event->kind = DAEMON_GATE;
		return true;
	case WIRE_REPLY_LIST:
		event->kind = DAEMON_ENTRY;
		return true;
	case WIRE_REPLY_END:
		event->kind = DAEMON_END;
		return true;
	case WIRE_REPLY_STATS:
		event->kind = DAEMON_STATS;
		return true;
	case WIRE_REPLY_CANCELLED:
		return false;
	}
	return false;
}

static void heard(struct daemon_conn *conn, int64_t now)
{
	conn->heard_at = now;
	if (conn->reply_by != 0)
		conn->reply_by = now + conn->late_ms;
	if (conn->confirm_by != 0) {
		conn->confirm_by = 0;
		daemon_conn_expect(conn, now, true);
	}
}

bool daemon_conn_next(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	struct wire_reply reply;
	int fd, more;

	if (conn->io.fd < 0)
		return false;
	more = daemon_io_flush(&conn->io);
	while (more == 0 && (more = daemon_io_next(&conn->io, &reply, &fd)) == 1) {
		memset(event, 0, sizeof(*event));
		event->answer = reply.answer;
		event->fd = fd;
		event->text = reply.text;
		event->text_len = reply.text_len;
		heard(conn, now);
		if (take_reply(conn, now, &reply, event))
			return true;
		more = 0;
	}
	if (more >= 0)
		return false;
	daemon_conn_fail(conn, now, event);
	return true;
}
