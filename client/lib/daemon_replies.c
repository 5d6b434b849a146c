/* Turns the replies of the daemon into events of a daemon_conn. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "client/lib/daemon_conn.h"

static void count_answer(struct daemon_conn *conn)
{
	if (conn->owed > 0)
		conn->owed--;
}

/* All answers have been taken, and there is no PING to confirm that. */
static bool has_last_answer(const struct daemon_conn *conn)
{
	return conn->in_flight && !conn->carries_waits && conn->owed == 0;
}

static int error_of(const struct daemon_conn *conn, enum wire_error error)
{
	switch (error) {
	case WIRE_TOO_MANY_CLIENTS:
	case WIRE_NO_RESOURCES:
	case WIRE_TOO_MANY_MONITORS:
		return EAGAIN;
	case WIRE_BAD_VERB:
		return conn->asks_more ? EOPNOTSUPP : EPROTO;
	case WIRE_OK:
	case WIRE_BAD_ARGUMENT:
	case WIRE_BAD_VERSION:
	case WIRE_LINE_TOO_LONG:
	case WIRE_TOO_MANY_WAITS:
		break;
	}
	return EPROTO;
}

static void take_error(
    struct daemon_conn *conn, int64_t now, const struct wire_reply *reply, struct daemon_event *event)
{
	const int error = error_of(conn, reply->error);

	event->refusal = reply->error;
	event->error = error;
	event->kind = DAEMON_REFUSED;
	count_answer(conn);
	if (reply->answer.pid == 0)
		daemon_conn_back_off(conn, now, error, event);
}

static void take_hello(
    struct daemon_conn *conn, int64_t now, const struct wire_reply *reply, struct daemon_event *event)
{
	if (!settings_agree(conn->settings, &reply->hello)) {
		daemon_conn_back_off(conn, now, EXDEV, event);
		return;
	}
	if (conn->state != DAEMON_GREETING)
		return;
	conn->state = DAEMON_OPEN;
	conn->opened_at = now;
	if (!conn->met)
		conn->attempts = 0;
	conn->met = true;
	conn->error = 0;
	conn->io.in.skips = false;
}

/* Whether a reply is for another client of the stream, or for what it has sent. */
static bool is_for_another(const struct daemon_conn *conn, const struct wire_reply *reply)
{
	if (!settings_is_remote(conn->settings) || conn->state != DAEMON_GREETING)
		return false;
	if (reply->kind == WIRE_REPLY_HELLO)
		return reply->hello.tag != conn->tag;
	return reply->kind != WIRE_REPLY_ERROR || reply->error != WIRE_TOO_MANY_CLIENTS;
}

/* Another client has begun a session on the stream, which has ended ours. */
static bool is_taken_over(const struct daemon_conn *conn, const struct wire_reply *reply)
{
	return settings_is_remote(conn->settings) && conn->state == DAEMON_OPEN &&
	       reply->kind == WIRE_REPLY_HELLO && reply->hello.tag != conn->tag;
}

static void take_last_answer(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	daemon_conn_restored(conn, now);
	conn->in_flight = false;
	conn->owed = 0;
	conn->reply_by = 0;
	conn->state = DAEMON_OPEN;
	event->kind = DAEMON_ANSWERED;
}

static void take_reply(
    struct daemon_conn *conn, int64_t now, const struct wire_reply *reply, struct daemon_event *event)
{
	switch (reply->kind) {
	case WIRE_REPLY_HELLO:
		take_hello(conn, now, reply, event);
		return;
	case WIRE_REPLY_ERROR:
		take_error(conn, now, reply, event);
		return;
	case WIRE_REPLY_PONG:
		take_last_answer(conn, now, event);
		return;
	case WIRE_REPLY_ANSWER:
		event->kind = DAEMON_ANSWER;
		count_answer(conn);
		return;
	case WIRE_REPLY_GATE:
		event->kind = DAEMON_GATE;
		count_answer(conn);
		return;
	case WIRE_REPLY_LIST:
		event->kind = DAEMON_ENTRY;
		return;
	case WIRE_REPLY_END:
		event->kind = DAEMON_END;
		return;
	case WIRE_REPLY_STATS:
		event->kind = DAEMON_STATS;
		return;
	case WIRE_REPLY_EVENT:
		conn->reply_by = 0;
		conn->state = DAEMON_OPEN;
		event->kind = DAEMON_CHANGE;
		event->change = reply->event;
		return;
	case WIRE_REPLY_CANCELLED:
		return;
	}
}

bool daemon_conn_next(struct daemon_conn *conn, int64_t now, struct daemon_event *event)
{
	struct wire_reply reply;
	int fd, more;

	if (conn->io.fd < 0)
		return false;
	if (has_last_answer(conn)) {
		memset(event, 0, sizeof(*event));
		take_last_answer(conn, now, event);
		return true;
	}
	more = daemon_io_flush(&conn->io) != 0 ? -1 : daemon_io_next(&conn->io, &reply, &fd);
	if (more > 0 && is_taken_over(conn, &reply)) {
		errno = EPROTO;
		more = -1;
	}
	if (more < 0) {
		daemon_conn_fail(conn, now, event);
		return true;
	}
	if (more == 0)
		return false;
	memset(event, 0, sizeof(*event));
	event->answer = reply.answer;
	event->fd = fd;
	event->text = reply.text;
	event->text_len = reply.text_len;
	daemon_conn_heard(conn, now);
	if (!is_for_another(conn, &reply))
		take_reply(conn, now, &reply, event);
	return true;
}

bool daemon_conn_is_drained(const struct daemon_conn *conn)
{
	if (conn->io.in.used < conn->io.in.len)
		return false;
	return conn->io.drained ? !has_last_answer(conn) : !conn->in_flight && !conn->carries_waits;
}
