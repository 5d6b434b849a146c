#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/lib/abi.h"
#include "client/lib/opinion.h"
#include "client/lib/question.h"
#include "client/lib/waiter.h"
#include "src/check.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/verdict.h"

/* The watch has read events ahead; its descriptor may not be readable. */
static void on_behind(void *context)
{
	struct readyd_waiter *w = context;

	w->behind = true;
}

int waiter_init(struct readyd_waiter *w, const struct readyd_options *options)
{
	memset(w, 0, sizeof(*w));
	target_set_init(&w->set);
	poller_init(&w->poller);
	dirwatch_init(&w->dir, &w->settings.place, on_behind, w);
	w->conn_fd = -1;
	if (settings_init(&w->settings, options) != 0)
		return -1;
	daemon_conn_init(&w->conn, &w->settings);
	return 0;
}

HOT void waiter_fini(struct readyd_waiter *w)
{
	struct target *t, *next;

	/* First, so that nothing is removed from it: in a forked child, it is shared with the parent. */
	poller_fini(&w->poller);
	TARGETS_EACH (&w->set, t, next)
		waiter_remove(w, t);
	daemon_conn_close(&w->conn);
	dirwatch_close(&w->dir);
}

struct readyd_waiter *readyd_waiter_new(const struct readyd_options *options)
{
	struct readyd_waiter *w = malloc(sizeof(*w));
	int saved;

	if (w == NULL || waiter_init(w, options) == 0)
		return w;
	saved = errno;
	free(w);
	errno = saved;
	return NULL;
}

void readyd_waiter_free(struct readyd_waiter *w)
{
	if (w == NULL)
		return;
	waiter_fini(w);
	free(w);
}

int readyd_waiter_fd(struct readyd_waiter *w)
{
	return poller_fd(&w->poller);
}

HOT size_t readyd_waiter_pending(const struct readyd_waiter *w)
{
	return target_set_waiting(&w->set);
}

int readyd_waiter_add(struct readyd_waiter *w, pid_t pid)
{
	return readyd_waiter_add_exact(w, pid, 0);
}

/* Requests are sent when events are handled, so that those for a whole set go out together. */
int readyd_waiter_add_exact(struct readyd_waiter *w, pid_t pid, uint64_t start)
{
	struct target *t;

	if (pid < 1) {
		errno = EINVAL;
		return -1;
	}
	if (target_set_find(&w->set, pid, start) != NULL) {
		errno = EEXIST;
		return -1;
	}
	t = target_set_add(&w->set, pid, start);
	if (t == NULL)
		return -1;
	w->since = clock_ms();
	/* The look polls the pidfd. */
	w->fresh = w->set.count == 1;
	waiter_open(w, t, start);
	/* With READYD_BACKEND_DAEMON only the answer of the daemon counts. */
	if (!waiter_is_forced(w) || t->state.phase == TARGET_NOT_STARTED)
		waiter_look_first(w, t);
	/* Its start raises no event, and the next check of all targets may be far away. */
	if (t->state.phase == TARGET_NOT_STARTED)
		w->look_at = clock_earlier(w->look_at, w->since + waiter_look_interval(w, w->since));
	daemon_conn_ask_soon(&w->conn);
	waiter_rest(w);
	return 0;
}

int readyd_waiter_cancel(struct readyd_waiter *w, pid_t pid)
{
	return readyd_waiter_cancel_exact(w, pid, 0);
}

int readyd_waiter_cancel_exact(struct readyd_waiter *w, pid_t pid, uint64_t start)
{
	struct target *t = target_set_find(&w->set, pid, start);

	if (t == NULL) {
		errno = ENOENT;
		return -1;
	}
	waiter_cancel_wait(w, t);
	waiter_remove(w, t);
	waiter_rest(w);
	return 0;
}

/* How long a daemon that is only slow may delay the last look at all targets of a set. */
#define PEEK_MOST_MS 1000

/* After a short deadline, the daemon may not have been asked yet, but what it remembers counts. If it does
 * not answer, it is not asked again for the others of a set. */
void waiter_ask_once(struct readyd_waiter *w, const struct target *t, struct readyd_answer *answer)
{
	int64_t began = clock_ms();
	struct readyd_answer said;

	if (w->settings.backend == READYD_BACKEND_FILE || w->daemon_silent || w->peek_ms >= PEEK_MOST_MS)
		return;
	w->daemon_silent = question_ask_verdict(&w->settings, t->process.pid, t->process.start, &said) != 0;
	w->conn.untrusted = w->daemon_silent && errno == EPERM;
	w->peek_ms += clock_ms() - began;
	if (!w->daemon_silent)
		*answer = opinion_merge(answer, t->history.refuted, &said);
}

static struct readyd_answer not_started(pid_t pid)
{
	return (struct readyd_answer){.pid = pid,
	    .verdict = READYD_PENDING,
	    .reason = READYD_REASON_NOT_STARTED,
	    .backend = READYD_BACKEND_FILE,
	    .wait_status = -1};
}

HOT static int poll_events(struct readyd_waiter *w, int timeout_ms)
{
	struct poller_event events[POLLER_EVENTS];
	int count = poller_wait(&w->poller, clock_ms(), timeout_ms, events);

	w->peek_ms = 0;
	w->daemon_silent = false;
	return count < 0 ? -1 : waiter_dispatch(w, events, count);
}

/* Where the daemon has said nothing yet, its first word is waited for: a stream carries one connection, so no
 * other one could ask. Not one that could not be reached. */
static int peek_remote(struct readyd_waiter *w, struct target *t, struct readyd_answer *answer)
{
	const int64_t by = clock_ms() + PEEK_MOST_MS - w->peek_ms;
	int64_t left;

	while (!t->told && !target_is_done(t) && w->conn.error == 0 && (left = by - clock_ms()) > 0)
		if (waiter_reconcile(w) != 0 || poll_events(w, (int)left) != 0)
			return -1;
	w->peek_ms = PEEK_MOST_MS - (by - clock_ms());
	*answer = waiter_last_remote(t);
	return 0;
}

static void peek(struct readyd_waiter *w, struct target *t, struct readyd_answer *answer)
{
	check_process(
	    &w->settings.place, &t->process, &t->history, collisions_lone(), &marker_viewer_direct, answer);
	answer->backend = READYD_BACKEND_FILE;
	if (target_ends_wait(t, answer) && !t->history.unconfirmed)
		return;
	/* The daemon sees what the client cannot, and has reported nothing. */
	if (verdict_ends_wait(answer) && !target_ends_wait(t, answer)) {
		answer->verdict = READYD_PENDING;
		answer->reason = READYD_REASON_NONE;
	}
	if (!target_is_covered(t) || t->history.unconfirmed)
		waiter_ask_once(w, t, answer);
}

int waiter_peek(struct readyd_waiter *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct target *t = target_set_find(&w->set, pid, start);

	if (t == NULL) {
		errno = ENOENT;
		return -1;
	}
	if (target_is_done(t))
		*answer = t->answer;
	else if (waiter_is_remote(w))
		return peek_remote(w, t, answer);
	else if (t->state.phase == TARGET_NOT_STARTED)
		*answer = not_started(pid);
	else
		peek(w, t, answer);
	return 0;
}

int readyd_waiter_peek(struct readyd_waiter *w, pid_t pid, struct readyd_answer *answer)
{
	return readyd_waiter_peek_exact(w, pid, 0, answer);
}

int readyd_waiter_peek_exact(struct readyd_waiter *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct readyd_answer own;

	if (abi_check_answer(answer) != 0 || waiter_peek(w, pid, start, &own) != 0)
		return -1;
	abi_give_answer(answer, &own);
	return 0;
}

HOT bool waiter_take(struct readyd_waiter *w, struct readyd_answer *answer)
{
	struct target *t = target_set_done(&w->set);

	if (t == NULL)
		return false;
	*answer = t->answer;
	waiter_remove(w, t);
	waiter_rest(w);
	return true;
}

static int find_next(struct readyd_waiter *w, struct readyd_answer *answer)
{
	bool fresh = w->fresh;

	if (waiter_take(w, answer))
		return 1;
	w->fresh = false;
	/* With nothing left to wait for, no event is missed. */
	if ((!fresh && poll_events(w, 0) != 0) || waiter_reconcile(w) != 0)
		return target_set_waiting(&w->set) == 0 ? 0 : -1;
	return waiter_take(w, answer) ? 1 : 0;
}

/* What is found makes the deadline now, and what is taken makes it what it was. */
static int next(struct readyd_waiter *w, struct readyd_answer *answer)
{
	int result, saved;

	poller_hold(&w->poller);
	result = find_next(w, answer);
	saved = errno;
	poller_release(&w->poller);
	errno = saved;
	return result;
}

int readyd_waiter_next(struct readyd_waiter *w, struct readyd_answer *answer)
{
	struct readyd_answer own;
	int result;

	if (abi_check_answer(answer) != 0)
		return -1;
	result = next(w, &own);
	if (result == 1)
		abi_give_answer(answer, &own);
	return result;
}

HOT int readyd_waiter_sleep(struct readyd_waiter *w, int timeout_ms)
{
	if (target_set_done(&w->set) != NULL)
		return 0;
	if (poll_events(w, timeout_ms) != 0)
		return -1;
	w->fresh = true;
	return target_set_waiting(&w->set) == 0 ? 0 : waiter_reconcile(w);
}
