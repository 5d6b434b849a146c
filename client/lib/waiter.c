#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/lib/ask.h"
#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/verdict.h"

int waiter_init(struct readyd_waiter *w, const struct readyd_options *options)
{
	memset(w, 0, sizeof(*w));
	w->epoll = w->timer = -1;
	w->descriptors = sysconf(_SC_OPEN_MAX);
	daemon_conn_init(&w->conn);
	filewatch_init(&w->file);
	TAILQ_INIT(&w->all);
	STAILQ_INIT(&w->done);
	return settings_init(&w->settings, options);
}

HOT void waiter_fini(struct readyd_waiter *w)
{
	struct target *t, *next;

	/* First, so that nothing is taken out of it: in a forked child it is the parent's too. */
	poll_close(w);
	TARGETS_EACH (w, t, next)
		target_free(w, t);
	daemon_conn_close(&w->conn);
	filewatch_close(&w->file);
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
	return poll_open(w) == 0 ? w->epoll : -1;
}

size_t readyd_waiter_pending(const struct readyd_waiter *w)
{
	return w->waiting;
}

int64_t waiter_earlier(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

void waiter_look_all(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (w, t, next)
		if (!t->done && !t->unconfirmed)
			target_look(w, t);
}

/* Each of perhaps thousands of waiters looks now and then, so most of these looks only find that there is
 * still nothing: that the process has ended would show in the poll. */
#define QUICK_RECHECKS 8

static void recheck_all(struct readyd_waiter *w)
{
	bool thorough = ++w->quick_rechecks % QUICK_RECHECKS == 0;
	struct target *t, *next;

	TARGETS_EACH (w, t, next)
		if (!t->done && !t->unconfirmed &&
		    (thorough || t->subscription == SUBSCRIPTION_NONE || t->history.in_other_dir ||
			t->process.unread || !marker_is_absent(&w->settings.place, t->process.ns_pid)))
			target_look(w, t);
}

/* The timer stands for every time there is, and for answers that lie ready to be taken. */
HOT static void set_timer(struct readyd_waiter *w)
{
	int64_t at = waiter_earlier(
	    waiter_earlier(w->reply_by, w->confirm_by), waiter_earlier(w->retry_at, w->look_at));

	poll_set_timer(w, STAILQ_EMPTY(&w->done) ? at : 1);
}

/* After every step: ask for what is in doubt, let go of what is not needed, set the timer. */
static int settle_down(struct readyd_waiter *w)
{
	if (w->unconfirmed_count > 0 && daemon_resolve(w) != 0)
		return -1;
	if (w->unconfirmed_count == 0)
		w->confirm_by = 0;
	daemon_rest(w);
	if (w->waiting == 0)
		w->look_at = 0;
	else if (w->look_at == 0)
		w->look_at = clock_ms() + file_interval(w);
	set_timer(w);
	return 0;
}

int readyd_waiter_add(struct readyd_waiter *w, pid_t pid)
{
	return readyd_waiter_add_exact(w, pid, 0);
}

int readyd_waiter_add_exact(struct readyd_waiter *w, pid_t pid, uint64_t start)
{
	struct target *t;

	if (pid < 1) {
		errno = EINVAL;
		return -1;
	}
	if (target_find(w, pid) != NULL) {
		errno = EEXIST;
		return -1;
	}
	t = target_add(w, pid, start);
	if (t == NULL)
		return -1;
	w->since = clock_ms();
	/* Who insists on the daemon wants its answer, not ours. */
	if (w->settings.backend != READYD_BACKEND_DAEMON || t->not_started)
		target_look(w, t);
	/* The daemon is asked when the events are handled, so that it is asked for a whole set at once. */
	if (!t->done && w->retry_at == 0)
		w->retry_at = clock_ms();
	set_timer(w);
	return 0;
}

int readyd_waiter_cancel(struct readyd_waiter *w, pid_t pid)
{
	struct target *t = target_find(w, pid);

	if (t == NULL) {
		errno = ENOENT;
		return -1;
	}
	if (t->done)
		STAILQ_REMOVE(&w->done, t, target, link);
	else
		daemon_cancel(w, t);
	target_free(w, t);
	return settle_down(w);
}

/* The daemon may not have been asked yet, when the deadline was short: what it remembers counts all the
 * same. One that does not answer is not asked again for the others of a set. */
static void ask_once(struct readyd_waiter *w, const struct target *t, struct readyd_answer *answer)
{
	struct readyd_answer said;

	if (t->subscription != SUBSCRIPTION_NONE || w->settings.backend == READYD_BACKEND_FILE ||
	    w->daemon_silent)
		return;
	w->daemon_silent = ask_verdict(&w->settings, t->process.pid, t->process.start, &said) != 0;
	if (w->daemon_silent || !ask_knows_more(answer, &said))
		return;
	ask_complete(&said, answer);
	*answer = said;
}

int readyd_waiter_peek(struct readyd_waiter *w, pid_t pid, struct readyd_answer *answer)
{
	struct target *t = target_find(w, pid);

	if (t == NULL) {
		errno = ENOENT;
		return -1;
	}
	*answer = t->answer;
	if (t->done)
		return 0;
	if (t->not_started) {
		*answer = (struct readyd_answer){.pid = pid,
		    .verdict = READYD_PENDING,
		    .reason = READYD_REASON_NOT_STARTED,
		    .backend = READYD_BACKEND_FILE,
		    .wait_status = -1};
		return 0;
	}
	check_process(&w->settings.place, &t->process, &t->history, collisions_lone(), answer);
	answer->backend = READYD_BACKEND_FILE;
	if (target_ends_wait(t, answer))
		return 0;
	/* What we may not see the daemon sees, and it has not told. */
	if (verdict_ends_wait(answer)) {
		answer->verdict = READYD_PENDING;
		answer->reason = READYD_REASON_NONE;
	}
	ask_once(w, t, answer);
	return 0;
}

static int on_timer(struct readyd_waiter *w)
{
	int64_t now = clock_ms();
	uint64_t expirations;

	if (w->timer >= 0 && read(w->timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		return -1;
	w->armed_for = 0;
	if (w->reply_by != 0 && w->reply_by <= now && daemon_on_late(w) != 0)
		return -1;
	if (w->confirm_by != 0 && w->confirm_by <= now && daemon_on_unconfirmed(w) != 0)
		return -1;
	if (w->retry_at != 0 && w->retry_at <= now && daemon_ask(w) != 0)
		return -1;
	if (w->look_at != 0 && w->look_at <= now) {
		w->look_at = 0;
		file_check(w);
		recheck_all(w);
	}
	return 0;
}

HOT static int handle(struct readyd_waiter *w, enum source source, uint64_t tag, uint32_t events)
{
	struct target *t = target_find(w, (pid_t)(tag >> 8));

	switch (source) {
	case SOURCE_TIMER:
		return on_timer(w);
	case SOURCE_CONN:
		return w->conn_state == CONN_CLOSED ? 0 : daemon_on_readable(w);
	case SOURCE_FILE:
		if (w->file.fd >= 0)
			file_on_readable(w);
		return 0;
	case SOURCE_PIDFD:
		if (t != NULL && !t->done)
			target_on_death(w, t);
		return 0;
	case SOURCE_GATE:
		return t != NULL && t->subscription == SUBSCRIPTION_GATE ? daemon_on_gate(w, t, events) : 0;
	}
	return 0;
}

HOT int waiter_on_event(struct readyd_waiter *w, uint64_t tag, uint32_t events)
{
	enum source source = (enum source)(tag & 0xff);
	int result = handle(w, source, tag, events);

	/* Nobody asks for it any more when nothing waits. */
	if (source != SOURCE_TIMER && w->waiting > 0)
		w->last_event = clock_ms();
	return result;
}

HOT bool waiter_take(struct readyd_waiter *w, struct readyd_answer *answer)
{
	struct target *t = STAILQ_FIRST(&w->done);

	if (t == NULL)
		return false;
	STAILQ_REMOVE_HEAD(&w->done, link);
	*answer = t->answer;
	target_free(w, t);
	set_timer(w);
	return true;
}

HOT int readyd_waiter_next(struct readyd_waiter *w, struct readyd_answer *answer)
{
	if (waiter_take(w, answer))
		return 1;
	if (poll_take(w, 0) != 0 || settle_down(w) != 0)
		return -1;
	return waiter_take(w, answer) ? 1 : 0;
}

HOT int readyd_waiter_sleep(struct readyd_waiter *w, int timeout_ms)
{
	if (!STAILQ_EMPTY(&w->done))
		return 0;
	if (poll_take(w, timeout_ms) != 0)
		return -1;
	return w->waiting == 0 ? 0 : settle_down(w);
}
