#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/lib/waiter.h"
#include "src/marker_dir.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/verdict.h"

HOT struct target *target_find(struct readyd_waiter *w, pid_t pid)
{
	struct target *t;

	if (w->count > TARGETS_FEW) {
		HASH_FIND_INT(w->by_pid, &pid, t);
		return t;
	}
	TAILQ_FOREACH (t, &w->all, all)
		if (t->process.pid == pid)
			return t;
	return NULL;
}

/* Those that are not in the hash have been added last, while there were few. -1: no memory. */
static int index_targets(struct readyd_waiter *w)
{
	struct target *t;

	if (w->count <= TARGETS_FEW)
		return 0;
	TAILQ_FOREACH_REVERSE (t, &w->all, targets, all) {
		if (t->hh.tbl != NULL)
			return 0;
		HASH_ADD_INT(w->by_pid, process.pid, t);
		if (t->hh.tbl == NULL)
			return -1;
	}
	return 0;
}

HOT static void remove_target(struct readyd_waiter *w, struct target *t)
{
	if (t->hh.tbl != NULL)
		HASH_DEL(w->by_pid, t);
	TAILQ_REMOVE(&w->all, t, all);
	w->count--;
}

/* How soon to look again after descriptors or memory had run out. */
#define SHORTAGE_MS 100

/* Some descriptors are kept for asking and watching: a process without one is looked at in /proc. */
#define DESCRIPTORS_KEPT 8

static void open_process(struct readyd_waiter *w, struct target *t, uint64_t start)
{
	process_open_exact(&t->process, t->process.pid, start);
	if (t->process.fd >= w->descriptors - DESCRIPTORS_KEPT)
		process_close(&t->process);
}

static void watch_process(struct readyd_waiter *w, struct target *t)
{
	w->nested |= process_in_child_ns(&t->process);
	if (t->process.fd >= 0)
		t->watched = poll_add(w, t->process.fd, POLLIN, SOURCE_PIDFD, t->process.pid) == 0;
}

/* Most waiters have one target: that is in them. Whoever is woken with thousands has no heap to touch. */
static struct target *new_target(struct readyd_waiter *w)
{
	if (w->only_used)
		return calloc(1, sizeof(struct target));
	w->only_used = true;
	memset(&w->only, 0, sizeof(w->only));
	return &w->only;
}

HOT static void free_target(struct readyd_waiter *w, struct target *t)
{
	if (t == &w->only)
		w->only_used = false;
	else
		free(t);
}

struct target *target_add(struct readyd_waiter *w, pid_t pid, uint64_t start)
{
	struct target *t = new_target(w);

	if (t == NULL)
		return NULL;
	t->process.pid = pid;
	open_process(w, t, start);
	/* One that has a start was born. */
	t->not_started = w->settings.await_start && t->process.no_such_process && start == 0;
	t->gate = -1;
	TAILQ_INSERT_TAIL(&w->all, t, all);
	w->count++;
	if (index_targets(w) != 0) {
		remove_target(w, t);
		process_close(&t->process);
		free_target(w, t);
		errno = ENOMEM;
		return NULL;
	}
	w->not_started += t->not_started;
	w->waiting++;
	w->subscription_count[SUBSCRIPTION_NONE]++;
	watch_process(w, t);
	return t;
}

static bool waits_for_gate(const struct target *t)
{
	return t->unconfirmed && t->subscription == SUBSCRIPTION_GATE;
}

HOT void target_set_subscription(struct readyd_waiter *w, struct target *t, enum subscription subscription)
{
	w->gate_unconfirmed_count -= waits_for_gate(t);
	if (subscription != SUBSCRIPTION_NONE) {
		/* The daemon has found it waiting, whatever we see ourselves. */
		w->unconfirmed_count -= t->unconfirmed;
		t->unconfirmed = false;
		t->pending = true;
	}
	w->subscription_count[t->subscription]--;
	w->subscription_count[subscription]++;
	t->subscription = subscription;
	t->asked = false;
	if (subscription != SUBSCRIPTION_GATE && t->gate >= 0) {
		/* Closing alone would leave it there: other waiters share the open file. */
		poll_remove(w, t->gate);
		close(t->gate);
		t->gate = -1;
	}
}

HOT static void stop_waiting(struct readyd_waiter *w, struct target *t)
{
	if (t->done)
		return;
	target_set_subscription(w, t, SUBSCRIPTION_NONE);
	w->subscription_count[SUBSCRIPTION_NONE]--;
	w->waiting--;
	w->unconfirmed_count -= t->unconfirmed;
	w->not_started -= t->not_started;
	t->unconfirmed = t->not_started = t->watched = false;
	t->done = true;
}

HOT void target_free(struct readyd_waiter *w, struct target *t)
{
	stop_waiting(w, t);
	remove_target(w, t);
	process_close(&t->process);
	free_target(w, t);
}

HOT void target_settle(struct readyd_waiter *w, struct target *t, const struct readyd_answer *answer)
{
	t->answer = *answer;
	stop_waiting(w, t);
	process_close(&t->process);
	STAILQ_INSERT_TAIL(&w->done, t, link);
}

/* A pidfd of a dead process stays readable: one event is enough. */
void target_on_death(struct readyd_waiter *w, struct target *t)
{
	if (t->watched)
		poll_remove(w, t->process.fd);
	t->watched = false;
	/* What the kernel has told before is all that is left of a directory that was the process's own. */
	if (t->history.in_other_dir && w->file.fd >= 0)
		file_on_readable(w);
	if (!t->done)
		target_look(w, t);
}

/* What the daemon may know better: that the process had been ready before its marker went away, that the
 * marker was there before the process, or whether it may be of another one. */
static bool daemon_may_know_more(
    const struct readyd_waiter *w, const struct target *t, const struct readyd_answer *answer)
{
	if (w->settings.backend == READYD_BACKEND_FILE)
		return false;
	return t->history.unconfirmed || !verdict_needs_no_daemon(answer);
}

/* Whether the marker has come since the target was first looked at. Looks before it is asked whether there is
 * a process: if there is none then, there was one, too short-lived to be seen. */
static bool detect_start_by_marker(struct readyd_waiter *w, struct target *t)
{
	struct marker_stat seen;

	marker_stat(&w->settings.place, t->process.pid, &seen);
	if (seen.kind != MARKER_ABSENT)
		return seen.kind == MARKER_FILE && t->history.absent_seen;
	history_saw_none(&t->history, &seen);
	return false;
}

/* Nothing tells of a birth: see file_interval(). True when the target is or was born. */
static bool detect_start(struct readyd_waiter *w, struct target *t)
{
	bool was = detect_start_by_marker(w, t);

	open_process(w, t, 0);
	if (t->process.no_such_process && !was)
		return false;
	w->not_started--;
	t->not_started = false;
	watch_process(w, t);
	w->retry_at = clock_ms();
	return true;
}

/* It leaves its marker in another directory: watch that too, then look. */
static void check_other_dir(struct readyd_waiter *w, struct target *t)
{
	struct marker_place there;

	if (t->history.in_other_dir &&
	    marker_dir_find(&w->settings.place, &t->process, &there) == MARKER_DIR_OTHER &&
	    filewatch_also(&w->file, there.dir, &t->history.extra_watch))
		target_look(w, t);
}

HOT bool target_ends_wait(const struct target *t, const struct readyd_answer *answer)
{
	if (!t->pending)
		return verdict_answers_query(answer);
	return verdict_ends_wait(answer) &&
	       (t->subscription == SUBSCRIPTION_NONE || answer->reason != READYD_REASON_NAMESPACE_DENIED);
}

/* A shortage may be over, and what has the pid may be another process by then: its start decides. */
static void open_again(struct readyd_waiter *w, struct target *t)
{
	uint64_t start = t->process.start;

	if (t->watched)
		poll_remove(w, t->process.fd);
	t->watched = false;
	process_close(&t->process);
	open_process(w, t, start);
	watch_process(w, t);
}

HOT void target_look(struct readyd_waiter *w, struct target *t)
{
	/* The daemon keeps account of them. */
	struct collisions *collisions = w->settings.backend == READYD_BACKEND_FILE ? collisions_lone() : NULL;
	struct readyd_answer answer;

	if (t->not_started && !detect_start(w, t))
		return;
	if (t->process.unread && !t->process.no_such_process)
		open_again(w, t);
	check_process(&w->settings.place, &t->process, &t->history, collisions, &answer);
	answer.backend = READYD_BACKEND_FILE;
	if (!target_ends_wait(t, &answer)) {
		t->pending = true;
		t->answer = answer;
		if (answer.reason == READYD_REASON_NO_RESOURCES)
			w->look_at = waiter_earlier(w->look_at, clock_ms() + clock_jitter(SHORTAGE_MS));
		check_other_dir(w, t);
		return;
	}
	if (!daemon_may_know_more(w, t, &answer)) {
		target_settle(w, t, &answer);
		return;
	}
	t->answer = answer;
	if (t->unconfirmed)
		return;
	t->unconfirmed = true;
	w->unconfirmed_count++;
	w->gate_unconfirmed_count += waits_for_gate(t);
}

void targets_leave_gates(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (w, t, next)
		if (waits_for_gate(t))
			target_set_subscription(w, t, SUBSCRIPTION_NONE);
}

/* Looks once more: what was unconfirmed may be some time ago. */
void targets_trust_own_look(struct readyd_waiter *w)
{
	struct readyd_answer answer;
	struct target *t, *next;

	if (w->unconfirmed_count == w->gate_unconfirmed_count)
		return;
	TARGETS_EACH (w, t, next) {
		if (!t->unconfirmed || waits_for_gate(t))
			continue;
		check_process(&w->settings.place, &t->process, &t->history, collisions_lone(), &answer);
		answer.backend = READYD_BACKEND_FILE;
		w->unconfirmed_count--;
		t->unconfirmed = false;
		if (verdict_answers_query(&answer))
			target_settle(w, t, &answer);
		else
			t->pending = true;
	}
}
