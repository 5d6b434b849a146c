#include "config.h"

#include "daemon/checker.h"
#include "daemon/quota.h"
#include "daemon/scouts.h"
#include "src/dirwatch.h"

static void on_watch_gone(void *charged, void *context)
{
	struct checker *checker = context;

	quota_release(checker->quota, charged, QUOTA_WATCHES, 1);
}

void checker_init(struct checker *checker, const struct marker_place *place, struct dirwatch *dirs,
    struct scouts *scouts, struct quota *quota, struct collisions *collisions)
{
	*checker = (struct checker){
	    .place = place, .dirs = dirs, .scouts = scouts, .quota = quota, .collisions = collisions};
	dirs->on_extra_gone = on_watch_gone;
	dirs->extra_context = checker;
}

uint64_t checker_scouts_asked(const struct checker *checker)
{
	return scouts_count(checker->scouts).asked;
}

uid_t checker_owner_of(const struct process *process)
{
	return process->uids_known ? process->uids[0] : (uid_t)-1;
}

/* A watch of another directory is charged to the user of a process that has it: only that can have given it
 * to the process. */
static void charge_watch(struct checker *checker, const struct process *process, int wd)
{
	struct quota_user *user;

	if (dirwatch_extra_charged(checker->dirs, wd) != NULL)
		return;
	user = quota_enter(checker->quota, checker_owner_of(process));
	if (quota_charge(checker->quota, user, QUOTA_WATCHES, 1))
		dirwatch_charge_extra(checker->dirs, wd, user);
	quota_leave(checker->quota, user);
}

/* A watch that is there already ends unless it is asked for again. */
static bool may_watch(struct checker *checker, const struct process *process, const struct history *history)
{
	struct quota_user *user = quota_enter(checker->quota, checker_owner_of(process));
	bool may = dirwatch_extra_charged(checker->dirs, history->extra_watch) != NULL ||
		   quota_has_room(checker->quota, user, QUOTA_WATCHES, 1);

	quota_leave(checker->quota, user);
	return may;
}

void checker_check(struct checker *checker, const struct process *process, struct history *history,
    bool watch, struct readyd_answer *answer)
{
	struct scouts_eye eye = {.scouts = checker->scouts,
	    .watched = watch && may_watch(checker, process, history) ? process->pid : 0};
	const struct marker_viewer viewer = {scouts_view, &eye, &checker->clock};

	check_process(checker->place, process, history, checker->collisions, &viewer, answer);
	if (eye.wd != 0)
		charge_watch(checker, process, eye.wd);
	if (eye.wd != 0 && eye.wd != history->extra_watch) {
		history->extra_watch = eye.wd;
		dirwatch_forget_arrival(checker->dirs, eye.wd, process->ns_pid);
	}
	/* What has arrived is not its marker. */
	if (history->in_other_dir &&
	    (answer->reason == READYD_REASON_NOT_A_FILE || answer->verdict == READYD_STALE)) {
		history->arrived = false;
		dirwatch_forget_arrival(checker->dirs, history->extra_watch, process->ns_pid);
	}
}
