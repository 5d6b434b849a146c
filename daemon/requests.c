#include "config.h"

#include <sys/stat.h>

#include "daemon/gate.h"
#include "daemon/loop.h"
#include "daemon/monitors.h"
#include "daemon/xalloc.h"
#include "daemon/quota.h"
#include "daemon/requests.h"
#include "daemon/connection.h"
#include "daemon/tracker.h"
#include "src/procfs.h"
#include "src/verdict.h"

/* Waits that are examined or ended for the cost of a line. */
#define WAITS_A_LINE 4

/* An incomplete LIST or CANCEL of one connection. */
struct request_list {
	struct registry_cursor cursor;
	pid_t cancelled;	   /* by CANCEL; 0: it is a LIST */
	struct request_wait *next; /* the next wait that CANCEL examines; NULL: none */
	uint64_t count;		   /* answers, or waits cancelled, so far */
};

/* One WAIT of one connection. */
struct request_wait {
	struct registry_wait wait; /* first */
	struct connection *connection;
	LIST_ENTRY(request_wait) link; /* in connection->waits */
	struct loop_timer *deadline;   /* NULL: none */
};

static struct requests *requests_of(const struct request_wait *wait)
{
	return wait->connection->pool->context;
}

static void put_error(struct connection *connection, enum wire_error error, pid_t pid)
{
	char line[WIRE_REPLY_MAX];

	connection_put(connection, line, wire_write_error(line, sizeof(line), error, pid));
}

/* The answer as the connection's user may know it. */
static struct readyd_answer for_asker(const struct requests *requests, const struct connection *connection,
    const struct owner *owner, const struct readyd_answer *answer)
{
	const struct asker asker = {connection->user->uid, connection->is_trusted};
	struct readyd_answer told = *answer;

	/* Without a start, it could not name a process after it had lost the connection. */
	if (connection->is_remote)
		secrecy_strip_status(&told);
	else if (requests->hides && !secrecy_may_know(&asker, owner, requests->quota->own))
		secrecy_strip(&told);
	return told;
}

/* A process that could not be examined has no verdict. */
static void put_answer(const struct requests *requests, struct connection *connection,
    const struct owner *owner, const struct readyd_answer *answer)
{
	const struct readyd_answer told = for_asker(requests, connection, owner, answer);
	char line[WIRE_REPLY_MAX];

	if (told.reason == READYD_REASON_NO_RESOURCES)
		put_error(connection, WIRE_NO_RESOURCES, told.pid);
	else
		connection_put(connection, line, wire_write_answer(line, sizeof(line), &told));
}

/* Removes the wait from its connection; it is not attached to an entry. */
static void wait_free(struct request_wait *wait)
{
	struct request_list *list = connection_work(wait->connection)->list;

	if (list != NULL && list->next == wait)
		list->next = LIST_NEXT(wait, link);
	LIST_REMOVE(wait, link);
	wait->connection->wait_count--;
	quota_release(requests_of(wait)->quota, wait->connection->user, QUOTA_WAITS, 1);
	loop_timer_free(wait->deadline);
	xalloc_free(wait);
}

static void wait_cancel(struct request_wait *wait)
{
	tracker_leave(requests_of(wait)->tracker, &wait->wait);
	wait_free(wait);
}

static void on_settled(struct registry_wait *registry_wait, const struct registry_entry *entry,
    const struct readyd_answer *answer)
{
	struct request_wait *wait = (struct request_wait *)registry_wait;
	struct connection *connection = wait->connection;
	struct requests *requests = requests_of(wait);
	const struct owner owner = secrecy_owner(&entry->process);

	requests->last.batch = 0;
	wait_free(wait);
	put_answer(requests, connection, &owner, answer);
}

/* NULL: the client or its user may not have another one. */
static struct request_wait *wait_new(struct requests *requests, struct connection *connection, bool until_end)
{
	static const struct registry_wait_kind kinds[] = {{false, on_settled}, {true, on_settled}};
	struct request_wait *wait;

	if (connection->wait_count >= requests->waits_per_client ||
	    !quota_charge(requests->quota, connection->user, QUOTA_WAITS, 1))
		return NULL;
	wait = xalloc_new(sizeof(*wait));
	wait->connection = connection;
	wait->wait.kind = &kinds[until_end];
	LIST_INSERT_HEAD(&connection->waits, wait, link);
	connection->wait_count++;
	return wait;
}

/* "pending" is never answered from memory: the process is rechecked. If that settles it, the wait has been
 * told like all others and is freed; else the answer is pending. */
static void on_deadline(void *context)
{
	struct request_wait *wait = context;
	struct connection *connection = wait->connection;
	struct requests *requests = requests_of(wait);
	struct readyd_answer answer;
	struct owner owner;

	if (!tracker_still_waits(requests->tracker, wait->wait.entry, &answer))
		return;
	owner = secrecy_owner(&wait->wait.entry->process);
	answer.verdict = READYD_PENDING;
	answer.reason = READYD_REASON_DEADLINE;
	wait_cancel(wait);
	put_answer(requests, connection, &owner, &answer);
}

static void set_deadline(struct request_wait *wait, uint64_t ms)
{
	wait->deadline = loop_timer_new(requests_of(wait)->loop, on_deadline, wait);
	loop_timer_start(wait->deadline, (int64_t)ms);
}

static uint64_t time_namespace(struct requests *requests)
{
	if (requests->timens == 0)
		requests->timens = process_own_namespace("time");
	return requests->timens;
}

static void do_hello(
    struct requests *requests, struct connection *connection, const struct wire_request *request)
{
	struct wire_hello hello = {.epoch = requests->epoch, .tag = request->tag, .place = *requests->place};
	char line[WIRE_REPLY_MAX];
	struct stat st;

	hello.pidns = process_own_namespace("pid");
	hello.timens = time_namespace(requests);
	hello.procfs_foreign = procfs_state() == PROCFS_FOREIGN;
	if (stat(requests->place->dir, &st) == 0) {
		hello.dev = st.st_dev;
		hello.ino = st.st_ino;
	}
	connection_put(connection, line, wire_write_hello(line, sizeof(line), &hello));
}

/* A look is paid for before it is made, and what it has cost beyond that afterwards. */
static void pay_the_rest(
    const struct requests *requests, const struct connection *connection, uint64_t cost_before)
{
	turns_spend(&connection->user->turns, tracker_extra_cost(requests->tracker) - cost_before);
}

static void query(struct requests *requests, const struct connection *connection, pid_t pid, uint64_t start,
    struct readyd_answer *answer)
{
	const uint64_t cost = tracker_extra_cost(requests->tracker);

	connection_spend(connection, TURNS_LOOK);
	tracker_query(requests->tracker, connection->user, pid, start, answer);
	pay_the_rest(requests, connection, cost);
}

/* A check made after the request arrived answers it, and all requests of one batch had arrived before the
 * first of them is answered. */
static bool was_looked_at(
    const struct requests *requests, const struct connection *connection, const struct wire_request *request)
{
	return requests->last.batch == connection->pool->batch && requests->last.start == request->start &&
	       requests->last.answer.pid == request->pid;
}

static void note_look(struct requests *requests, const struct connection *connection,
    const struct wire_request *request, const struct readyd_answer *answer)
{
	requests->last.batch = connection->pool->batch;
	requests->last.start = request->start;
	requests->last.answer = *answer;
	requests->last.owner = requests->tracker->answered;
}

static bool enroll(struct requests *requests, const struct connection *connection,
    const struct wire_request *request, void (*join)(struct registry_entry *entry, void *context),
    void *context, struct readyd_answer *answer)
{
	const struct tracker_named process = {request->pid, request->start, request->verb == WIRE_END};
	const uint64_t cost = tracker_extra_cost(requests->tracker);
	bool begins;

	connection_spend(connection, TURNS_LOOK);
	begins = tracker_enroll(requests->tracker, connection->user, &process, join, context, answer);
	pay_the_rest(requests, connection, cost);
	requests->last.batch = 0;
	if (begins)
		note_look(requests, connection, request, answer);
	return begins;
}

static void do_query(
    struct requests *requests, struct connection *connection, const struct wire_request *request)
{
	struct readyd_answer answer;

	if (!was_looked_at(requests, connection, request)) {
		query(requests, connection, request->pid, request->start, &answer);
		note_look(requests, connection, request, &answer);
	}
	put_answer(requests, connection, &requests->last.owner, &requests->last.answer);
}

static void join_wait(struct registry_entry *entry, void *context)
{
	struct request_wait *wait = context;

	registry_attach(requests_of(wait)->tracker->registry, entry, &wait->wait);
}

/* Whether the wait has been attached after the look of an earlier request. */
static bool join_looked_at(const struct requests *requests, const struct connection *connection,
    const struct wire_request *request, struct request_wait *wait)
{
	return was_looked_at(requests, connection, request) && verdict_begins_wait(&requests->last.answer) &&
	       tracker_join(requests->tracker, &requests->last.answer, join_wait, wait);
}

static void do_wait(
    struct requests *requests, struct connection *connection, const struct wire_request *request)
{
	struct readyd_answer answer;
	struct request_wait *wait = wait_new(requests, connection, false);

	if (wait == NULL) {
		put_error(connection, WIRE_TOO_MANY_WAITS, request->pid);
		return;
	}
	if (!join_looked_at(requests, connection, request, wait) &&
	    !enroll(requests, connection, request, join_wait, wait, &answer)) {
		wait_free(wait);
		put_answer(requests, connection, &requests->tracker->answered, &answer);
	} else if (request->has_ms) {
		set_deadline(wait, request->ms);
	}
}

/* Where the end would not be seen, there is nothing to wait for. */
static void do_end(
    struct requests *requests, struct connection *connection, const struct wire_request *request)
{
	struct request_wait *wait = wait_new(requests, connection, true);
	struct readyd_answer answer;

	if (wait == NULL) {
		put_error(connection, WIRE_TOO_MANY_WAITS, request->pid);
		return;
	}
	if (enroll(requests, connection, request, join_wait, wait, &answer))
		return;
	wait_free(wait);
	if (verdict_is_process_gone(answer.verdict))
		put_answer(requests, connection, &requests->tracker->answered, &answer);
	else
		put_error(connection, WIRE_NO_RESOURCES, request->pid);
}

struct gate_wait {
	struct gates *gates;
	struct quota_user *user;
	int fd; /* its read end; -1: none */
};

static void join_gate(struct registry_entry *entry, void *context)
{
	struct gate_wait *wait = context;

	wait->fd = gate_join(wait->gates, entry, wait->user);
}

/* If the read end cannot be sent, the gate shows as abandoned. */
static void do_gate(
    struct requests *requests, struct connection *connection, const struct wire_request *request)
{
	struct gate_wait wait = {.gates = requests->gates, .user = connection->user, .fd = -1};
	char line[WIRE_REPLY_MAX];
	struct readyd_answer answer;

	if (connection->is_remote) {
		put_error(connection, WIRE_NO_RESOURCES, request->pid);
		return;
	}
	if (!enroll(requests, connection, request, join_gate, &wait, &answer)) {
		put_answer(requests, connection, &requests->tracker->answered, &answer);
		return;
	}
	answer = for_asker(requests, connection, &requests->tracker->answered, &answer);
	if (wait.fd < 0 ||
	    connection_put_fd(connection, line, wire_write_gate(line, sizeof(line), &answer), wait.fd) != 0)
		put_error(connection, WIRE_NO_RESOURCES, request->pid);
}

static void list_free(struct connection *connection)
{
	registry_cursor_end(&connection->work->list->cursor);
	xalloc_free(connection->work->list);
	connection->work->list = NULL;
}

/* Waits that the connection may have examined or ended in this turn. */
static size_t may_end(const struct connection *connection)
{
	return (size_t)connection_budget(connection) * WAITS_A_LINE;
}

static void pay_for(const struct connection *connection, size_t waits)
{
	connection_spend(connection, (unsigned)((waits + WAITS_A_LINE - 1) / WAITS_A_LINE));
}

static void cancel_some(struct connection *connection)
{
	struct request_list *list = connection->work->list;
	size_t most = may_end(connection), n;
	struct request_wait *wait;

	for (n = 0; n < most && (wait = list->next) != NULL; n++) {
		list->next = LIST_NEXT(wait, link);
		if (wait->wait.entry->process.pid != list->cancelled)
			continue;
		wait_cancel(wait);
		list->count++;
	}
	pay_for(connection, n);
}

static void resume_cancel(struct connection *connection)
{
	struct request_list *list = connection->work->list;
	char line[WIRE_REPLY_MAX];

	cancel_some(connection);
	if (list->next != NULL)
		return;
	connection_put(
	    connection, line, wire_write_cancelled(line, sizeof(line), list->cancelled, list->count));
	list_free(connection);
}

static void do_cancel(struct connection *connection, pid_t pid)
{
	struct request_list *list = xalloc_new(sizeof(*list));

	list->cancelled = pid;
	list->next = LIST_FIRST(&connection->waits);
	connection_busy(connection)->list = list;
	resume_cancel(connection);
}

/* Answers from the next turn on, until the list is complete. */
static void do_list(struct requests *requests, struct connection *connection)
{
	struct request_list *list = xalloc_new(sizeof(*list));

	requests->last.batch = 0;
	connection_busy(connection)->list = list;
	registry_cursor_start(requests->tracker->registry, &list->cursor);
}

static void do_monitor(
    struct requests *requests, struct connection *connection, const struct wire_request *request)
{
	enum wire_error error = monitors_open(requests->monitors, connection, request);

	if (error != WIRE_OK)
		put_error(connection, error, 0);
}

static void do_stats(struct requests *requests, struct connection *connection)
{
	char text[WIRE_REPLY_MAX / 2], line[WIRE_REPLY_MAX];

	requests->stats(text, sizeof(text), requests->context);
	connection_put(connection, line, wire_write_stats(line, sizeof(line), text));
}

static void do_ping(struct connection *connection)
{
	char line[WIRE_REPLY_MAX];

	connection_put(connection, line, wire_write_pong(line, sizeof(line)));
}

static void dispatch(
    struct requests *requests, struct connection *connection, const struct wire_request *request)
{
	switch (request->verb) {
	case WIRE_HELLO:
		do_hello(requests, connection, request);
		return;
	case WIRE_QUERY:
		do_query(requests, connection, request);
		return;
	case WIRE_WAIT:
		do_wait(requests, connection, request);
		return;
	case WIRE_GATE:
		do_gate(requests, connection, request);
		return;
	case WIRE_CANCEL:
		do_cancel(connection, request->pid);
		return;
	case WIRE_LIST:
		do_list(requests, connection);
		return;
	case WIRE_STATS:
		do_stats(requests, connection);
		return;
	case WIRE_PING:
		do_ping(connection);
		return;
	case WIRE_MONITOR:
		do_monitor(requests, connection, request);
		return;
	case WIRE_END:
		do_end(requests, connection, request);
		return;
	}
}

void requests_on_line(struct connection *connection, const char *line, size_t len, void *context)
{
	struct requests *requests = context;
	struct wire_request request;
	enum wire_error error;

	requests->handled++;
	error = len == 0 ? WIRE_LINE_TOO_LONG : wire_parse_request(line, len, &request);
	if (error != WIRE_OK)
		put_error(connection, error, 0);
	else
		dispatch(requests, connection, &request);
}

/* Each entry is rechecked. The recheck may retire it; the cursor has moved on by then. */
static void resume_list(struct requests *requests, struct connection *connection)
{
	struct request_list *list = connection->work->list;
	struct registry_entry *entry;
	struct readyd_answer answer;
	char line[WIRE_REPLY_MAX];

	while (connection_budget(connection) > 0) {
		connection_spend(connection, TURNS_LINE);
		entry = registry_cursor_next(&list->cursor);
		if (entry == NULL) {
			connection_put(connection, line, wire_write_end(line, sizeof(line), list->count));
			list_free(connection);
			return;
		}
		query(requests, connection, entry->process.pid, 0, &answer);
		answer = for_asker(requests, connection, &requests->tracker->answered, &answer);
		connection_put(connection, line, wire_write_list(line, sizeof(line), &answer));
		list->count++;
	}
}

void requests_on_resume(struct connection *connection, void *context)
{
	if (connection->work->list->cancelled != 0)
		resume_cancel(connection);
	else
		resume_list(context, connection);
}

bool requests_close_some(struct connection *connection, void *context)
{
	size_t most = may_end(connection), n;

	(void)context;
	for (n = 0; n < most && !LIST_EMPTY(&connection->waits); n++)
		wait_cancel(LIST_FIRST(&connection->waits));
	pay_for(connection, n);
	return LIST_EMPTY(&connection->waits);
}

void requests_on_closing(struct connection *connection, void *context)
{
	(void)context;
	while (!LIST_EMPTY(&connection->waits))
		wait_cancel(LIST_FIRST(&connection->waits));
	if (connection_work(connection)->list != NULL)
		list_free(connection);
	monitors_close(connection);
}

void requests_on_drained(struct connection *connection, void *context)
{
	(void)context;
	monitors_on_drained(connection);
}
