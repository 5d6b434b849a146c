#include "config.h"

#include <unistd.h>

#include "daemon/arrival.h"
#include "daemon/log.h"
#include "daemon/pidwatch.h"
#include "daemon/quota.h"
#include "daemon/reserve.h"
#include "daemon/tick.h"
#include "daemon/tracker.h"
#include "src/dirwatch.h"
#include "src/verdict.h"

/* Processes of one ns_pid in child pid namespaces that are examined for an event. */
#define NAMESAKES 16
/* Entries of a user that stay although nothing waits for them: enough for a few clients that poll. Each costs
 * a pidfd; so at most this share of the descriptors. */
#define IDLE	   16
#define IDLE_SHARE 8

static size_t idle_limit(void)
{
	long share = sysconf(_SC_OPEN_MAX) / IDLE_SHARE;

	return share >= 0 && share < IDLE ? (size_t)share : IDLE;
}

static void on_leaving(struct registry_entry *entry, void *context)
{
	struct tracker *w = context;

	transitions_see_removal(&w->transitions, entry);
	pidwatch_stop(entry);
}

void tracker_init(struct tracker *w, struct loop *loop, const struct marker_place *place,
    struct dirwatch *dirs, struct scouts *scouts, struct quota *quota, void (*on_first_wait)(void *context),
    void *context)
{
	*w = (struct tracker){.loop = loop,
	    .place = place,
	    .registry = registry_new(quota, idle_limit(), on_leaving, w),
	    .dirs = dirs,
	    .quota = quota,
	    .on_first_wait = on_first_wait,
	    .context = context};
	transitions_init(&w->transitions);
	ns_index_init(&w->namespaces);
	leftovers_init(&w->leftovers, place, dirs, &w->namespaces);
	checker_init(&w->checker, place, dirs, scouts, quota, &w->namespaces.collisions);
}

void tracker_fini(struct tracker *w)
{
	leftovers_fini(&w->leftovers);
	ns_index_fini(&w->namespaces);
	dirwatch_drop_extras(w->dirs);
	registry_free(w->registry);
	w->registry = NULL;
	transitions_fini(&w->transitions);
}

static bool examine(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer);

/* What a sweep would see late is polled: without a pidfd, the end of the process; without a watch, its marker
 * in another directory. */
static void update(struct tracker *w, struct registry_entry *entry, const struct readyd_answer *answer)
{
	const struct history *history = &entry->history;
	bool watched =
	    !history->in_other_dir || dirwatch_extra_charged(w->dirs, history->extra_watch) != NULL;
	bool shown = registry_awaits_only_end(entry) || (tick_shows(answer) && watched);

	registry_update(w->registry, entry, !shown || entry->watch == NULL);
}

/* The pidfd stays readable: if what follows from the end cannot be determined now, or even whether it has
 * ended, each tick tries again. */
static void on_ended(struct registry_entry *entry, void *context)
{
	struct tracker *w = context;
	struct readyd_answer answer;

	if (!examine(w, entry, &answer))
		return;
	if (process_life(&entry->process) != PROCESS_LIVES) {
		pidwatch_stop(entry);
		update(w, entry, &answer);
	}
	registry_release(w->registry, entry);
}

static struct registry_entry *enter(
    struct tracker *w, const struct process *process, const struct history *history, struct quota_user *user)
{
	struct registry_entry *entry = registry_enter(w->registry, process, history, user);

	pidwatch_start(w->loop, entry, on_ended, w);
	return entry;
}

/* Nothing waited for it, and there is nothing to remember of it. */
static void drop_ended(struct tracker *w, struct registry_entry *entry)
{
	pidwatch_stop(entry);
	process_close(&entry->process);
	registry_release(w->registry, entry);
}

static void note_ready(struct tracker *w, const struct process *process, const struct history *history)
{
	if (leftovers_note_ready(&w->leftovers, process, history))
		w->alone = process->ns_pid;
}

/* Checks an entry and updates the registry. False if the entry has left the registry. */
static bool examine(struct tracker *w, struct registry_entry *entry, struct readyd_answer *answer)
{
	const bool was_latched = entry->history.latched;
	struct marker_stat marker;

	w->looks++;
	w->answered = secrecy_owner(&entry->process);
	if (entry->history.in_other_dir && process_gone(&entry->process))
		entry->history.arrived |=
		    dirwatch_has_arrived(w->dirs, entry->history.extra_watch, entry->process.ns_pid);
	checker_check(&w->checker, &entry->process, &entry->history, !was_latched, answer);
	if (!was_latched)
		note_ready(w, &entry->process, &entry->history);
	if (verdict_is_process_gone(answer->verdict)) {
		(void)leftovers_note_of(&w->leftovers, &entry->process, &entry->history, &marker);
		transitions_see_end(&w->transitions, entry, answer);
		if (entry->idle) {
			drop_ended(w, entry);
			return false;
		}
		w->settled++;
		log_debug("process %ld has %s", (long)answer->pid, readyd_verdict_name(answer->verdict));
		registry_retire(w->registry, entry, answer, &marker);
		return false;
	}
	transitions_see(&w->transitions, entry, answer);
	/* A missing directory does not settle existing waits: it may come back. */
	if (!verdict_ends_wait(answer)) {
		update(w, entry, answer);
		return true;
	}
	w->settled++;
	log_debug("process %ld is %s", (long)answer->pid, readyd_verdict_name(answer->verdict));
	registry_settle(w->registry, entry, answer);
	update(w, entry, answer);
	transitions_see_waits(&w->transitions, entry);
	return true;
}

static void take_remembered(
    struct tracker *w, const struct registry_tombstone *tombstone, struct readyd_answer *answer)
{
	*answer = tombstone->answer;
	w->answered = tombstone->owner;
}

/* What is remembered of the process if it has ended, unless another marker has appeared since: then an
 * unseen process had the pid in between, which does not matter if another one has it now. */
static bool recall_ended(struct tracker *w, const struct process *process, struct readyd_answer *answer)
{
	const struct registry_tombstone *tombstone = registry_tombstone(w->registry, process->pid);
	bool is_exact = !process->no_such_process || process->start != 0;
	struct marker_stat now;

	if (tombstone == NULL || (is_exact && process->start != tombstone->answer.start))
		return false;
	marker_stat(w->place, tombstone->ns_pid, &now);
	if (!process->reused && now.kind == MARKER_FILE && !marker_same(&now, &tombstone->marker))
		return false;
	take_remembered(w, tombstone, answer);
	return true;
}

static void note_event(struct tracker *w, struct registry_entry *entry, const struct arrival *arrival)
{
	if (arrival != NULL && arrival->position != 0)
		transitions_see_arrival(&w->transitions, entry, arrival->created,
		    leftovers_is_later(&w->leftovers, entry->process.ns_pid, arrival->position));
}

/* As if the process had been seen without a marker. A known leftover stays one. */
static void note_arrival(
    struct tracker *w, const struct process *process, const struct arrival *arrival, struct history *history)
{
	if (arrival == NULL || history->latched)
		return;
	if (arrival_went(arrival, w->place, process))
		history_note_event(history, arrival->dev, arrival->ino);
	if (history->absent_seen || !arrival_is_new(arrival, w->place, process))
		return;
	history->absent_seen = true;
	history->absent =
	    (struct marker_stat){.kind = MARKER_ABSENT, .dev = arrival->dev, .ino = arrival->ino};
}

/* No pidfd is kept in the reserve, or for a user that has enough: the process is then identified by its
 * start. */
static void leave_reserve(struct tracker *w, struct process *process, const struct quota_user *user)
{
	if (process->fd >= 0 &&
	    (!reserve_allows(process->fd) || !quota_has_room(w->quota, user, QUOTA_PROCESSES, 1)))
		process_close(process);
}

/* Which process is asked about, and why. */
struct question {
	struct quota_user *user; /* that asks, NULL: the process's own */
	pid_t pid;
	uint64_t start; /* 0: the process that has the pid now */
	bool waited;	/* the caller is willing to wait */
	bool until_end; /* for its end, too */
	const struct arrival *arrival;
};

static bool begins_wait(const struct question *question, const struct readyd_answer *answer)
{
	return question->waited &&
	       (question->until_end ? verdict_begins_end(answer) : verdict_begins_wait(answer));
}

/* Whether a file was seen that is a leftover for the next process of the number. */
static bool saw_leftover(const struct process *process, const struct readyd_answer *answer)
{
	return !process->no_such_process || (!process->reused && answer->reason != READYD_REASON_NO_PROCESS);
}

static struct registry_entry *enter_seen(struct tracker *w, const struct question *question,
    const struct process *process, const struct history *history, struct quota_user *user,
    const struct readyd_answer *answer)
{
	struct registry_entry *entry = enter(w, process, history, user);

	note_event(w, entry, question->arrival);
	transitions_see(&w->transitions, entry, answer);
	return entry;
}

/* An event or a scan has found a process that is ready, and there is no room to keep it, or one that has left
 * its marker and ended at once. Queries are not transitions: they could be repeated. */
static void tell_unfollowed(struct tracker *w, const struct question *question, const struct process *process,
    const struct readyd_answer *answer)
{
	const bool came = question->arrival != NULL && question->arrival->position != 0;

	if (question->user != NULL)
		return;
	if (answer->verdict == READYD_READY || (answer->verdict == READYD_EXITED && came &&
						   registry_tombstone(w->registry, process->pid) == NULL))
		transitions_see_unfollowed(&w->transitions, process, answer);
}

/* Checks a process that has no entry. Enters it, and returns the entry, if it lives and its end will be seen
 * or if it must be waited for. */
static struct registry_entry *meet_process(struct tracker *w, const struct question *question,
    struct process *process, struct quota_user *user, struct readyd_answer *answer)
{
	struct history history;
	struct marker_stat marker;

	w->looks++;
	w->answered = secrecy_owner(process);
	leftovers_recall(&w->leftovers, process, &history);
	note_arrival(w, process, question->arrival, &history);
	checker_check(&w->checker, process, &history, question->waited, answer);
	leave_reserve(w, process, user);
	note_ready(w, process, &history);
	if (!verdict_is_process_gone(answer->verdict) && answer->reason != READYD_REASON_NO_RESOURCES &&
	    !process->identity_unknown && (process->fd >= 0 || begins_wait(question, answer)))
		return enter_seen(w, question, process, &history, user, answer);
	tell_unfollowed(w, question, process, answer);
	if (verdict_is_process_gone(answer->verdict) && !recall_ended(w, process, answer) &&
	    saw_leftover(process, answer))
		(void)leftovers_note_of(&w->leftovers, process, &history, &marker);
	process_close(process);
	return NULL;
}

static struct registry_entry *meet(
    struct tracker *w, const struct question *question, struct readyd_answer *answer)
{
	struct registry_entry *entry;
	struct quota_user *user;
	struct process process;

	process_open_exact(&process, question->pid, question->start);
	user = question->user != NULL ? quota_hold(question->user)
				      : quota_enter(w->quota, checker_owner_of(&process));
	entry = meet_process(w, question, &process, user, answer);
	quota_leave(w->quota, user);
	return entry;
}

/* The user that has asked before had no room for a pidfd; without one, it would not be remembered that the
 * process was ready. */
static void regain_pidfd(struct tracker *w, struct registry_entry *entry)
{
	struct process again;

	if (entry->process.fd >= 0 || !entry->process.start_known)
		return;
	process_open_exact(&again, entry->process.pid, entry->process.start);
	leave_reserve(w, &again, entry->user);
	/* A start of 0 matches any process for the one that asks, but it may be that of this one. */
	if (again.fd < 0 || again.no_such_process || !again.start_known ||
	    again.start != entry->process.start) {
		process_close(&again);
		return;
	}
	registry_take_pidfd(w->registry, entry, again.fd);
	pidwatch_start(w->loop, entry, on_ended, w);
}

/* The process's own user pays for it as soon as it asks; else another one, which has asked before, could use
 * up what is remembered of it. NULL, for an event, is that user. */
static void give_to_owner(struct tracker *w, struct registry_entry *entry, const struct question *question)
{
	const uid_t owner = checker_owner_of(&entry->process);
	struct quota_user *user;

	if (entry->user->uid == owner || (question->user != NULL && question->user->uid != owner))
		return;
	user = quota_enter(w->quota, owner);
	registry_give(w->registry, entry, user);
	regain_pidfd(w, entry);
	quota_leave(w->quota, user);
}

/* The requested process is gone, since another has its pid: what is remembered of it. */
static void answer_for_former(
    struct tracker *w, const struct question *question, struct readyd_answer *answer)
{
	const struct registry_tombstone *tombstone = registry_tombstone(w->registry, question->pid);

	if (tombstone != NULL && tombstone->answer.start == question->start) {
		take_remembered(w, tombstone, answer);
		return;
	}
	w->answered = (struct owner){0};
	*answer = (struct readyd_answer){.pid = question->pid,
	    .start = question->start,
	    .verdict = READYD_DIED,
	    .reason = READYD_REASON_PID_REUSED,
	    .wait_status = -1};
}

/* Without /proc, whether the living process is the one that was meant cannot be determined. */
static void answer_unknown(const struct question *question, struct readyd_answer *answer)
{
	*answer = (struct readyd_answer){.pid = question->pid,
	    .start = question->start,
	    .verdict = READYD_PENDING,
	    .reason = READYD_REASON_IDENTITY_UNKNOWN,
	    .wait_status = -1};
}

static struct registry_entry *look(
    struct tracker *w, const struct question *question, struct readyd_answer *answer)
{
	struct registry_entry *entry = registry_find(w->registry, question->pid);

	if (entry != NULL) {
		note_arrival(w, &entry->process, question->arrival, &entry->history);
		note_event(w, entry, question->arrival);
		give_to_owner(w, entry, question);
	}
	/* If it has just ended and no other process has the pid yet, its tombstone answers. */
	if (entry == NULL || !examine(w, entry, answer))
		return meet(w, question, answer);
	if (question->start == 0 || answer->reason == READYD_REASON_NO_RESOURCES ||
	    (entry->process.start_known && entry->process.start == question->start))
		return entry;
	if (entry->process.start_known)
		answer_for_former(w, question, answer);
	else
		answer_unknown(question, answer);
	registry_release(w->registry, entry);
	return NULL;
}

static void ask(struct tracker *w, const struct question *question, struct readyd_answer *answer)
{
	struct registry_entry *entry = look(w, question, answer);

	if (entry != NULL)
		registry_release(w->registry, entry);
}

void tracker_query(
    struct tracker *w, struct quota_user *user, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	ask(w, &(struct question){.user = user, .pid = pid, .start = start}, answer);
}

static void ask_for_event(struct tracker *w, pid_t pid, const struct arrival *arrival)
{
	struct readyd_answer answer;

	ask(w, &(struct question){.pid = pid, .arrival = arrival}, &answer);
}

static void queue_entry(struct registry_entry *entry, void *context)
{
	struct tracker *w = context;

	registry_queue(w->registry, entry);
}

static void queue_named(struct tracker *w, pid_t ns_pid)
{
	registry_visit_named(w->registry, (struct name_key){.ns_pid = ns_pid}, queue_entry, w);
}

/* First the marker is seen, then the processes: one that is created later has not written it. */
static void search(struct tracker *w, pid_t ns_pid, bool exists, const struct arrival *arrival)
{
	struct sighting seen;
	pid_t pids[NAMESAKES];
	size_t count;

	leftovers_look(&w->leftovers, ns_pid, &seen);
	seen.alone = true;
	count = ns_index_list(&w->namespaces, ns_pid, NULL, pids, NAMESAKES);
	for (size_t i = 0; count != SIZE_MAX && i < count && i < NAMESAKES; i++)
		ask_for_event(w, pids[i], arrival);
	if (count > NAMESAKES)
		queue_named(w, ns_pid);
	if (seen.marker.kind != MARKER_FILE || (!exists && count == 0 && !process_exists(ns_pid)))
		leftovers_note(&w->leftovers, &seen);
}

void tracker_marker_seen(struct tracker *w, pid_t ns_pid, const struct arrival *arrival)
{
	bool exists = registry_find(w->registry, ns_pid) != NULL || process_exists(ns_pid);

	w->alone = 0;
	if (exists)
		ask_for_event(w, ns_pid, arrival);
	/* The search has just been made. */
	if (w->alone == ns_pid)
		return;
	if (arrival == NULL ? leftovers_are_full(&w->leftovers) : *arrival->searches == 0) {
		queue_named(w, ns_pid);
		return;
	}
	if (arrival != NULL)
		--*arrival->searches;
	search(w, ns_pid, exists, arrival);
}

/* What a ready process writes is its own, and stays noted for the next one. */
static void note_written(struct tracker *w, pid_t pid, pid_t ns_pid)
{
	struct registry_entry *entry = registry_find(w->registry, pid);

	if (entry == NULL || entry->process.ns_pid != ns_pid)
		return;
	if (entry->history.latched) {
		(void)leftovers_note_ready(&w->leftovers, &entry->process, &entry->history);
		transitions_see_write(&w->transitions, entry, true);
	} else if (entry->history.has_leftover) {
		entry->history.has_leftover = false;
		tracker_recheck(w, entry);
	}
}

static void queue_polled(struct registry_entry *entry, void *context)
{
	if (entry->agenda.user != NULL)
		queue_entry(entry, context);
}

/* It was written before the process was noted as ready. */
static void note_first_writing(struct tracker *w, pid_t ns_pid)
{
	struct registry_entry *entry = registry_find(w->registry, ns_pid);

	if (entry != NULL && entry->process.ns_pid == ns_pid)
		transitions_see_write(&w->transitions, entry, false);
}

/* The first write of a leftover may be reported after it was seen: then it is seen again, and no process has
 * its number. */
void tracker_marker_written(struct tracker *w, pid_t ns_pid, uint64_t position)
{
	pid_t pids[NAMESAKES];
	size_t count;

	registry_visit_named(w->registry, (struct name_key){.ns_pid = ns_pid}, queue_polled, w);
	if (!leftovers_rewritten(&w->leftovers, ns_pid, position)) {
		note_first_writing(w, ns_pid);
		return;
	}
	note_written(w, ns_pid, ns_pid);
	count = ns_index_list(&w->namespaces, ns_pid, NULL, pids, NAMESAKES);
	for (size_t i = 0; count != SIZE_MAX && i < count && i < NAMESAKES; i++)
		note_written(w, pids[i], ns_pid);
	search(w, ns_pid, process_exists(ns_pid), NULL);
}

bool tracker_enroll(struct tracker *w, struct quota_user *user, const struct tracker_named *process,
    void (*join)(struct registry_entry *entry, void *context), void *context, struct readyd_answer *answer)
{
	const struct question question = {.user = user,
	    .pid = process->pid,
	    .start = process->start,
	    .waited = true,
	    .until_end = process->until_end};
	struct registry_entry *entry = look(w, &question, answer);
	bool begins = entry != NULL && begins_wait(&question, answer);
	bool had_waits = registry_is_waited(w->registry);

	/* No wait for it can be served. Of one that has ended, only the owner of the marker is not known. */
	if (entry == NULL && answer->reason == READYD_REASON_IDENTITY_UNKNOWN &&
	    !verdict_is_process_gone(answer->verdict))
		answer->reason = READYD_REASON_NO_RESOURCES;
	if (begins) {
		join(entry, context);
		transitions_see(&w->transitions, entry, answer);
		update(w, entry, answer);
	}
	if (entry != NULL)
		registry_release(w->registry, entry);
	if (!had_waits && registry_is_waited(w->registry))
		w->on_first_wait(w->context);
	return begins;
}

bool tracker_join(struct tracker *w, const struct readyd_answer *answer,
    void (*join)(struct registry_entry *entry, void *context), void *context)
{
	struct registry_entry *entry = registry_find(w->registry, answer->pid);

	if (entry == NULL || LIST_EMPTY(&entry->waits) || !entry->process.start_known ||
	    entry->process.start != answer->start)
		return false;
	join(entry, context);
	return true;
}

void tracker_leave(struct tracker *w, struct registry_wait *wait)
{
	struct registry_entry *entry = wait->entry;

	registry_detach(w->registry, wait);
	if (entry == NULL)
		return;
	transitions_see_waits(&w->transitions, entry);
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

static void queue_unpolled(struct registry_entry *entry, void *context)
{
	if (entry->agenda.user == NULL)
		queue_entry(entry, context);
}

void tracker_name_seen(struct tracker *w, pid_t ns_pid)
{
	if (w->transitions.followed && registry_find(w->registry, ns_pid) == NULL && process_exists(ns_pid))
		ask_for_event(w, ns_pid, NULL);
	registry_visit_named(w->registry, (struct name_key){.ns_pid = ns_pid}, queue_unpolled, w);
}

void tracker_extra_seen(struct tracker *w, int wd, pid_t ns_pid)
{
	registry_visit_named(w->registry, (struct name_key){wd, ns_pid}, queue_entry, w);
}

void tracker_tick(struct tracker *w)
{
	registry_tick(w->registry);
	ns_index_tick(&w->namespaces);
}

uint64_t tracker_extra_cost(const struct tracker *w)
{
	return w->namespaces.examined * TURNS_NAMESAKE + checker_scouts_asked(&w->checker) * TURNS_SCOUT;
}

/* The user may leave the registry with its entry. */
static void recheck_and_charge(struct tracker *w, struct registry_entry *entry)
{
	const uint64_t before = tracker_extra_cost(w);
	struct quota_user *user = quota_hold(entry->user);

	tracker_recheck(w, entry);
	turns_spend(&user->agenda.turns, tracker_extra_cost(w) - before);
	quota_leave(w->quota, user);
}

bool tracker_check_due(struct tracker *w, uint64_t pass)
{
	struct registry_entry *entry;

	while ((entry = registry_next_due(w->registry, pass)) != NULL)
		recheck_and_charge(w, entry);
	return registry_is_due(w->registry);
}

bool tracker_sweep(struct tracker *w, bool fresh, unsigned most)
{
	struct registry_entry *entry;

	if (fresh)
		registry_begin_sweep(w->registry);
	for (unsigned n = 0; n < most; n++) {
		entry = registry_next_waited(w->registry);
		if (entry == NULL) {
			/* Each look has asked for its watch again. */
			dirwatch_age(w->dirs);
			return false;
		}
		tracker_recheck(w, entry);
	}
	return true;
}
