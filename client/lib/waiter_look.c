#include "config.h"

#include "client/lib/glance.h"
#include "client/lib/waiter.h"
#include "src/check.h"
#include "src/clock.h"
#include "src/hot.h"
#include "src/marker_dir.h"
#include "src/sock.h"
#include "src/verdict.h"

/* When to check again after a check that could not see anything. */
#define BLIND_MS 100
/* When to check again a marker that is not the process's own: as soon as the daemon would. */
#define STALE_MS 250
/* Thousands of waiters may recheck periodically, so all but one of this many rechecks only test whether the
 * marker is still absent. The end of the process is an event of its own. */
#define QUICK_RECHECKS 8

HOT static void close_gate(struct readyd_waiter *w, struct target *t)
{
	if (t->gate < 0)
		return;
	/* Closing is not enough: other waiters share the open file description. */
	poller_remove(&w->poller, t->gate);
	sock_close(t->gate);
	t->gate = -1;
}

HOT static void close_process(struct readyd_waiter *w, struct target *t)
{
	if (t->watched)
		poller_forget(&w->poller, t->process.fd);
	t->watched = false;
	process_close(&t->process);
}

HOT bool waiter_step(
    struct readyd_waiter *w, struct target *t, enum target_event event, const struct readyd_answer *answer)
{
	if (!target_set_step(&w->set, t, event, answer))
		return false;
	if (t->state.subscription != SUBSCRIPTION_GATE)
		close_gate(w, t);
	if (target_is_done(t))
		close_process(w, t);
	return true;
}

HOT void waiter_remove(struct readyd_waiter *w, struct target *t)
{
	close_gate(w, t);
	close_process(w, t);
	target_set_remove(&w->set, t);
}

static void watch_process(struct readyd_waiter *w, struct target *t)
{
	w->nested |= process_in_child_ns(&t->process);
	if (t->process.fd >= 0)
		t->watched = poller_add(&w->poller, t->process.fd, POLLIN,
				 waiter_tag(SOURCE_PIDFD, t->process.pid)) == 0;
}

/* Without a pidfd, /proc shows whether the process lives. */
static void open_process(struct readyd_waiter *w, struct target *t, uint64_t start)
{
	t->history.came = false;
	t->known_from = w->dir.fd < 0 ? w->dir.read : dirwatch_position(&w->dir);
	process_open_exact(&t->process, t->process.pid, start);
	if (t->process.fd >= 0 && poller_is_scarce(&w->poller, t->process.fd))
		process_close(&t->process);
}

void waiter_open(struct readyd_waiter *w, struct target *t, uint64_t start)
{
	if (waiter_is_remote(w)) {
		t->fail_stale = w->settings.fail_stale;
		t->process.start = start;
		return;
	}
	t->fail_stale = w->settings.fail_stale;
	t->history.strict = w->settings.strict_age;
	open_process(w, t, start);
	/* A process with a start time has started. */
	if (w->settings.await_start && t->process.no_such_process && start == 0)
		target_set_not_started(&w->set, t);
	watch_process(w, t);
}

/* Whether the marker of a process has appeared since the first check of the target. Checked before the
 * process: if there is a marker and then no process, there was one, too short-lived to be seen. Another user
 * may have created or moved the file; then the wait for a start goes on. */
static bool detect_start_by_marker(struct readyd_waiter *w, struct target *t)
{
	struct history history = t->history;
	struct readyd_answer answer;
	struct marker_stat seen;

	marker_stat(&w->settings.place, t->process.pid, &seen);
	if (seen.kind == MARKER_ABSENT)
		check_note_absence(&t->history, &seen);
	if (seen.kind != MARKER_FILE || !history.absent_seen)
		return false;
	check_process(&w->settings.place, &t->process, &history, NULL, &marker_viewer_direct, &answer);
	return answer.verdict == READYD_EXITED;
}

/* The start of a process raises no event: see waiter_look_interval(). */
static void detect_start(struct readyd_waiter *w, struct target *t)
{
	bool was = detect_start_by_marker(w, t);

	open_process(w, t, 0);
	if (t->process.no_such_process && !was)
		return;
	/* The marker may be from a process that had the pid in between. */
	if (!t->process.no_such_process) {
		t->history.absent_seen = false;
		t->history.absent_since = 0;
	}
	(void)waiter_step(w, t, TARGET_BORN, NULL);
	watch_process(w, t);
	daemon_conn_ask_soon(&w->conn);
}

/* After a shortage, another process may have the pid by then: the start decides. */
static void open_again(struct readyd_waiter *w, struct target *t)
{
	/* A pidfd that is not polled any more has shown the end, and would show it again at once, without
	 * end. */
	const bool has_ended = t->process.fd >= 0 && !t->watched;
	uint64_t start = t->process.start;

	close_process(w, t);
	open_process(w, t, start);
	if (!has_ended)
		watch_process(w, t);
}

struct extra_watch {
	struct readyd_waiter *waiter;
	struct target *target;
	bool is_new;
};

/* What has arrived there before it was known may be another process's. */
static void on_other_dir(const char *dir, void *context)
{
	struct extra_watch *watch = context;
	struct target *t = watch->target;
	int before = t->history.extra_watch;

	watch->is_new = dirwatch_add_extra(&watch->waiter->dir, dir, &t->history.extra_watch);
	if (t->history.extra_watch != before)
		dirwatch_forget_arrival(&watch->waiter->dir, t->history.extra_watch, t->process.ns_pid);
}

/* It leaves its marker in another directory: watch that as well, then check. */
static void check_other_dir(struct readyd_waiter *w, struct target *t)
{
	struct extra_watch watch = {.waiter = w, .target = t};

	if (t->history.in_other_dir)
		(void)marker_dir_visit(&w->settings.place, &t->process, on_other_dir, &watch);
	if (watch.is_new)
		waiter_look(w, t);
}

static void check(struct readyd_waiter *w, struct target *t, struct collisions *collisions,
    const struct marker_viewer *viewer, struct readyd_answer *answer)
{
	if (t->process.unread && !t->process.no_such_process)
		open_again(w, t);
	/* A directory of its own has disappeared with the process: only earlier events tell. */
	if (t->history.extra_watch != 0 && !t->history.arrived)
		t->history.arrived = dirwatch_has_arrived(&w->dir, t->history.extra_watch, t->process.ns_pid);
	check_process(&w->settings.place, &t->process, &t->history, collisions, viewer, answer);
	answer->backend = READYD_BACKEND_FILE;
	/* What has arrived is not its marker. */
	if (t->history.in_other_dir &&
	    (answer->reason == READYD_REASON_NOT_A_FILE || answer->verdict == READYD_STALE)) {
		t->history.arrived = false;
		dirwatch_forget_arrival(&w->dir, t->history.extra_watch, t->process.ns_pid);
	}
}

/* After a check that did not end the wait, for what may raise no event. */
static void look_again_soon(
    struct readyd_waiter *w, const struct target *t, const struct readyd_answer *answer)
{
	if (verdict_is_blind(answer))
		w->look_at = clock_earlier(w->look_at, clock_ms() + clock_jitter(BLIND_MS));
	if (verdict_awaits_rewrite(answer) && !target_is_covered(t))
		w->stale_at = clock_earlier(w->stale_at, clock_ms() + clock_jitter(STALE_MS));
}

static void look(struct readyd_waiter *w, struct target *t, const struct marker_viewer *viewer)
{
	bool alone = w->settings.backend == READYD_BACKEND_FILE;
	struct readyd_answer answer;
	enum target_event event;

	/* The daemon keeps track of collisions, if there is one. */
	check(w, t, alone ? collisions_lone() : NULL, viewer, &answer);
	event = target_judge(t, &answer, !alone);
	(void)waiter_step(w, t, event, &answer);
	if (event != TARGET_SAW_NOTHING)
		return;
	look_again_soon(w, t, &answer);
	check_other_dir(w, t);
}

void waiter_look(struct readyd_waiter *w, struct target *t)
{
	if (waiter_is_remote(w))
		return;
	if (t->state.phase == TARGET_NOT_STARTED)
		detect_start(w, t);
	if (t->state.phase != TARGET_NOT_STARTED)
		look(w, t, &marker_viewer_direct);
}

/* Not where what was seen counts beside what the daemon says, or where there is none. */
static bool may_glance(const struct readyd_waiter *w, const struct target *t)
{
	return t->state.phase == TARGET_WAITING && w->settings.backend != READYD_BACKEND_FILE &&
	       !w->settings.fail_stale && !w->settings.strict_age && !daemon_conn_is_absent(&w->conn) &&
	       t->watched && t->process.start_known && !t->process.unread;
}

void waiter_look_first(struct readyd_waiter *w, struct target *t)
{
	const struct readyd_answer answer = {.pid = t->process.pid,
	    .start = t->process.start,
	    .verdict = READYD_READY,
	    .backend = READYD_BACKEND_FILE,
	    .wait_status = -1};
	struct marker_viewer viewer;
	struct glance glance;

	if (!may_glance(w, t)) {
		waiter_look(w, t);
	} else if (glance_finds_file(&glance, &w->settings.place, &t->process)) {
		t->history.unconfirmed = true;
		(void)waiter_step(w, t, TARGET_SAW_DOUBT, &answer);
	} else {
		viewer = glance_viewer(&glance);
		look(w, t, &viewer);
	}
}

void waiter_look_all(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (t->state.phase < TARGET_UNCONFIRMED)
			waiter_look(w, t);
}

void waiter_recheck_stale(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (t->state.phase == TARGET_WAITING && verdict_awaits_rewrite(&t->answer) &&
		    !target_is_covered(t))
			waiter_look(w, t);
}

void waiter_note_marker(struct readyd_waiter *w, struct target *t)
{
	struct marker_view view;

	marker_view(&w->settings.place, &t->process, &view);
	t->asked = view.marker;
}

void waiter_take_leftover(struct readyd_waiter *w, struct target *t)
{
	if (t->asked.kind == MARKER_FILE) {
		t->history.has_leftover = true;
		t->history.leftover = t->asked;
	}
	waiter_look(w, t);
}

/* What the check of a target could find that events do not report is in our directory. */
static bool is_plain(const struct target *t)
{
	return t->state.phase == TARGET_WAITING && !t->history.in_other_dir && t->watched &&
	       t->answer.verdict == READYD_PENDING && t->answer.reason == READYD_REASON_NONE;
}

HOT void waiter_recheck_all(struct readyd_waiter *w, bool often)
{
	bool thorough = ++w->quick_rechecks % QUICK_RECHECKS == 0;
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next) {
		bool quick =
		    target_is_covered(t) ? !t->history.in_other_dir && t->watched : often && is_plain(t);

		if (t->state.phase < TARGET_UNCONFIRMED &&
		    (thorough || !quick || !marker_is_absent(&w->settings.place, t->process.ns_pid)))
			waiter_look(w, t);
	}
}

void waiter_trust(struct readyd_waiter *w, struct target *t)
{
	struct readyd_answer answer;
	bool ends;

	check(w, t, collisions_lone(), &marker_viewer_direct, &answer);
	ends = target_ends_wait(t, &answer);
	(void)waiter_step(w, t, ends ? TARGET_SAW_END : TARGET_SAW_NOTHING, &answer);
	if (!ends)
		look_again_soon(w, t, &answer);
}

void waiter_trust_all(struct readyd_waiter *w)
{
	struct target *t, *next;

	TARGETS_EACH (&w->set, t, next)
		if (t->state.phase == TARGET_UNCONFIRMED && !target_waits_for_gate(t))
			waiter_trust(w, t);
}
