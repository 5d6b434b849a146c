#include "config.h"

#include <unistd.h>

#include "daemon/log.h"
#include "daemon/pidwatch.h"
#include "daemon/reserve.h"
#include "daemon/scouts.h"
#include "daemon/tracker.h"
#include "src/dirwatch.h"
#include "src/marker_dir.h"
#include "src/verdict.h"

/* Ended processes that are remembered; the oldest is forgotten first. */
#define TOMBSTONES 1024

void tracker_init(struct tracker *w, struct loop *loop, const struct marker_place *place,
    struct dirwatch *dirs, struct scouts *scouts, void (*on_first_wait)(void *context), void *context)
{
	*w = (struct tracker){.loop = loop,
	    .place = place,
	    .registry = registry_new(TOMBSTONES, pidwatch_stop),
	    .recent_fds = sysconf(_SC_OPEN_MAX) / 2,
	    .dirs = dirs,
	    .scouts = scouts,
	    .on_first_wait = on_first_wait,
	    .context = context};
}

void tracker_fini(struct tracker *w)
{
	for (unsigned i = 0; i < TRACKER_RECENT; i++)
		if (w->recent[i].process.pid != 0)
			process_close(&w->recent[i].process);
	registry_free(w->registry);
	w->registry = NULL;
}

static bool examine(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer);

/* If the verdict cannot be determined now, the sweeps retry; the pidfd would stay readable and spin. */
static void on_ended(struct registry_entry *entry, void *context)
{
	struct tracker *w = context;
	struct readyd_answer answer;

	if (!examine(w, entry, &answer))
		return;
	if (process_gone(&entry->process))
		pidwatch_stop(entry);
	registry_release(w->registry, entry);
}

static struct registry_entry *enter(
    struct tracker *w, const struct process *process, const struct history *history)
{
	struct registry_entry *entry = registry_enter(w->registry, process, history);

	pidwatch_start(w->loop, entry, on_ended, w);
	return entry;
}

/* Also watches the directory, where the process has another one than ours. Earlier arrivals there belong to
 * an earlier process. */
static void check(struct tracker *w, const struct process *process, struct history *history, bool watch,
    struct readyd_answer *answer)
{
	struct scouts_eye eye = {.scouts = w->scouts, .watched = watch ? process->pid : 0};
	const struct marker_viewer viewer = {scouts_view, &eye};

	check_process(w->place, process, history, &w->collisions, &viewer, answer);
	if (eye.wd == 0 || eye.wd == history->extra_watch)
		return;
	history->extra_watch = eye.wd;
	dirwatch_forget_arrival(w->dirs, eye.wd, process->ns_pid);
}

/* The marker that is left for the next process of this name. One in another directory is out of reach
 * now. */
static void look_at_leftover(
    struct tracker *w, const struct registry_entry *entry, struct marker_stat *marker)
{
	marker->kind = MARKER_ABSENT;
	if (!entry->history.in_other_dir)
		marker_stat(w->place, entry->process.ns_pid, marker);
}

/* Checks an entry and updates the registry. False if the entry has left the registry. */
static bool examine(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer)
{
	struct marker_stat marker;

	w->looks++;
	if (entry->history.in_other_dir && process_gone(&entry->process))
		entry->history.arrived |=
		    dirwatch_has_arrived(w->dirs, entry->history.extra_watch, entry->process.ns_pid);
	check(w, &entry->process, &entry->history, !entry->history.latched && !LIST_EMPTY(&entry->waits),
	    answer);
	if (verdict_is_process_gone(answer->verdict)) {
		look_at_leftover(w, entry, &marker);
		w->settled++;
		log_debug("process %ld has %s", (long)answer->pid, readyd_verdict_name(answer->verdict));
		registry_retire(w->registry, entry, answer, &marker);
		return false;
	}
	/* A missing directory does not settle existing waits: it may come back. */
	if (!verdict_ends_wait(answer))
		return true;
	w->settled++;
	log_debug("process %ld is %s", (long)answer->pid, readyd_verdict_name(answer->verdict));
	registry_settle(w->registry, entry, answer);
	return true;
}

/* What is remembered of the process if it has ended, unless another marker has appeared since: then an
 * unseen process had the pid in between. */
static bool recall_ended(struct tracker *w, const struct process *process, struct readyd_answer *answer)
{
	const struct registry_tombstone *tombstone = registry_tombstone(w->registry, process->pid);
	struct marker_stat now;

	if (tombstone == NULL || (!process->no_such_process && process->start != tombstone->answer.start))
		return false;
	marker_stat(w->place, tombstone->ns_pid, &now);
	if (now.kind == MARKER_FILE && !marker_same(&now, &tombstone->marker))
		return false;
	*answer = tombstone->answer;
	return true;
}

/* A marker that was there when the last holder of the name ended cannot be the next holder's. Within one
 * clock tick the next holder may have the same pid and start; but a living process is not the ended one. */
static void recall(struct tracker *w, const struct process *process, struct history *history)
{
	const struct registry_tombstone *tombstone =
	    registry_tombstone_of_ns_pid(w->registry, process->ns_pid);

	*history = (struct history){0};
	if (tombstone == NULL || tombstone->marker.kind != MARKER_FILE ||
	    (tombstone->pid == process->pid && tombstone->answer.start == process->start &&
		process_gone(process)))
		return;
	history->has_leftover = true;
	history->leftover = tombstone->marker;
}

/* No pidfd is kept in the reserve: the process is then identified by its start. */
static void leave_reserve(struct process *process)
{
	if (process->fd >= 0 && !reserve_allows(process->fd))
		process_close(process);
}

/* What is worth remembering until the process ends; without a pidfd its end would never be seen. */
static bool is_memorable(const struct process *process, const struct history *history)
{
	return process->fd >= 0 && registry_must_keep(history);
}

/* A directory that does not answer now may do so later. */
static bool is_waitable(const struct readyd_answer *answer)
{
	return (answer->verdict == READYD_PENDING && answer->reason != READYD_REASON_NO_RESOURCES) ||
	       answer->reason == READYD_REASON_DIRECTORY_HANGS;
}

/* Takes over the pid's process from the recent ones, if it lives: it then still has the pid. */
static bool take_recent(struct tracker *w, pid_t pid, struct process *process, struct history *history)
{
	struct tracker_recent *recent = w->recent;

	while (recent < w->recent + TRACKER_RECENT && recent->process.pid != pid)
		recent++;
	if (recent == w->recent + TRACKER_RECENT)
		return false;
	*process = recent->process;
	*history = recent->history;
	recent->process.pid = 0;
	w->recent_next = (unsigned)(recent - w->recent);
	if (!process_gone(process))
		return true;
	process_close(process);
	return false;
}

/* Takes over the pidfd. */
static void keep_recent(struct tracker *w, const struct process *process, const struct history *history)
{
	struct tracker_recent *recent = &w->recent[w->recent_next];

	if (recent->process.pid != 0)
		process_close(&recent->process);
	*recent = (struct tracker_recent){*process, *history};
	w->recent_next = (w->recent_next + 1) % TRACKER_RECENT;
}

/* Checks a process that has no entry. Enters it, and returns the entry, if something about it must be
 * remembered or if it is pending and `waited` for. */
static struct registry_entry *meet(struct tracker *w, pid_t pid, bool waited, struct readyd_answer *answer)
{
	struct process process;
	struct history history;

	w->looks++;
	if (!take_recent(w, pid, &process, &history)) {
		process_open(&process, pid);
		recall(w, &process, &history);
	}
	check(w, &process, &history, waited, answer);
	if (verdict_is_process_gone(answer->verdict))
		(void)recall_ended(w, &process, answer);
	if (answer->reason == READYD_REASON_NO_RESOURCES) {
		process_close(&process);
		return NULL;
	}
	leave_reserve(&process);
	if ((!verdict_is_process_gone(answer->verdict) && is_memorable(&process, &history)) ||
	    (waited && is_waitable(answer)))
		return enter(w, &process, &history);
	if (answer->verdict == READYD_PENDING && process.fd >= 0 && process.fd < w->recent_fds)
		keep_recent(w, &process, &history);
	else
		process_close(&process);
	return NULL;
}

static struct registry_entry *look(struct tracker *w, pid_t pid, bool waited, struct readyd_answer *answer)
{
	struct registry_entry *entry = registry_find(w->registry, pid);

	if (entry == NULL)
		return meet(w, pid, waited, answer);
	if (examine(w, entry, answer))
		return entry;
	/* It has just ended. If no other process has the pid yet, its tombstone answers. */
	return meet(w, pid, waited, answer);
}

/* The requested process is gone, since another has its pid: what is remembered of it. */
static void answer_for_former(struct tracker *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	const struct registry_tombstone *tombstone = registry_tombstone(w->registry, pid);

	if (tombstone != NULL && tombstone->answer.start == start) {
		*answer = tombstone->answer;
		return;
	}
	*answer = (struct readyd_answer){.pid = pid,
	    .start = start,
	    .verdict = READYD_DIED,
	    .reason = READYD_REASON_PID_REUSED,
	    .wait_status = -1};
}

static struct registry_entry *look_exactly(
    struct tracker *w, pid_t pid, uint64_t start, bool waited, struct readyd_answer *answer)
{
	struct registry_entry *entry = look(w, pid, waited, answer);

	if (answer->reason == READYD_REASON_NO_RESOURCES)
		return entry;
	/* Its start is unknown, as when no process has the pid: the client's value is all there is. */
	if (answer->start == 0)
		answer->start = start;
	if (start == 0 || answer->start == start)
		return entry;
	if (entry != NULL)
		registry_release(w->registry, entry);
	answer_for_former(w, pid, start, answer);
	return NULL;
}

void tracker_query(struct tracker *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct registry_entry *entry = look_exactly(w, pid, start, false, answer);

	if (entry != NULL)
		registry_release(w->registry, entry);
}

void tracker_marker_seen(struct tracker *w, pid_t pid)
{
	struct readyd_answer answer;

	if (registry_find(w->registry, pid) != NULL || process_exists(pid))
		tracker_query(w, pid, 0, &answer);
}

struct registry_entry *tracker_enroll(
    struct tracker *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct registry_entry *entry = look_exactly(w, pid, start, true, answer);

	if (entry == NULL || is_waitable(answer))
		return entry;
	registry_release(w->registry, entry);
	return NULL;
}

void tracker_attach(struct tracker *w, struct registry_entry *entry, struct registry_wait *wait)
{
	bool first = !registry_is_waited(w->registry);

	registry_attach(w->registry, entry, wait);
	w->nested |= process_in_child_ns(&entry->process);
	if (first)
		w->on_first_wait(w->context);
}

void tracker_detach(struct tracker *w, struct registry_wait *wait)
{
	registry_detach(w->registry, wait);
}

void tracker_release(struct tracker *w, struct registry_entry *entry)
{
	registry_release(w->registry, entry);
}

bool tracker_still_waits(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer)
{
	if (!examine(w, entry, answer))
		return false;
	if (!verdict_ends_wait(answer))
		return true;
	registry_release(w->registry, entry);
	return false;
}

void tracker_recheck(struct tracker *w, struct registry_entry *entry)
{
	struct readyd_answer answer;

	if (examine(w, entry, &answer))
		registry_release(w->registry, entry);
}

bool tracker_sweep(struct tracker *w, bool fresh, unsigned most)
{
	struct registry_entry *entry;

	if (fresh) {
		registry_begin_sweep(w->registry);
		collisions_catch_up(&w->collisions);
	}
	for (unsigned n = 0; n < most; n++) {
		entry = registry_next_waited(w->registry);
		if (entry == NULL)
			return false;
		tracker_recheck(w, entry);
	}
	return true;
}
