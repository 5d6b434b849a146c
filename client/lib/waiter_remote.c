/* Of the processes of a remote daemon, only what it says is known: there is no look, no pidfd and no gate. */
#include "config.h"

#include "client/lib/opinion.h"
#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/verdict.h"

/* How often it is asked about what it does not report: the start of a process, a marker that is not the
 * process's own, or one of an assumed age. */
#define NOT_STARTED_MS 500
#define ASK_AGAIN_MS   1000
#define IDLE_MS	       3600000

/* Asked by its pid first, which is then known by its start: else, after the connection was lost, another
 * process of that number could be taken for it. */
void waiter_put_remote(struct readyd_waiter *w, struct target *t)
{
	const bool query = t->process.start == 0 && !t->nameless;
	const enum wire_verb wait = t->was_ready ? WIRE_END : WIRE_WAIT;
	const struct wire_request request = {
	    .verb = query ? WIRE_QUERY : wait, .pid = t->process.pid, .start = t->process.start};

	daemon_conn_put(&w->conn, &request);
	t->asked_reply = query;
	(void)waiter_step(w, t, TARGET_ASK, NULL);
}

void waiter_hold_remote(struct readyd_waiter *w, struct target *t)
{
	(void)waiter_step(w, t, TARGET_NOT_HELPED, NULL);
	daemon_conn_refuse(&w->conn, clock_ms());
}

static void take_not_started(struct readyd_waiter *w, struct target *t, const struct readyd_answer *said)
{
	t->former = said->start;
	t->told = true;
	t->answer = *said;
	t->answer.verdict = READYD_PENDING;
	t->answer.reason = READYD_REASON_NOT_STARTED;
	t->answer.start = 0;
	target_set_not_started(&w->set, t);
	w->look_at = clock_earlier(w->look_at, clock_ms() + waiter_look_interval(w, 0));
}

/* What was said of an earlier process of the number is said again until another has it. */
static bool has_not_started(
    const struct readyd_waiter *w, const struct target *t, const struct readyd_answer *said)
{
	return w->settings.await_start && t->start == 0 && t->process.start == 0 && !t->nameless &&
	       verdict_is_process_gone(said->verdict) &&
	       (!t->told || said->start == 0 || said->start == t->former);
}

static void note_told(struct readyd_waiter *w, struct target *t, const struct readyd_answer *said)
{
	t->told = true;
	if (t->process.start == 0)
		t->process.start = said->start;
	t->nameless = t->process.start == 0;
	(void)waiter_step(w, t, TARGET_SAW_NOTHING, said);
}

/* The wait goes on: by WAIT, now that the process is known. */
static void take_pending(struct readyd_waiter *w, struct target *t, const struct readyd_answer *said)
{
	const bool asked = t->state.subscription == SUBSCRIPTION_ASKED && t->asked_reply;

	note_told(w, t, said);
	if (asked)
		(void)waiter_step(w, t, TARGET_NOT_HELPED, NULL);
}

/* The wait goes on: by END, since the WAIT has been answered. */
static void take_ready(struct readyd_waiter *w, struct target *t, const struct readyd_answer *said)
{
	t->was_ready = true;
	note_told(w, t, said);
	(void)waiter_step(w, t, TARGET_NOT_HELPED, NULL);
}

/* It was ready: that cannot become untrue, even if the daemon has forgotten it. */
static void take_end(struct readyd_waiter *w, struct target *t, const struct readyd_answer *said)
{
	struct readyd_answer answer = *said;

	if (!verdict_is_process_gone(said->verdict))
		return;
	if (answer.verdict == READYD_DIED)
		answer.reason = READYD_REASON_NONE;
	answer.verdict = READYD_EXITED;
	(void)waiter_step(w, t, TARGET_TOLD, &answer);
}

static void take_answer(struct readyd_waiter *w, struct target *t, const struct readyd_answer *said)
{
	const struct readyd_answer strict = opinion_strict(said);
	const bool assumed =
	    w->settings.strict_age && (said->flags & READYD_FLAG_AGE_ASSUMED) != 0 && !target_is_done(t);

	if (t->was_ready) {
		take_end(w, t, said);
	} else if (has_not_started(w, t, said)) {
		take_not_started(w, t, said);
	} else if (assumed) {
		take_pending(w, t, &strict);
		waiter_hold_remote(w, t);
	} else if (w->settings.await_end && said->verdict == READYD_READY) {
		take_ready(w, t, said);
	} else if (target_ends_wait(t, said)) {
		t->told = true;
		(void)waiter_step(w, t, TARGET_TOLD, said);
	} else {
		take_pending(w, t, said);
	}
}

struct readyd_answer waiter_last_remote(const struct target *t)
{
	if (t->told || target_is_done(t))
		return t->answer;
	return (struct readyd_answer){.pid = t->process.pid,
	    .start = t->process.start,
	    .verdict = READYD_PENDING,
	    .backend = READYD_BACKEND_REMOTE,
	    .wait_status = -1};
}

static bool is_open(const struct target *t)
{
	return !target_is_done(t) && t->state.phase != TARGET_NOT_STARTED;
}

/* Of several with one pid, a reply without a start is about the one that is named by the pid alone. */
static bool is_about(const struct target *t, const struct readyd_answer *said, bool alone)
{
	if (said->start == 0)
		return alone || t->process.start == 0;
	return t->process.start == 0 || t->process.start == said->start;
}

void waiter_take_remote(struct readyd_waiter *w, const struct readyd_answer *said)
{
	struct target *t = target_set_first(&w->set, said->pid);
	const bool alone = t != NULL && target_set_next(&w->set, t) == NULL;
	struct readyd_answer named = *said;

	named.backend = READYD_BACKEND_REMOTE;
	for (; t != NULL; t = target_set_next(&w->set, t)) {
		if (!is_open(t) || !is_about(t, said, alone))
			continue;
		named.start = said->start != 0 ? said->start : t->process.start;
		take_answer(w, t, &named);
	}
}

static void lose(struct readyd_waiter *w, struct target *t)
{
	const struct readyd_answer answer = {.pid = t->process.pid,
	    .start = t->process.start,
	    .verdict = READYD_UNREACHABLE,
	    .reason = READYD_REASON_CONNECTION_LOST,
	    .backend = READYD_BACKEND_REMOTE,
	    .wait_status = -1};

	if (t->state.phase == TARGET_NOT_STARTED)
		(void)waiter_step(w, t, TARGET_BORN, NULL);
	(void)waiter_step(w, t, TARGET_TOLD, &answer);
}

/* The daemon may hide the start (hidepid), or there may be none. */
void waiter_leave_remote(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (is_open(t) && t->nameless)
			lose(w, t);
}

void waiter_lose_remote(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (!target_is_done(t))
			lose(w, t);
}

int64_t waiter_remote_interval(const struct readyd_waiter *w)
{
	if (target_set_phase(&w->set, TARGET_NOT_STARTED) > 0)
		return NOT_STARTED_MS;
	return w->settings.fail_stale ? ASK_AGAIN_MS : IDLE_MS;
}

/* Their turn to be asked about comes with the next request. */
static void ask_again_whether_started(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (t->state.phase == TARGET_NOT_STARTED)
			(void)waiter_step(w, t, TARGET_BORN, NULL);
}

static void ask_again_whether_stale(struct readyd_waiter *w)
{
	struct daemon_event event;
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next) {
		const struct wire_request request = {
		    .verb = WIRE_QUERY, .pid = t->process.pid, .start = t->process.start};

		if (t->state.subscription == SUBSCRIPTION_WAIT)
			daemon_conn_put(&w->conn, &request);
	}
	/* If the connection breaks here, the next event shows it. */
	(void)daemon_conn_commit(&w->conn, clock_ms(), true, &event);
	(void)waiter_poll_conn(w);
}

void waiter_recheck_remote(struct readyd_waiter *w)
{
	ask_again_whether_started(w);
	if (w->settings.fail_stale && w->conn.state == DAEMON_OPEN && !w->conn.in_flight)
		ask_again_whether_stale(w);
}
