#include "config.h"

#include <errno.h>

#include "client/lib/opinion.h"
#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/sock.h"
#include "src/verdict.h"

/* Requests and subscriptions of the connection end with it. */
static void leave_conn(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (t->state.subscription == SUBSCRIPTION_ASKED || t->state.subscription == SUBSCRIPTION_WAIT)
			(void)waiter_step(w, t, TARGET_LEFT, NULL);
}

/* Where the process has ended, that was not looked at yet. */
static void leave_gates(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (target_waits_for_gate(t)) {
			(void)waiter_step(w, t, TARGET_LEFT, NULL);
			waiter_look(w, t);
		}
}

/* The daemon cannot help with this target. */
static void go_without(struct readyd_waiter *w, struct target *t)
{
	(void)waiter_step(w, t, TARGET_NOT_HELPED, NULL);
	if (t->state.phase == TARGET_UNCONFIRMED)
		waiter_trust(w, t);
	if (!target_is_done(t))
		daemon_conn_refuse(&w->conn, clock_ms());
}

static bool is_open(const struct target *t)
{
	return !target_is_done(t) && t->state.phase != TARGET_NOT_STARTED;
}

/* 0 may be a start, or stand for one that is not known. */
static bool has_start(const struct process *p)
{
	return p->start_known || p->start != 0;
}

/* Where its start is not known, a living process has had the pid all the time. */
static bool is_another(const struct target *t, const struct readyd_answer *answer)
{
	if (!t->process.start_known && !t->process.no_such_process &&
	    !verdict_is_process_gone(answer->verdict) && process_gone(&t->process))
		return true;
	return has_start(&t->process) && answer->start != 0 && answer->start != t->process.start;
}

/* It says that this very process is ready, whatever was seen here. */
static bool is_own(const struct target *t, const struct readyd_answer *said)
{
	return said->verdict == READYD_READY && said->start != 0 && said->start == t->process.start &&
	       t->process.start_known;
}

/* With READYD_BACKEND_DAEMON the daemon's answer counts. Otherwise it counts if the daemon knows more; what
 * it cannot see, for example for lack of privileges, is watched here. */
static void take_answer(struct readyd_waiter *w, struct target *t, const struct readyd_answer *said)
{
	struct readyd_answer answer;

	/* It is about another process with this pid: the target has ended, and the own check shows how. */
	if (is_another(t, said)) {
		waiter_look(w, t);
		return;
	}
	if (t->history.strict && (said->flags & READYD_FLAG_AGE_ASSUMED) != 0) {
		go_without(w, t);
		return;
	}
	if (said->verdict == READYD_STALE && !t->fail_stale) {
		waiter_take_leftover(w, t);
		return;
	}
	answer = opinion_complete(&t->answer, said);
	answer.backend = READYD_BACKEND_DAEMON;
	if (waiter_is_forced(w)
		? !t->pending || answer.verdict == READYD_STALE || verdict_ends_wait(&answer)
		: is_own(t, &answer) || opinion_counts(&t->answer, t->history.refuted, &answer))
		(void)waiter_step(w, t, TARGET_TOLD, &answer);
	else
		go_without(w, t);
}

/* The start that the reply is about: of a daemon that says none, the one that the request named. Of several
 * with one pid, the reply does not say which. */
static uint64_t start_meant(struct readyd_waiter *w, const struct readyd_answer *said)
{
	struct target *t = target_set_first(&w->set, said->pid);

	if (said->start == 0 && t != NULL && target_set_next(&w->set, t) == NULL)
		return t->process.start;
	return said->start;
}

static bool is_hidden(const struct readyd_answer *said)
{
	return (said->flags & READYD_FLAG_STATUS_HIDDEN) != 0;
}

static void take_answers(struct readyd_waiter *w, const struct readyd_answer *said)
{
	struct target *t = target_set_first(&w->set, said->pid);
	struct readyd_answer named = *said;

	if (said->verdict == READYD_PENDING)
		return;
	if (is_hidden(said))
		named.start = start_meant(w, said);
	for (; t != NULL; t = target_set_next(&w->set, t))
		if (is_open(t))
			take_answer(w, t, &named);
}

static bool may_have_gate(const struct target *t, uint64_t start)
{
	return is_open(t) && t->gate < 0 && t->state.subscription != SUBSCRIPTION_WAIT &&
	       (!has_start(&t->process) || t->process.start == start);
}

/*
 * Whether the look that follows a subscription has been made: by the daemon, which watches the directory,
 * looks, and only then sends the gate, all of it after the own look has found nothing. It has looked at the
 * process that was looked at here, since it names its start, in the same directory (settings_agree()), and
 * has found that it is to be waited for. If it freezes now, or cannot see what is seen here, the next check
 * of all targets finds the marker.
 */
static bool has_been_looked_at(const struct target *t, const struct readyd_answer *of)
{
	return t->state.phase == TARGET_WAITING && t->pending && t->answer.verdict == READYD_PENDING &&
	       t->answer.reason == READYD_REASON_NONE && !t->history.in_other_dir && t->watched &&
	       t->process.start_known && of->start == t->process.start && of->start != 0;
}

/* Not if it is for another process with this pid. If the gate cannot be polled, WAIT is used. */
static void take_gate(struct readyd_waiter *w, const struct readyd_answer *of, int fd)
{
	uint64_t start = start_meant(w, of);
	struct target *t = target_set_first(&w->set, of->pid);
	bool looked;

	while (t != NULL && !may_have_gate(t, start))
		t = target_set_next(&w->set, t);
	if (t == NULL) {
		sock_close(fd);
		return;
	}
	if (poller_add(&w->poller, fd, POLLIN, waiter_tag(SOURCE_GATE, of->pid)) != 0) {
		sock_close(fd);
		t->no_gate = true;
		(void)waiter_step(w, t, TARGET_NOT_HELPED, NULL);
		return;
	}
	t->gate = fd;
	t->gate_is_hint = of->start == 0 && start != 0 && !is_hidden(of);
	looked = has_been_looked_at(t, of);
	(void)waiter_step(w, t, TARGET_GATE, NULL);
	if (!looked)
		waiter_look(w, t);
	if (target_waits_for_gate(t) && t->answer.verdict == READYD_READY)
		waiter_ask_why(w, t);
}

/* A WAIT without an answer by now has been accepted. A GATE has been answered, but about another process
 * with this pid: there is no subscription. */
static void end_asking(struct readyd_waiter *w, struct target *t)
{
	if (!t->asked_reply)
		(void)waiter_step(w, t, TARGET_TAKEN, NULL);
	waiter_look(w, t);
	if (t->state.subscription == SUBSCRIPTION_ASKED)
		go_without(w, t);
}

static void take_answered(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next) {
		if (t->state.subscription == SUBSCRIPTION_ASKED)
			end_asking(w, t);
		if (t->state.phase == TARGET_UNCONFIRMED && t->state.subscription == SUBSCRIPTION_WAIT)
			waiter_trust(w, t);
	}
}

/* A refusal does not say which of several with one pid it is about: the others are asked about again. */
static struct target *find_asked(struct readyd_waiter *w, pid_t pid)
{
	struct target *t = target_set_first(&w->set, pid);

	while (t != NULL && (!is_open(t) || t->state.subscription != SUBSCRIPTION_ASKED))
		t = target_set_next(&w->set, t);
	return t;
}

static int take_refusal(struct readyd_waiter *w, const struct daemon_event *event)
{
	struct target *t = find_asked(w, event->answer.pid);

	if (t == NULL)
		return 0;
	t->refusal = event->refusal;
	if (waiter_is_remote(w) && event->refusal == WIRE_NO_RESOURCES) {
		waiter_hold_remote(w, t);
		return 0;
	}
	if (event->refusal == WIRE_NO_RESOURCES && !t->no_gate) {
		t->no_gate = true;
		(void)waiter_step(w, t, TARGET_NOT_HELPED, NULL);
		return 0;
	}
	if (waiter_is_forced(w)) {
		errno = EAGAIN;
		return -1;
	}
	go_without(w, t);
	return 0;
}

static int take_absence(struct readyd_waiter *w, const struct daemon_event *event)
{
	if (w->conn.io.fd < 0)
		leave_conn(w);
	if (waiter_is_remote(w) && w->conn.met && event->error != EXDEV && event->error != EOPNOTSUPP) {
		waiter_lose_remote(w);
		return 0;
	}
	if (waiter_is_forced(w)) {
		errno = event->error;
		return -1;
	}
	/* At once: a daemon that goes away without an answer may do so each time. */
	waiter_trust_all(w);
	return 0;
}

/* A gate will tell what the daemon knows. If it stays open although the daemon is active, ask again; if the
 * daemon is not active, do not wait for it. */
static void take_silence(struct readyd_waiter *w, const struct daemon_event *event)
{
	if (event->kind == DAEMON_STOPPED || event->again)
		leave_gates(w);
	if (event->kind == DAEMON_STOPPED && !waiter_is_forced(w))
		waiter_trust_all(w);
}

int waiter_take_daemon_event(struct readyd_waiter *w, const struct daemon_event *event)
{
	switch (event->kind) {
	case DAEMON_ANSWER:
		if (waiter_is_remote(w))
			waiter_take_remote(w, &event->answer);
		else
			take_answers(w, &event->answer);
		return 0;
	case DAEMON_GATE:
		take_gate(w, &event->answer, event->fd);
		return 0;
	case DAEMON_REFUSED:
		return take_refusal(w, event);
	case DAEMON_ANSWERED:
		take_answered(w);
		return 0;
	case DAEMON_LOST:
		leave_conn(w);
		if (waiter_is_remote(w))
			waiter_leave_remote(w);
		waiter_look_all(w);
		return 0;
	case DAEMON_ABSENT:
		return take_absence(w, event);
	case DAEMON_SLOW:
	case DAEMON_STOPPED:
		take_silence(w, event);
		return 0;
	case DAEMON_NOTHING:
	case DAEMON_ENTRY:
	case DAEMON_END:
	case DAEMON_STATS:
	case DAEMON_CHANGE:
		return 0;
	}
	return 0;
}

/* So many in a turn: lines that keep coming must not keep the caller from its deadline. */
#define REPLIES_MOST 1024

int waiter_take_replies(struct readyd_waiter *w)
{
	struct daemon_event event;
	int count = 0;
	bool more = true;

	while (more && count < REPLIES_MOST && daemon_conn_next(&w->conn, clock_ms(), &event)) {
		count++;
		(void)waiter_poll_conn(w);
		if (waiter_take_daemon_event(w, &event) != 0)
			return -1;
		more = !daemon_conn_is_drained(&w->conn);
	}
	w->replies_left = count == REPLIES_MOST;
	(void)waiter_poll_conn(w);
	return 0;
}

HOT int waiter_expire(struct readyd_waiter *w)
{
	struct daemon_event event;

	while (daemon_conn_expire(&w->conn, clock_ms(), &event))
		if (waiter_take_daemon_event(w, &event) != 0)
			return -1;
	(void)waiter_poll_conn(w);
	return 0;
}
