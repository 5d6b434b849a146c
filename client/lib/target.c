#include "config.h"

#include "client/lib/target.h"
#include "src/hot.h"
#include "src/verdict.h"

/* The phase after an event, for each phase before it; NEVER: the event cannot occur. */
#define KEEP  8
#define NEVER 9
#define W     TARGET_WAITING
#define U     TARGET_UNCONFIRMED
#define D     TARGET_DONE

static const unsigned char phases[TARGET_EVENTS][TARGET_PHASES] = {
    /*		             NOT_STARTED WAITING UNCONFIRMED DONE */
    [TARGET_BORN] = {W, NEVER, NEVER, NEVER},
    [TARGET_SAW_NOTHING] = {NEVER, W, W, NEVER},
    [TARGET_SAW_DOUBT] = {NEVER, U, U, NEVER},
    [TARGET_SAW_END] = {NEVER, D, D, NEVER},
    [TARGET_ASK] = {NEVER, W, U, NEVER},
    [TARGET_GATE] = {NEVER, W, W, NEVER},
    [TARGET_TAKEN] = {NEVER, W, W, NEVER},
    [TARGET_TOLD] = {NEVER, D, D, NEVER},
    [TARGET_NOT_HELPED] = {NEVER, W, U, NEVER},
    [TARGET_LEFT] = {NEVER, W, U, NEVER},
};

/* The same for the subscription. */
static const unsigned char subscriptions[TARGET_EVENTS][SUBSCRIPTIONS] = {
    /*                          NONE ASKED GATE WAIT */
    [TARGET_BORN] = {KEEP, NEVER, NEVER, NEVER},
    [TARGET_SAW_NOTHING] = {KEEP, KEEP, KEEP, KEEP},
    [TARGET_SAW_DOUBT] = {KEEP, KEEP, KEEP, KEEP},
    [TARGET_SAW_END] = {SUBSCRIPTION_NONE, SUBSCRIPTION_NONE, SUBSCRIPTION_NONE, SUBSCRIPTION_NONE},
    [TARGET_ASK] = {SUBSCRIPTION_ASKED, NEVER, NEVER, NEVER},
    /* NONE: the request was sent before the wait was cancelled and begun again. */
    [TARGET_GATE] = {SUBSCRIPTION_GATE, SUBSCRIPTION_GATE, NEVER, NEVER},
    [TARGET_TAKEN] = {NEVER, SUBSCRIPTION_WAIT, NEVER, NEVER},
    [TARGET_TOLD] = {SUBSCRIPTION_NONE, SUBSCRIPTION_NONE, SUBSCRIPTION_NONE, SUBSCRIPTION_NONE},
    [TARGET_NOT_HELPED] = {KEEP, SUBSCRIPTION_NONE, KEEP, SUBSCRIPTION_NONE},
    [TARGET_LEFT] = {NEVER, SUBSCRIPTION_NONE, SUBSCRIPTION_NONE, SUBSCRIPTION_NONE},
};

HOT bool target_step(struct target_state *state, enum target_event event)
{
	unsigned phase = phases[event][state->phase];
	unsigned subscription = subscriptions[event][state->subscription];

	if (phase == NEVER || subscription == NEVER)
		return false;
	state->phase = (enum target_phase)phase;
	if (subscription != KEEP)
		state->subscription = (enum subscription)subscription;
	return true;
}

bool target_ends_wait(const struct target *t, const struct readyd_answer *answer)
{
	if (answer->verdict == READYD_STALE)
		return t->fail_stale;
	if (!t->pending)
		return verdict_ends_new_wait(answer);
	return verdict_ends_wait(answer) &&
	       !(target_is_covered(t) && answer->reason == READYD_REASON_NAMESPACE_DENIED);
}

/* Whether the daemon may know better: that the process was ready before its marker was removed, that the
 * marker existed before the process, or whether it may be another process's. */
enum target_event target_judge(const struct target *t, const struct readyd_answer *answer, bool has_daemon)
{
	if (!target_ends_wait(t, answer))
		return TARGET_SAW_NOTHING;
	if (has_daemon && (t->history.unconfirmed || !verdict_needs_no_daemon(answer)))
		return TARGET_SAW_DOUBT;
	return TARGET_SAW_END;
}
