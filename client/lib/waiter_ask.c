#include "config.h"

#include "client/lib/waiter.h"
#include "src/clock.h"

/* Up to this many processes get a gate each, and the connection is closed; more share one connection. */
#define GATES_MOST 8

static void put_query(struct readyd_waiter *w, struct target *t)
{
	const struct wire_request request = {
	    .verb = WIRE_QUERY, .pid = t->process.pid, .start = t->process.start};

	waiter_note_marker(w, t);
	daemon_conn_put(&w->conn, &request);
}

/* To a GATE or WAIT, the daemon does not say that the marker is stale, which the caller wants to know, or
 * which would overrule what was seen here. A gate says that the daemon disagrees: then it is asked why. */
static bool needs_query(const struct readyd_waiter *w, const struct target *t, bool gate)
{
	if (w->settings.fail_stale)
		return true;
	return !gate && t->state.phase == TARGET_UNCONFIRMED && t->answer.verdict == READYD_READY;
}

/* The byte in a gate does not say that an age was assumed. */
static bool uses_gate(const struct readyd_waiter *w, const struct target *t)
{
	return target_set_waiting(&w->set) <= GATES_MOST && !t->no_gate && !w->settings.strict_age;
}

static void put_own(struct readyd_waiter *w, struct target *t)
{
	bool gate = uses_gate(w, t);
	const struct wire_request request = {
	    .verb = gate ? WIRE_GATE : WIRE_WAIT, .pid = t->process.pid, .start = t->process.start};

	if (needs_query(w, t, gate))
		put_query(w, t);
	daemon_conn_put(&w->conn, &request);
	t->asked_reply = gate;
	(void)waiter_step(w, t, TARGET_ASK, NULL);
}

static void put(struct readyd_waiter *w, struct target *t)
{
	if (waiter_is_remote(w))
		waiter_put_remote(w, t);
	else
		put_own(w, t);
}

/* The requests are sent together with the greeting; if its answer shows that the daemon serves something
 * else, the other answers are not read. */
int waiter_ask(struct readyd_waiter *w)
{
	int64_t now = clock_ms();
	struct daemon_event event;
	struct target *t, *next;
	bool sent;

	if (!daemon_conn_begin(&w->conn, now, true, &event))
		return waiter_take_daemon_event(w, &event);
	TARGETS_EACH (&w->set, t, next)
		if ((t->state.phase == TARGET_WAITING || t->state.phase == TARGET_UNCONFIRMED) &&
		    t->state.subscription == SUBSCRIPTION_NONE)
			put(w, t);
	sent = daemon_conn_commit(&w->conn, now, true, &event);
	if (waiter_poll_conn(w) == 0 && sent)
		return 0;
	if (sent)
		daemon_conn_fail(&w->conn, now, &event);
	(void)waiter_poll_conn(w);
	return waiter_take_daemon_event(w, &event);
}

/* If the connection breaks here, the next event shows it. */
void waiter_ask_why(struct readyd_waiter *w, struct target *t)
{
	struct daemon_event event;

	put_query(w, t);
	(void)daemon_conn_commit(&w->conn, clock_ms(), true, &event);
	(void)waiter_poll_conn(w);
}

void waiter_cancel_wait(struct readyd_waiter *w, const struct target *t)
{
	const struct wire_request request = {.verb = WIRE_CANCEL, .pid = t->process.pid};

	if (t->state.subscription != SUBSCRIPTION_ASKED && t->state.subscription != SUBSCRIPTION_WAIT)
		return;
	/* The daemon would cancel the waits for the others with this pid, too. */
	if (target_set_next(&w->set, target_set_first(&w->set, t->process.pid)) != NULL)
		return;
	/* If the connection breaks here, the next event shows it. */
	daemon_conn_put(&w->conn, &request);
	(void)daemon_io_flush(&w->conn.io);
	(void)waiter_poll_conn(w);
}
