#include "config.h"

#include <event2/event.h>
#include <sys/stat.h>

#include "daemon/gate.h"
#include "daemon/loop.h"
#include "daemon/memory.h"
#include "daemon/quota.h"
#include "daemon/requests.h"
#include "daemon/session.h"
#include "daemon/witness.h"

/* Looks of a LIST in one turn. */
#define LIST_SLICE 64

/* A LIST of one session that is not complete yet. */
struct request_list {
	struct ledger_cursor cursor;
	uint64_t count; /* of the answers until now */
};

/* One WAIT of one session. */
struct request_wait {
	struct ledger_wait wait; /* first */
	struct requests *requests;
	struct session *session;
	LIST_ENTRY(request_wait) link; /* in session->waits */
	struct event *deadline;	       /* NULL: none */
};

static void put_error(struct session *session, enum wire_error error, pid_t pid)
{
	char line[WIRE_REPLY_MAX];

	session_put(session, line, wire_write_error(line, sizeof(line), error, pid));
}

/* What could not be examined is no verdict. */
static void put_answer(struct session *session, const struct readyd_answer *answer)
{
	char line[WIRE_REPLY_MAX];

	if (answer->reason == READYD_REASON_NO_RESOURCES)
		put_error(session, WIRE_NO_RESOURCES, answer->pid);
	else
		session_put(session, line, wire_write_answer(line, sizeof(line), answer));
}

/* Takes the wait out of its session; it is attached to no entry any more. */
static void wait_free(struct request_wait *wait)
{
	LIST_REMOVE(wait, link);
	wait->session->wait_count--;
	wait->session->user->waits--;
	if (wait->deadline != NULL)
		event_free(wait->deadline);
	memory_free(wait);
}

static void wait_cancel(struct request_wait *wait)
{
	struct witness *witness = wait->requests->witness;
	struct ledger_entry *entry = wait->wait.entry;

	witness_detach(witness, &wait->wait);
	wait_free(wait);
	witness_release(witness, entry);
}

static void on_settled(struct ledger_wait *ledger_wait, const struct readyd_answer *answer)
{
	struct request_wait *wait = (struct request_wait *)ledger_wait;
	struct session *session = wait->session;

	wait_free(wait);
	put_answer(session, answer);
}

/* Nothing is called pending from memory: it looks once more. If that settles it, the wait has been told
 * like all others and is freed; else the answer is pending. */
static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct request_wait *wait = arg;
	struct session *session = wait->session;
	struct witness *witness = wait->requests->witness;
	struct readyd_answer answer;

	(void)fd;
	(void)what;
	if (!witness_still_waits(witness, wait->wait.entry, &answer))
		return;
	answer.verdict = READYD_PENDING;
	answer.reason = READYD_REASON_DEADLINE;
	wait_cancel(wait);
	put_answer(session, &answer);
}

static void set_deadline(struct request_wait *wait, uint64_t ms)
{
	struct timeval interval = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	wait->deadline = evtimer_new(wait->requests->base, on_deadline, wait);
	loop_add(wait->deadline, &interval);
}

static void do_hello(struct requests *requests, struct session *session)
{
	struct wire_hello hello = {.epoch = requests->epoch, .place = *requests->place};
	char line[WIRE_REPLY_MAX];
	struct stat st;

	hello.pidns = process_own_namespace("pid");
	hello.timens = process_own_namespace("time");
	if (stat(requests->place->dir, &st) == 0) {
		hello.dev = st.st_dev;
		hello.ino = st.st_ino;
	}
	session_put(session, line, wire_write_hello(line, sizeof(line), &hello));
}

static void do_query(struct requests *requests, struct session *session, const struct wire_request *request)
{
	struct readyd_answer *answer = &requests->last.answer;

	/* A look that was made after the request arrived answers it, and requests of one input have all
	 * arrived before the first of them is answered. */
	if (requests->last.batch != session->pool->batch || requests->last.start != request->start ||
	    answer->pid != request->pid) {
		witness_query(requests->witness, request->pid, request->start, answer);
		requests->last.batch = session->pool->batch;
		requests->last.start = request->start;
	}
	put_answer(session, answer);
}

static void do_wait(struct requests *requests, struct session *session, const struct wire_request *request)
{
	struct ledger_entry *entry;
	struct readyd_answer answer;
	struct request_wait *wait;

	if (session->wait_count >= requests->waits_per_client ||
	    !quota_may_wait(requests->quota, session->user)) {
		put_error(session, WIRE_TOO_MANY_WAITS, request->pid);
		return;
	}
	entry = witness_enroll(requests->witness, request->pid, request->start, &answer);
	if (entry == NULL) {
		put_answer(session, &answer);
		return;
	}
	wait = memory_alloc(sizeof(*wait));
	wait->requests = requests;
	wait->session = session;
	wait->wait.settled = on_settled;
	LIST_INSERT_HEAD(&session->waits, wait, link);
	session->wait_count++;
	session->user->waits++;
	witness_attach(requests->witness, entry, &wait->wait);
	if (request->has_ms)
		set_deadline(wait, request->ms);
}

static void do_gate(struct requests *requests, struct session *session, const struct wire_request *request)
{
	char line[WIRE_REPLY_MAX];
	struct ledger_entry *entry;
	struct readyd_answer answer;
	int fd, sent = -1;

	entry = witness_enroll(requests->witness, request->pid, request->start, &answer);
	if (entry == NULL) {
		put_answer(session, &answer);
		return;
	}
	fd = gate_join(requests->gates, entry);
	if (fd >= 0)
		sent = session_put_fd(
		    session, line, wire_write_gate(line, sizeof(line), request->pid, answer.start), fd);
	if (sent != 0)
		put_error(session, WIRE_NO_RESOURCES, request->pid);
	/* A gate that nobody got shows as abandoned; an entry without one leaves now. */
	witness_release(requests->witness, entry);
}

static void do_cancel(struct session *session, pid_t pid)
{
	struct request_wait *wait, *next;
	char line[WIRE_REPLY_MAX];
	uint64_t count = 0;

	for (wait = LIST_FIRST(&session->waits); wait != NULL; wait = next) {
		next = LIST_NEXT(wait, link);
		if (wait->wait.entry->process.pid != pid)
			continue;
		wait_cancel(wait);
		count++;
	}
	session_put(session, line, wire_write_cancelled(line, sizeof(line), pid, count));
}

static void list_free(struct session *session)
{
	ledger_cursor_end(&session->list->cursor);
	memory_free(session->list);
	session->list = NULL;
}

/* From the next turn on, until it is complete. */
static void do_list(struct requests *requests, struct session *session)
{
	session->list = memory_alloc(sizeof(*session->list));
	ledger_cursor_start(requests->witness->ledger, &session->list->cursor);
}

static void do_stats(struct requests *requests, struct session *session)
{
	char text[WIRE_REPLY_MAX / 2], line[WIRE_REPLY_MAX];

	requests->stats(requests->context, text, sizeof(text));
	session_put(session, line, wire_write_stats(line, sizeof(line), text));
}

static void do_ping(struct session *session)
{
	char line[WIRE_REPLY_MAX];

	session_put(session, line, wire_write_pong(line, sizeof(line)));
}

static void dispatch(struct requests *requests, struct session *session, const struct wire_request *request)
{
	switch (request->verb) {
	case WIRE_HELLO:
		do_hello(requests, session);
		return;
	case WIRE_QUERY:
		do_query(requests, session, request);
		return;
	case WIRE_WAIT:
		do_wait(requests, session, request);
		return;
	case WIRE_GATE:
		do_gate(requests, session, request);
		return;
	case WIRE_CANCEL:
		do_cancel(session, request->pid);
		return;
	case WIRE_LIST:
		do_list(requests, session);
		return;
	case WIRE_STATS:
		do_stats(requests, session);
		return;
	case WIRE_PING:
		do_ping(session);
		return;
	}
}

void requests_on_line(struct session *session, const char *line, size_t len, void *context)
{
	struct requests *requests = context;
	struct wire_request request;
	enum wire_error error;

	requests->handled++;
	error = len == 0 ? WIRE_LINE_TOO_LONG : wire_parse_request(line, len, &request);
	if (error != WIRE_OK)
		put_error(session, error, 0);
	else
		dispatch(requests, session, &request);
}

/* Each is looked at anew. A look may bury the entry it is at; the cursor has left it by then. */
void requests_on_resume(struct session *session, void *context)
{
	struct requests *requests = context;
	struct request_list *list = session->list;
	struct ledger_entry *entry;
	struct readyd_answer answer;
	char line[WIRE_REPLY_MAX];

	for (unsigned n = 0; n < LIST_SLICE; n++) {
		entry = ledger_cursor_next(&list->cursor);
		if (entry == NULL) {
			session_put(session, line, wire_write_end(line, sizeof(line), list->count));
			list_free(session);
			return;
		}
		witness_query(requests->witness, entry->process.pid, 0, &answer);
		session_put(session, line, wire_write_list(line, sizeof(line), &answer));
		list->count++;
	}
}

void requests_on_closing(struct session *session, void *context)
{
	struct requests *requests = context;

	while (!LIST_EMPTY(&session->waits))
		wait_cancel(LIST_FIRST(&session->waits));
	if (session->list != NULL)
		list_free(session);
	quota_leave(requests->quota, session->user);
}
