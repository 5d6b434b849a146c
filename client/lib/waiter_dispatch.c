#include "config.h"

#include <errno.h>

#include "client/lib/waiter.h"
#include "src/clock.h"
#include "src/hot.h"

void waiter_close_dir(struct readyd_waiter *w)
{
	if (w->dir.fd >= 0)
		poller_forget(&w->poller, w->dir.fd);
	dirwatch_close(&w->dir);
}

void waiter_arm_dir(struct readyd_waiter *w)
{
	int had = w->dir.fd;
	bool useless;

	if (!w->watching)
		return;
	/* If no watch is left, another process can use the instance. */
	useless = dirwatch_arm(&w->dir) == DIRWATCH_NONE && errno == ENOSPC;
	if (had < 0 && w->dir.fd >= 0 && !useless)
		useless = poller_add(&w->poller, w->dir.fd, POLLIN, waiter_tag(SOURCE_DIR, 0)) != 0;
	if (useless)
		waiter_close_dir(w);
}

/* Where nothing is seen of what came, it must have come in the directory that the path leads to. False: that
 * is another one by now, or none. */
static bool note_what_went(struct readyd_waiter *w, struct target *t)
{
	dev_t dev;
	ino_t ino;

	if (!marker_is_absent(w->dir.place, t->process.ns_pid))
		return true;
	if (!marker_place_identify(w->dir.place, &dev, &ino) || dirwatch_arm(&w->dir) != DIRWATCH_SAME)
		return false;
	history_note_event(&t->history, dev, ino);
	return true;
}

/* An event that was queued before the process was known may be an earlier process's. True: anything may have
 * happened. */
static bool look_at_marker(struct readyd_waiter *w, const struct dirwatch_event *event)
{
	struct target *t = target_set_first(&w->set, event->ns_pid);

	for (; t != NULL; t = target_set_next(&w->set, t)) {
		if (target_is_done(t))
			continue;
		if (event->came && event->position > t->known_from && !note_what_went(w, t)) {
			waiter_arm_dir(w);
			return true;
		}
		waiter_look(w, t);
	}
	return false;
}

/* True: anything may have happened. */
static bool take_dir_event(struct readyd_waiter *w, const struct dirwatch_event *event)
{
	switch (event->kind) {
	case DIRWATCH_UNRELATED:
		return false;
	case DIRWATCH_MARKER:
		return w->nested || look_at_marker(w, event);
	case DIRWATCH_EXTRA:
		return true;
	case DIRWATCH_UNSURE:
	case DIRWATCH_OVERFLOW:
		waiter_arm_dir(w);
		return true;
	}
	return true;
}

void waiter_read_dir(struct readyd_waiter *w)
{
	char buffer[16384] __attribute__((aligned(8)));
	struct dirwatch_event event;
	bool all = false;

	w->behind = false;
	if (w->dir.fd < 0)
		return;
	/* Its descriptor would stay readable. */
	if (dirwatch_read(&w->dir, buffer, sizeof(buffer)) < 0) {
		waiter_close_dir(w);
		all = true;
	}
	while (w->dir.fd >= 0 && dirwatch_next(&w->dir, &event))
		all |= take_dir_event(w, &event);
	if (all)
		waiter_look_all(w);
}

/* The byte does not say on what evidence, so what was assumed here stays so. */
HOT static void take_word(
    struct readyd_waiter *w, struct target *t, enum readyd_verdict verdict, int wait_status)
{
	const struct readyd_answer answer = {.pid = t->process.pid,
	    .start = t->process.start,
	    .verdict = verdict,
	    .flags = t->answer.flags & READYD_FLAG_AGE_ASSUMED,
	    .backend = READYD_BACKEND_DAEMON,
	    .wait_status = wait_status};

	(void)waiter_step(w, t, TARGET_TOLD, &answer);
}

/* Without the wait status, the daemon is asked for it. Without the start, the byte may be about the next
 * process with this pid, once this one has ended. */
static bool take_word_of_ended(struct readyd_waiter *w, struct target *t)
{
	const bool ended = t->process.start_known && process_gone(&t->process);
	const int wait_status = ended ? process_wait_status(&t->process) : -1;

	if (wait_status >= 0)
		take_word(w, t, READYD_EXITED, wait_status);
	return wait_status >= 0;
}

/*
 * The gate is closed: check, and ask again if that does not end the wait. A byte in the gate says that this
 * very process was seen ready, which saves every waiter a request. Together with the pidfd, which was polled
 * with the gate and shows whether the process lives, it saves the check too: that is what a crowd does when
 * it is woken.
 */
HOT static void take_gate_event(struct readyd_waiter *w, struct target *t, uint32_t bits, bool lives)
{
	if (t->state.subscription != SUBSCRIPTION_GATE)
		return;
	if ((bits & POLLIN) != 0 && !t->gate_is_hint) {
		if (lives)
			take_word(w, t, READYD_READY, -1);
		if (lives || take_word_of_ended(w, t))
			return;
		t->history.assumed = (t->answer.flags & READYD_FLAG_AGE_ASSUMED) != 0;
		t->history.latched = true;
	}
	(void)waiter_step(w, t, TARGET_LEFT, NULL);
	waiter_look(w, t);
	if (target_is_done(t) && (bits & POLLIN) != 0 && !t->gate_is_hint)
		t->answer.backend = READYD_BACKEND_DAEMON;
	if (!target_is_done(t))
		daemon_conn_hold(&w->conn, clock_ms());
}

/* The daemon is about to say by the gate whether it was ready. What a check sees would need that word, and
 * the check follows if it does not come: see leave_gates() in waiter_daemon.c. */
static bool will_be_told(const struct target *t)
{
	return t->state.phase == TARGET_WAITING && t->state.subscription == SUBSCRIPTION_GATE &&
	       !t->gate_is_hint && !t->history.in_other_dir;
}

/* A pidfd of a dead process stays readable: one event is enough. */
static void take_death(struct readyd_waiter *w, struct target *t)
{
	if (!t->watched)
		return;
	poller_remove(&w->poller, t->process.fd);
	t->watched = false;
	if (will_be_told(t))
		(void)waiter_step(w, t, TARGET_SAW_DOUBT, NULL);
	else if (!target_is_done(t))
		waiter_look(w, t);
}

/* What one call of poll(2) has returned. */
struct batch {
	const struct poller_event *events;
	int count;
};

HOT static uint32_t bits_of(const struct batch *batch, uint64_t tag)
{
	for (int i = 0; i < batch->count; i++)
		if (batch->events[i].tag == tag)
			return batch->events[i].bits;
	return 0;
}

/* An event names the pid alone. Where several targets have it, each descriptor says whether the event is its
 * own. */
HOT static void take_events(struct readyd_waiter *w, enum source source, pid_t pid, const struct batch *batch)
{
	struct target *t = target_set_first(&w->set, pid);
	bool alone = t == NULL || target_set_next(&w->set, t) == NULL;

	for (; t != NULL; t = target_set_next(&w->set, t)) {
		uint32_t gate = alone ? bits_of(batch, waiter_tag(SOURCE_GATE, pid)) : poller_check(t->gate);
		uint32_t end =
		    alone ? bits_of(batch, waiter_tag(SOURCE_PIDFD, pid)) : poller_check(t->process.fd);

		if (gate != 0 && source == SOURCE_GATE)
			take_gate_event(w, t, gate, t->watched && end == 0);
		else if (end != 0 && source == SOURCE_PIDFD)
			take_death(w, t);
	}
}

HOT static int handle(struct readyd_waiter *w, enum source source, pid_t pid, const struct batch *batch)
{
	switch (source) {
	case SOURCE_DIR:
		waiter_read_dir(w);
		return 0;
	case SOURCE_GATE:
	case SOURCE_PIDFD:
		take_events(w, source, pid, batch);
		return 0;
	case SOURCE_CONN:
		return waiter_take_replies(w);
	}
	return 0;
}

/* In the order of enum source: a directory may disappear with its process, and the gate says whether the
 * process was ready before it ended. */
HOT int waiter_dispatch(struct readyd_waiter *w, const struct poller_event *events, int count)
{
	const struct batch batch = {events, count};

	for (enum source source = SOURCE_DIR; source <= SOURCE_CONN; source++)
		for (int i = 0; i < count; i++)
			if ((events[i].tag & 0xff) == source &&
			    handle(w, source, (pid_t)(events[i].tag >> 8), &batch) != 0)
				return -1;
	/* If nothing is left to wait for, this is not needed. */
	if (count > 0 && target_set_waiting(&w->set) > 0)
		w->last_event = clock_ms();
	return 0;
}
