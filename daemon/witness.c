#include "config.h"

#include <unistd.h>

#include "daemon/log.h"
#include "daemon/pidwatch.h"
#include "daemon/reserve.h"
#include "daemon/witness.h"
#include "src/abode.h"
#include "src/verdict.h"

/* Ended processes that are remembered, the oldest forgotten first. */
#define GRAVES 1024

void witness_init(struct witness *w, struct event_base *base, const struct marker_place *place,
    const struct witness_hooks *hooks, void *context)
{
	*w = (struct witness){.base = base,
	    .place = place,
	    .ledger = ledger_new(GRAVES, pidwatch_stop),
	    .met_fds = sysconf(_SC_OPEN_MAX) / 2,
	    .hooks = *hooks,
	    .context = context};
}

void witness_fini(struct witness *w)
{
	for (unsigned i = 0; i < WITNESS_MET; i++)
		if (w->met[i].process.pid != 0)
			process_close(&w->met[i].process);
	ledger_free(w->ledger);
	w->ledger = NULL;
}

static bool examine(struct witness *w, struct ledger_entry *entry, struct readyd_answer *answer);

/* Where its verdict cannot be found out now, the rounds try again: its pidfd would be readable without end.
 */
static void on_ended(struct ledger_entry *entry, void *context)
{
	struct witness *w = context;
	struct readyd_answer answer;

	if (!examine(w, entry, &answer))
		return;
	if (process_gone(&entry->process))
		pidwatch_stop(entry);
	ledger_release(w->ledger, entry);
}

static struct ledger_entry *enter(
    struct witness *w, const struct process *process, const struct memory *memory)
{
	struct ledger_entry *entry = ledger_enter(w->ledger, process, memory);

	pidwatch_start(w->base, entry, on_ended, w);
	return entry;
}

/* Watch, then look. */
static void look_elsewhere(
    struct witness *w, const struct process *process, struct memory *memory, struct readyd_answer *answer)
{
	struct marker_place there;

	if (answer->verdict != READYD_PENDING || !memory->elsewhere)
		return;
	if (abode_find(w->place, process, &there) == ABODE_ELSEWHERE &&
	    w->hooks.elsewhere(w->context, there.dir, &memory->post))
		inspect(w->place, process, memory, &w->rivals, answer);
}

/* What it leaves behind for the next one that has its name. If it was elsewhere, that is out of sight. */
static void look_at_leftover(struct witness *w, const struct ledger_entry *entry, struct sight *marker)
{
	marker->kind = SIGHT_ABSENT;
	if (!entry->memory.elsewhere)
		marker_look(w->place, entry->process.name, marker);
}

/* Looks at an entry and keeps the ledger by it. False when the entry has left the ledger. */
static bool examine(struct witness *w, struct ledger_entry *entry, struct readyd_answer *answer)
{
	struct sight marker;

	w->looks++;
	if (entry->memory.elsewhere && process_gone(&entry->process))
		w->hooks.catch_up(w->context);
	inspect(w->place, &entry->process, &entry->memory, &w->rivals, answer);
	look_elsewhere(w, &entry->process, &entry->memory, answer);
	if (verdict_is_end(answer->verdict)) {
		look_at_leftover(w, entry, &marker);
		w->settled++;
		log_debug("process %ld has %s", (long)answer->pid, readyd_verdict_name(answer->verdict));
		ledger_bury(w->ledger, entry, answer, &marker);
		return false;
	}
	/* That the directory is missing settles nothing for those who wait already: it may come back. */
	if (!verdict_ends_wait(answer))
		return true;
	w->settled++;
	log_debug("process %ld is %s", (long)answer->pid, readyd_verdict_name(answer->verdict));
	ledger_settle(w->ledger, entry, answer);
	return true;
}

/* What is remembered of the process if it has ended, unless another marker has come since: then somebody
 * unseen had the pid in between. */
static bool ask_grave(struct witness *w, const struct process *process, struct readyd_answer *answer)
{
	const struct ledger_grave *grave = ledger_grave(w->ledger, process->pid);
	struct sight now;

	if (grave == NULL || (!process->never && process->start != grave->answer.start))
		return false;
	marker_look(w->place, grave->name, &now);
	if (now.kind == SIGHT_FILE && !sight_same(&now, &grave->marker))
		return false;
	*answer = grave->answer;
	return true;
}

/* A marker that lay there when the last holder of the name ended cannot be the next holder's. Within one tick
 * the next one may have its pid and its start: but what lives is not what has ended. */
static void recall(struct witness *w, const struct process *process, struct memory *memory)
{
	const struct ledger_grave *grave = ledger_grave_of_name(w->ledger, process->name);

	*memory = (struct memory){0};
	if (grave == NULL || grave->marker.kind != SIGHT_FILE ||
	    (grave->pid == process->pid && grave->answer.start == process->start && process_gone(process)))
		return;
	memory->left_behind = true;
	memory->leftover = grave->marker;
}

/* In the reserve no pidfd stays: the process is then watched by its start. */
static void leave_reserve(struct process *process)
{
	if (process->fd >= 0 && !reserve_allows(process->fd))
		process_close(process);
}

/* What is worth to be remembered until the process ends: without a pidfd that would never show. */
static bool is_memorable(const struct process *process, const struct memory *memory)
{
	return process->fd >= 0 && ledger_must_keep(memory);
}

/* Takes the pid's process over from those met before, while it lives: then it has its pid still. */
static bool take_met(struct witness *w, pid_t pid, struct process *process, struct memory *memory)
{
	struct witness_met *met = w->met;

	while (met < w->met + WITNESS_MET && met->process.pid != pid)
		met++;
	if (met == w->met + WITNESS_MET)
		return false;
	*process = met->process;
	*memory = met->memory;
	met->process.pid = 0;
	w->met_next = (unsigned)(met - w->met);
	if (!process_gone(process))
		return true;
	process_close(process);
	return false;
}

/* Takes over the pidfd. */
static void keep_met(struct witness *w, const struct process *process, const struct memory *memory)
{
	struct witness_met *met = &w->met[w->met_next];

	if (met->process.pid != 0)
		process_close(&met->process);
	*met = (struct witness_met){*process, *memory};
	w->met_next = (w->met_next + 1) % WITNESS_MET;
}

/* Looks at a process that has no entry. Enters it, and returns the entry, when something about it is to be
 * remembered or when it is pending and `waited` for. */
static struct ledger_entry *meet(struct witness *w, pid_t pid, bool waited, struct readyd_answer *answer)
{
	struct process process;
	struct memory memory;

	w->looks++;
	if (!take_met(w, pid, &process, &memory)) {
		process_open(&process, pid);
		recall(w, &process, &memory);
	}
	inspect(w->place, &process, &memory, &w->rivals, answer);
	if (waited)
		look_elsewhere(w, &process, &memory, answer);
	if (verdict_is_end(answer->verdict))
		(void)ask_grave(w, &process, answer);
	if (answer->reason == READYD_REASON_NO_RESOURCES) {
		process_close(&process);
		return NULL;
	}
	leave_reserve(&process);
	if ((!verdict_is_end(answer->verdict) && is_memorable(&process, &memory)) ||
	    (answer->verdict == READYD_PENDING && waited))
		return enter(w, &process, &memory);
	if (answer->verdict == READYD_PENDING && process.fd >= 0 && process.fd < w->met_fds)
		keep_met(w, &process, &memory);
	else
		process_close(&process);
	return NULL;
}

static struct ledger_entry *look(struct witness *w, pid_t pid, bool waited, struct readyd_answer *answer)
{
	struct ledger_entry *entry = ledger_find(w->ledger, pid);

	if (entry == NULL)
		return meet(w, pid, waited, answer);
	if (examine(w, entry, answer))
		return entry;
	/* It has ended just now. If nobody else has the pid yet, its grave answers. */
	return meet(w, pid, waited, answer);
}

/* The process that was meant is gone, since another has its pid: what is remembered of it. */
static void answer_for_former(struct witness *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	const struct ledger_grave *grave = ledger_grave(w->ledger, pid);

	if (grave != NULL && grave->answer.start == start) {
		*answer = grave->answer;
		return;
	}
	*answer = (struct readyd_answer){.pid = pid,
	    .start = start,
	    .verdict = READYD_DIED,
	    .reason = READYD_REASON_PID_REUSED,
	    .wait_status = -1};
}

static struct ledger_entry *look_exactly(
    struct witness *w, pid_t pid, uint64_t start, bool waited, struct readyd_answer *answer)
{
	struct ledger_entry *entry = look(w, pid, waited, answer);

	if (answer->reason == READYD_REASON_NO_RESOURCES)
		return entry;
	/* Not known, as when no process has the pid: the asker's word is as good as it gets. */
	if (answer->start == 0)
		answer->start = start;
	if (start == 0 || answer->start == start)
		return entry;
	if (entry != NULL)
		ledger_release(w->ledger, entry);
	answer_for_former(w, pid, start, answer);
	return NULL;
}

void witness_query(struct witness *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct ledger_entry *entry = look_exactly(w, pid, start, false, answer);

	if (entry != NULL)
		ledger_release(w->ledger, entry);
}

void witness_sighted(struct witness *w, pid_t pid)
{
	struct readyd_answer answer;

	if (ledger_find(w->ledger, pid) != NULL || process_exists(pid))
		witness_query(w, pid, 0, &answer);
}

struct ledger_entry *witness_enroll(
    struct witness *w, pid_t pid, uint64_t start, struct readyd_answer *answer)
{
	struct ledger_entry *entry = look_exactly(w, pid, start, true, answer);

	if (entry == NULL ||
	    (answer->verdict == READYD_PENDING && answer->reason != READYD_REASON_NO_RESOURCES))
		return entry;
	ledger_release(w->ledger, entry);
	return NULL;
}

void witness_attach(struct witness *w, struct ledger_entry *entry, struct ledger_wait *wait)
{
	bool first = !ledger_is_waited(w->ledger);

	ledger_attach(w->ledger, entry, wait);
	w->nested |= process_is_nested(&entry->process);
	if (first)
		w->hooks.wanted(w->context);
}

void witness_detach(struct witness *w, struct ledger_wait *wait)
{
	ledger_detach(w->ledger, wait);
}

void witness_release(struct witness *w, struct ledger_entry *entry)
{
	ledger_release(w->ledger, entry);
}

bool witness_still_waits(struct witness *w, struct ledger_entry *entry, struct readyd_answer *answer)
{
	if (!examine(w, entry, answer))
		return false;
	if (!verdict_ends_wait(answer))
		return true;
	ledger_release(w->ledger, entry);
	return false;
}

void witness_posted(struct witness *w, int post, pid_t name)
{
	struct ledger_entry *entry = NULL;

	while ((entry = ledger_next(w->ledger, entry)) != NULL)
		if (entry->memory.post == post && entry->process.name == name)
			entry->memory.posted = true;
}

void witness_recheck(struct witness *w, struct ledger_entry *entry)
{
	struct readyd_answer answer;

	if (examine(w, entry, &answer))
		ledger_release(w->ledger, entry);
}

bool witness_round(struct witness *w, bool fresh, unsigned most)
{
	struct ledger_entry *entry;

	if (fresh) {
		ledger_begin_round(w->ledger);
		rivals_catch_up(&w->rivals);
	}
	for (unsigned n = 0; n < most; n++) {
		entry = ledger_next_waited(w->ledger);
		if (entry == NULL)
			return false;
		witness_recheck(w, entry);
	}
	return true;
}
