#include "config.h"

#include <errno.h>

#include "client/lib/poller.h"
#include "client/lib/opinion.h"
#include "client/lib/question.h"
#include "src/clock.h"
#include "src/sock.h"

static int take_event(const struct question *question, const struct daemon_event *event)
{
	switch (event->kind) {
	case DAEMON_LOST:
	case DAEMON_ABSENT:
	case DAEMON_REFUSED:
		errno = event->error;
		return -1;
	case DAEMON_GATE:
		sock_close(event->fd);
		errno = EPROTO;
		return -1;
	case DAEMON_NOTHING:
		return 0;
	case DAEMON_ANSWER:
	case DAEMON_ANSWERED:
	case DAEMON_ENTRY:
	case DAEMON_END:
	case DAEMON_STATS:
	case DAEMON_CHANGE:
	case DAEMON_SLOW:
	case DAEMON_STOPPED:
		return question->take(event, question->context);
	}
	return -1;
}

static int await(struct daemon_conn *conn, struct poller *poller)
{
	struct poller_event events[POLLER_EVENTS];
	uint32_t bits = POLLIN | (daemon_io_wants_write(&conn->io) ? POLLOUT : 0);

	poller_change(poller, conn->io.fd, bits, 0);
	poller_set_deadline(poller, daemon_conn_deadline(conn, false));
	return poller_wait(poller, clock_ms(), -1, events) < 0 ? -1 : 0;
}

/* Each line of a list extends the deadline, within limits: a daemon that sends a long one is not frozen. The
 * deadline also counts while lines keep coming. */
static int converse(struct daemon_conn *conn, struct poller *poller, const struct question *question)
{
	struct daemon_event event;
	int result = 0;
	bool more;

	while (result == 0) {
		more = daemon_conn_next(conn, clock_ms(), &event);
		if (more)
			result = take_event(question, &event);
		if (result == 0 && daemon_conn_expire(conn, clock_ms(), &event))
			result = take_event(question, &event);
		else if (!more)
			result = await(conn, poller);
	}
	return result;
}

static int ask(struct daemon_conn *conn, struct poller *poller, const struct question *question)
{
	struct daemon_event event;
	int64_t now = clock_ms();

	if (!daemon_conn_begin(conn, now, !question->of_daemon, &event)) {
		errno = event.error;
		return -1;
	}
	daemon_conn_put(conn, &question->request);
	if (!daemon_conn_commit(conn, now, false, &event)) {
		errno = event.error;
		return -1;
	}
	if (poller_add(poller, conn->io.fd, POLLIN, 0) != 0)
		return -1;
	return converse(conn, poller, question);
}

int question_ask(struct settings *settings, const struct question *question)
{
	struct daemon_conn conn;
	struct poller poller;
	int result, saved;

	poller_init(&poller);
	daemon_conn_init_question(&conn, settings, question->request.verb == WIRE_LIST);
	result = ask(&conn, &poller, question);
	saved = errno;
	daemon_conn_close(&conn);
	poller_fini(&poller);
	errno = saved;
	return result < 0 ? -1 : 0;
}

static int take_answer(const struct daemon_event *event, void *context)
{
	struct readyd_answer *answer = context;

	if (event->kind != DAEMON_ANSWER || event->answer.pid != answer->pid) {
		errno = EPROTO;
		return -1;
	}
	*answer = event->answer;
	answer->backend = READYD_BACKEND_DAEMON;
	return 1;
}

int question_ask_verdict(struct settings *settings, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct readyd_answer said = {.pid = pid};
	const struct question question = {.request = {.verb = WIRE_QUERY, .pid = pid, .start = start},
	    .take = take_answer,
	    .context = &said};

	if (question_ask(settings, &question) != 0)
		return -1;
	/* About the process that was named. */
	if ((said.flags & READYD_FLAG_STATUS_HIDDEN) != 0 && said.start == 0)
		said.start = start;
	*answer = settings->strict_age ? opinion_strict(&said) : said;
	return 0;
}
