#include "config.h"

#include <errno.h>
#include <poll.h>

#include "client/lib/ask.h"
#include "client/lib/daemon_conn.h"
#include "src/clock.h"
#include "src/verdict.h"

/* A daemon that does not answer a question by then is taken for frozen. Somebody who insists on the
 * daemon is more patient. */
#define LATE_MS	       250
#define LATE_FORCED_MS 5000

static int await_readable(struct daemon_conn *conn, int64_t late)
{
	struct pollfd poll_fd = {.fd = conn->fd, .events = POLLIN};
	int64_t left = late - clock_ms();

	if (daemon_conn_wants_write(conn))
		poll_fd.events |= POLLOUT;
	if (left <= 0 || poll(&poll_fd, 1, (int)left) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return daemon_conn_flush(conn);
}

static int take_reply(
    struct settings *settings, const struct question *question, const struct wire_reply *reply)
{
	if (reply->kind == WIRE_REPLY_ERROR) {
		errno = reply->error == WIRE_TOO_MANY_CLIENTS || reply->error == WIRE_NO_RESOURCES ? EAGAIN
												   : EPROTO;
		return -1;
	}
	if (reply->kind != WIRE_REPLY_HELLO)
		return question->take(reply, question->context);
	if (settings_agree(settings, &reply->hello))
		return 0;
	errno = EXDEV;
	return -1;
}

/* Each reply renews the time that the daemon has: a long list is no frozen daemon. */
static int converse(struct daemon_conn *conn, struct settings *settings, const struct question *question)
{
	int64_t patience = settings->backend == READYD_BACKEND_DAEMON ? LATE_FORCED_MS : LATE_MS;
	int64_t late = clock_ms() + patience;
	struct wire_reply reply;
	int result, fd;

	for (;;) {
		result = daemon_conn_next(conn, &reply, &fd);
		if (result == 1) {
			result = take_reply(settings, question, &reply);
			if (result != 0)
				return result;
			late = clock_ms() + patience;
		} else if (result < 0 || await_readable(conn, late) != 0) {
			return -1;
		}
	}
}

int ask_daemon(struct settings *settings, const struct question *question)
{
	const struct wire_request hello = {.verb = WIRE_HELLO};
	struct daemon_conn conn;
	int result = -1, saved;

	daemon_conn_init(&conn);
	if (daemon_conn_open(&conn, settings->socket) == 0 &&
	    (question->of_daemon || daemon_conn_put(&conn, &hello) == 0) &&
	    daemon_conn_send(&conn, &question->request) == 0)
		result = converse(&conn, settings, question);
	saved = errno;
	daemon_conn_close(&conn);
	errno = saved;
	return result < 0 ? -1 : 0;
}

static int take_answer(const struct wire_reply *reply, void *context)
{
	struct readyd_answer *answer = context;

	if (reply->kind != WIRE_REPLY_ANSWER || reply->answer.pid != answer->pid) {
		errno = EPROTO;
		return -1;
	}
	*answer = reply->answer;
	answer->backend = READYD_BACKEND_DAEMON;
	return 1;
}

int ask_verdict(struct settings *settings, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct readyd_answer said = {.pid = pid};
	const struct question question = {.request = {.verb = WIRE_QUERY, .pid = pid, .start = start},
	    .take = take_answer,
	    .context = &said};

	if (ask_daemon(settings, &question) != 0)
		return -1;
	*answer = said;
	return 0;
}

void ask_complete(struct readyd_answer *said, const struct readyd_answer *own)
{
	if (own->start != 0 && own->start == said->start && verdict_is_process_gone(own->verdict) &&
	    verdict_is_process_gone(said->verdict) && said->wait_status < 0)
		said->wait_status = own->wait_status;
}

bool ask_knows_more(const struct readyd_answer *own, const struct readyd_answer *said)
{
	if (own->reason == READYD_REASON_NO_RESOURCES)
		return true;
	/* It may speak of another process than the one that was looked at here. */
	if (said->start == 0 && own->start != 0)
		return false;
	if (said->reason == READYD_REASON_NAME_COLLISION)
		return true;
	if (own->verdict == READYD_READY)
		return said->verdict == READYD_STALE;
	if (own->verdict == READYD_UNREACHABLE && said->verdict == READYD_PENDING)
		return true;
	return said->verdict != READYD_PENDING && said->verdict != READYD_UNREACHABLE;
}
