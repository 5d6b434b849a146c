#include "config.h"

#include "fleet/decision.h"
#include "src/verdict.h"

static void take_state(struct decision *d)
{
	const struct payload_process *state = &d->process->state;

	d->answer.start = d->process->key.start;
	d->answer.verdict = state->verdict;
	d->answer.reason = state->reason;
	d->answer.wait_status = state->wait_status;
	if (state->status_hidden)
		d->answer.flags |= READYD_FLAG_STATUS_HIDDEN;
	d->ends = verdict_ends_wait(&d->answer);
	d->cause = d->ends ? DECISION_ANSWERED : DECISION_PROCESS_WAITS;
}

/* Without a word of the node on what is now. What has ended does not come back, so its last word stays true.
 */
static void stay_without(struct decision *d, bool present, enum decision_cause cause)
{
	if (present && verdict_is_process_gone(d->process->state.verdict)) {
		take_state(d);
		return;
	}
	d->cause = cause;
	if (d->process != NULL)
		d->answer.start = d->process->key.start;
	if (cause != DECISION_NODE_OFFLINE)
		return;
	d->ends = true;
	d->answer.verdict = READYD_UNREACHABLE;
	d->answer.reason = READYD_REASON_NODE_OFFLINE;
}

struct decision decision_make(const struct view_node *node, pid_t pid, uint64_t start, int64_t ms)
{
	struct decision d = {.answer = READYD_ANSWER_INIT};
	bool present;

	d.answer.pid = pid;
	d.answer.start = start;
	d.process = node != NULL ? view_find_process(node, pid, start) : NULL;
	present = d.process != NULL && view_is_present(node, d.process);
	switch (view_condition(node, ms)) {
	case VIEW_NEVER_SEEN:
		stay_without(&d, false, DECISION_NODE_NEVER_SEEN);
		break;
	case VIEW_DOUBTFUL:
		stay_without(&d, present, DECISION_NODE_DOUBTFUL);
		break;
	case VIEW_UNKNOWN:
		stay_without(&d, present, DECISION_NODE_UNKNOWN);
		break;
	case VIEW_OFFLINE:
		stay_without(&d, present, DECISION_NODE_OFFLINE);
		break;
	case VIEW_ONLINE:
		if (present)
			take_state(&d);
		else
			d.cause = d.process != NULL ? DECISION_PROCESS_OLD : DECISION_PROCESS_UNKNOWN;
		break;
	}
	return d;
}
