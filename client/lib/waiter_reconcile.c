#include "config.h"

#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/hot.h"

/* While a subscription or a watch is active, rechecks only cover what these cannot see. */
#define BACKSTOP_MS 1000
/* With a subscription, the recheck comes after half of the time waited: so a frozen daemon delays the answer
 * by no more than that, at most a minute, and long waits cost almost nothing. */
#define BACKSTOP_MOST_MS 60000
/* Polling starts fast and slows down, so that thousands of waiters leave the worker some CPU time. */
#define POLL_FIRST_MS 10
#define POLL_LAST_MS  100
/* Thousands that poll are more than a slow machine can run, and then all of them are late: each that is late
 * halves its share. */
#define POLL_BUSY_MS 2000
/* The start of a process raises no event. */
#define NOT_STARTED_MS 50

HOT static int64_t backstop(const struct readyd_waiter *w, int64_t now)
{
	int64_t half = (now - w->since) / 2;

	if (half < BACKSTOP_MS)
		return BACKSTOP_MS;
	return half < BACKSTOP_MOST_MS ? half : BACKSTOP_MOST_MS;
}

HOT int64_t waiter_look_interval(struct readyd_waiter *w, int64_t now)
{
	if (waiter_is_remote(w))
		return clock_jitter(waiter_remote_interval(w));
	if (target_set_phase(&w->set, TARGET_NOT_STARTED) > 0)
		return clock_jitter(NOT_STARTED_MS);
	if (!w->watching)
		return clock_jitter(backstop(w, now));
	if (w->dir.wd >= 0)
		return clock_jitter(BACKSTOP_MS);
	if (w->poll_ms < POLL_LAST_MS)
		w->poll_ms += w->poll_ms / 10;
	else
		w->poll_ms -= (w->poll_ms - POLL_LAST_MS) / 10;
	return clock_jitter(w->poll_ms);
}

HOT static int64_t next_look(struct readyd_waiter *w, int64_t now)
{
	const int64_t interval = waiter_look_interval(w, now);

	return clock_align(clock_ms() + interval, interval);
}

static void note_lateness(struct readyd_waiter *w, int64_t late_ms)
{
	if (w->watching && w->dir.wd < 0 && late_ms > w->poll_ms / 2 && late_ms > POLL_FIRST_MS &&
	    w->poll_ms < POLL_BUSY_MS)
		w->poll_ms *= 2;
}

/* Watch, then check. */
static void start_watching(struct readyd_waiter *w)
{
	w->watching = true;
	w->poll_ms = POLL_FIRST_MS;
	w->look_at = 0;
	waiter_arm_dir(w);
	waiter_look_all(w);
}

static void stop_watching(struct readyd_waiter *w)
{
	w->watching = false;
	waiter_close_dir(w);
}

HOT static struct plan make_plan(const struct readyd_waiter *w)
{
	struct plan plan =
	    plan_make(&w->set, w->settings.backend, daemon_conn_is_absent(&w->conn), w->watching);

	/* The daemon does not report a stale marker. */
	plan.watch |= w->settings.fail_stale && !waiter_is_remote(w) && target_set_waiting(&w->set) > 0;
	return plan;
}

/* Whether something can be done at once: the deadline then makes the caller return. */
HOT static bool is_due(const struct readyd_waiter *w, const struct plan *plan, int64_t now)
{
	return w->behind || w->replies_left || plan->trust || plan->watch != w->watching ||
	       (plan->ask && daemon_conn_may_ask(&w->conn, now, plan->urgent));
}

/* The deadline is the earliest of all times, and now if something can be done or taken at once. */
HOT static void set_deadline(struct readyd_waiter *w, const struct plan *plan, int64_t now)
{
	int64_t at =
	    clock_earlier(clock_earlier(w->look_at, w->stale_at), daemon_conn_deadline(&w->conn, plan->ask));

	if (target_set_done(&w->set) != NULL || is_due(w, plan, now))
		at = 1;
	poller_set_deadline(&w->poller, at);
}

HOT void waiter_rest(struct readyd_waiter *w)
{
	struct plan plan = make_plan(w);

	if (!plan.watch && w->watching)
		stop_watching(w);
	if (plan.rest) {
		daemon_conn_rest(&w->conn, plan.close);
		(void)waiter_poll_conn(w);
	}
	if (target_set_waiting(&w->set) == 0)
		w->look_at = w->stale_at = 0;
	set_deadline(w, &plan, clock_ms());
}

HOT static void look_when_due(struct readyd_waiter *w, int64_t now)
{
	if (w->stale_at != 0 && w->stale_at <= now) {
		w->stale_at = 0;
		waiter_recheck_stale(w);
	}
	if (w->look_at == 0 || w->look_at > now)
		return;
	note_lateness(w, now - w->look_at);
	w->look_at = 0;
	if (waiter_is_remote(w)) {
		waiter_recheck_remote(w);
		return;
	}
	waiter_arm_dir(w);
	waiter_recheck_all(w, w->watching && w->dir.wd < 0 && w->poll_ms >= POLL_LAST_MS);
	/* Each of these checks has added again the extra directory that it needs. */
	dirwatch_age(&w->dir);
}

HOT int waiter_reconcile(struct readyd_waiter *w)
{
	int64_t now = clock_ms();
	struct plan plan;

	if (waiter_expire(w) != 0)
		return -1;
	look_when_due(w, now);
	if (w->behind)
		waiter_read_dir(w);
	if (w->replies_left && waiter_take_replies(w) != 0)
		return -1;
	plan = make_plan(w);
	daemon_conn_expect(&w->conn, now, plan.expect);
	if (plan.ask && daemon_conn_may_ask(&w->conn, now, plan.urgent) && waiter_ask(w) != 0)
		return -1;
	plan = make_plan(w);
	if (plan.trust)
		waiter_trust_all(w);
	if (make_plan(w).watch && !w->watching)
		start_watching(w);
	if (w->look_at == 0 && target_set_waiting(&w->set) > 0)
		w->look_at = next_look(w, now);
	waiter_rest(w);
	return 0;
}
