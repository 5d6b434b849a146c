#include "config.h"

#include <string.h>

#include "daemon/connection.h"
#include "daemon/journal.h"
#include "daemon/loop.h"
#include "daemon/monitors.h"
#include "daemon/quota.h"
#include "daemon/registry.h"
#include "daemon/secrecy.h"
#include "daemon/tracker.h"
#include "daemon/transitions.h"
#include "daemon/xalloc.h"

/* How often the number of waits for a process is told. */
#define SETTLE_MS 1000
/* Processes of which it is told in one turn. */
#define SETTLE_SLICE 64

struct monitor {
	TAILQ_ENTRY(monitor) link;
	struct monitors *monitors;
	struct connection *connection;
	uint64_t at; /* the last transition that was told */
	bool walks;  /* the present state is being told: */
	struct registry_cursor cursor;
};

static struct transitions *transitions_of(const struct monitors *monitors)
{
	return &monitors->tracker->transitions;
}

static struct journal *journal_of(const struct monitors *monitors)
{
	return &transitions_of(monitors)->journal;
}

/* Where lines are collected for one write. */
static bool has_room(const struct monitors *monitors, size_t len)
{
	return sizeof(monitors->out) - len >= WIRE_REPLY_MAX;
}

static void put_position(struct monitor *monitor, enum readyd_change change, size_t *len)
{
	struct monitors *monitors = monitor->monitors;
	const struct readyd_event event = {
	    .change = change, .epoch = monitors->epoch, .seq = monitor->at, .wait_status = -1};

	*len += wire_write_event(monitors->out + *len, WIRE_REPLY_MAX, &event);
}

/* As the user of the connection may know it. */
static void put_record(struct monitor *monitor, const struct journal_record *record, size_t *len)
{
	struct monitors *monitors = monitor->monitors;
	const struct connection *connection = monitor->connection;
	const struct asker asker = {connection->user->uid, connection->is_trusted};
	const bool hidden =
	    monitors->hides && !secrecy_may_know(&asker, &record->owner, monitors->tracker->quota->own);
	struct readyd_answer answer = record->answer;
	struct readyd_event event = {.change = record->change,
	    .epoch = monitors->epoch,
	    .seq = monitor->at,
	    .time_ms = record->time_ms,
	    .pid = answer.pid,
	    .verdict = answer.verdict,
	    .reason = answer.reason,
	    .waiters = record->waiters};

	if (hidden)
		secrecy_strip(&answer);
	else
		memcpy(event.name, record->comm, sizeof(record->comm));
	event.start = answer.start;
	event.flags = answer.flags;
	event.wait_status = answer.wait_status;
	*len += wire_write_event(monitors->out + *len, WIRE_REPLY_MAX, &event);
}

static void begin_state(struct monitor *monitor, size_t *len)
{
	monitor->at = journal_of(monitor->monitors)->head;
	put_position(monitor, READYD_CHANGE_SNAPSHOT, len);
	registry_cursor_end(&monitor->cursor);
	registry_cursor_start(monitor->monitors->tracker->registry, &monitor->cursor);
	monitor->walks = true;
}

static void put_transition(struct monitor *monitor, size_t *len)
{
	const struct journal_record *record = journal_get(journal_of(monitor->monitors), monitor->at + 1);

	if (record == NULL) {
		put_position(monitor, READYD_CHANGE_GAP, len);
		begin_state(monitor, len);
		return;
	}
	monitor->at++;
	put_record(monitor, record, len);
}

/* The name of each process is read. */
static void put_state(struct monitor *monitor, size_t *len)
{
	struct registry_entry *entry = registry_cursor_next_of_all(&monitor->cursor);
	struct journal_record record;

	if (entry == NULL) {
		monitor->walks = false;
		put_position(monitor, READYD_CHANGE_LIVE, len);
	} else if (transitions_describe(transitions_of(monitor->monitors), entry, &record)) {
		connection_spend(monitor->connection, TURNS_NAMESAKE);
		put_record(monitor, &record, len);
	}
}

static bool is_behind(const struct monitor *monitor)
{
	return monitor->at != journal_of(monitor->monitors)->head;
}

static size_t write_some(struct monitor *monitor)
{
	const struct connection *connection = monitor->connection;
	size_t len = 0;

	while ((is_behind(monitor) || monitor->walks) && connection_budget(connection) > 0 &&
	       has_room(monitor->monitors, len)) {
		connection_spend(connection, TURNS_LINE);
		if (is_behind(monitor))
			put_transition(monitor, &len);
		else
			put_state(monitor, &len);
	}
	return len;
}

/* Returns whether more can be written in a later turn. */
static bool serve(struct monitor *monitor)
{
	struct connection *connection = monitor->connection;
	size_t len;

	if (connection_is_stuck(connection))
		return false;
	len = write_some(monitor);
	if (len > 0)
		connection_put(connection, monitor->monitors->out, len);
	return (is_behind(monitor) || monitor->walks) && !connection_is_stuck(connection);
}

/* The first one is the last in the next turn, since those of one user share its budget. */
static void on_turn(void *context)
{
	struct monitors *monitors = context;
	struct monitor *monitor = TAILQ_FIRST(&monitors->all);
	bool more = false;

	if (monitor == NULL)
		return;
	TAILQ_REMOVE(&monitors->all, monitor, link);
	TAILQ_INSERT_TAIL(&monitors->all, monitor, link);
	TAILQ_FOREACH (monitor, &monitors->all, link)
		more |= serve(monitor);
	if (more)
		loop_soon(monitors->turn);
}

static void on_settle(void *context)
{
	struct monitors *monitors = context;

	if (transitions_settle(transitions_of(monitors), SETTLE_SLICE))
		loop_soon(monitors->settle);
}

static void on_news(void *context)
{
	struct monitors *monitors = context;
	const struct transitions *transitions = transitions_of(monitors);

	loop_soon(monitors->turn);
	if (!TAILQ_EMPTY(&transitions->unsettled) && !loop_timer_runs(monitors->settle))
		loop_timer_start(monitors->settle, SETTLE_MS);
}

void monitors_init(struct monitors *monitors, struct loop *loop, struct tracker *tracker, uint64_t epoch,
    void (*on_first)(void *context), void *context)
{
	memset(monitors, 0, sizeof(*monitors));
	monitors->on_first = on_first;
	monitors->context = context;
	monitors->tracker = tracker;
	monitors->epoch = epoch;
	monitors->size = JOURNAL_SIZE;
	TAILQ_INIT(&monitors->all);
	monitors->turn = loop_timer_new(loop, on_turn, monitors);
	monitors->settle = loop_timer_new(loop, on_settle, monitors);
	tracker->transitions.on_news = on_news;
	tracker->transitions.context = monitors;
}

void monitors_fini(struct monitors *monitors)
{
	loop_timer_free(monitors->turn);
	loop_timer_free(monitors->settle);
}

/* NULL: its user may not have another one. */
static struct monitor *monitor_new(struct monitors *monitors, struct connection *connection)
{
	struct monitor *monitor;

	if (!quota_charge(monitors->tracker->quota, connection->user, QUOTA_MONITORS, 1))
		return NULL;
	monitor = xalloc_new(sizeof(*monitor));
	monitor->monitors = monitors;
	monitor->connection = connection;
	TAILQ_INSERT_TAIL(&monitors->all, monitor, link);
	monitors->count++;
	connection_busy(connection)->monitor = monitor;
	return monitor;
}

/* What has changed while no monitor was there belongs before the first position. */
static void begin_to_follow(struct monitors *monitors)
{
	struct transitions *transitions = transitions_of(monitors);

	journal_start(&transitions->journal, monitors->size);
	if (!transitions->followed)
		monitors->on_first(monitors->context);
	transitions->followed = true;
	if (!TAILQ_EMPTY(&transitions->unsettled))
		on_news(monitors);
}

static void begin(struct monitor *monitor, const struct wire_request *request, size_t *len)
{
	const struct monitors *monitors = monitor->monitors;

	monitor->walks = false;
	if (request->has_token && request->epoch == monitors->epoch &&
	    journal_can_resume(journal_of(monitors), request->seq)) {
		monitor->at = request->seq;
		put_position(monitor, READYD_CHANGE_RESUMED, len);
		return;
	}
	monitor->at = journal_of(monitors)->head;
	if (request->has_token)
		put_position(monitor, READYD_CHANGE_GAP, len);
	begin_state(monitor, len);
}

enum wire_error monitors_open(
    struct monitors *monitors, struct connection *connection, const struct wire_request *request)
{
	struct monitor *monitor = connection_work(connection)->monitor;
	size_t len = 0;

	if (monitor == NULL)
		monitor = monitor_new(monitors, connection);
	if (monitor == NULL)
		return WIRE_TOO_MANY_MONITORS;
	begin_to_follow(monitors);
	begin(monitor, request, &len);
	connection_put(connection, monitors->out, len);
	loop_soon(monitors->turn);
	return WIRE_OK;
}

void monitors_close(struct connection *connection)
{
	struct monitor *monitor = connection_work(connection)->monitor;
	struct monitors *monitors;

	if (monitor == NULL)
		return;
	monitors = monitor->monitors;
	registry_cursor_end(&monitor->cursor);
	TAILQ_REMOVE(&monitors->all, monitor, link);
	quota_release(monitors->tracker->quota, connection->user, QUOTA_MONITORS, 1);
	xalloc_free(monitor);
	connection->work->monitor = NULL;
	monitors->count--;
	if (monitors->count > 0)
		return;
	transitions_of(monitors)->followed = false;
	loop_timer_stop(monitors->settle);
}

void monitors_on_drained(struct connection *connection)
{
	loop_soon(connection_work(connection)->monitor->monitors->turn);
}
