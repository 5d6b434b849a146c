/* Tells each step of a target in the story; tests/test_model.sh compares them with those of the model. The
 * linker leads target_step() here. */
#include "client/lib/target.h"
#include "tests/sim/history.h"

/* The linker prescribes these names. NOLINTBEGIN(bugprone-reserved-identifier) */
__typeof__(target_step) __wrap_target_step, __real_target_step;

static const char *const phases[TARGET_PHASES] = {"not-started", "waiting", "unconfirmed", "done"};
static const char *const subscriptions[SUBSCRIPTIONS] = {"none", "asked", "gate", "wait"};
static const char *const events[TARGET_EVENTS] = {
    "born", "saw-nothing", "saw-doubt", "saw-end", "ask", "gate", "taken", "told", "not-helped", "left"};

bool __wrap_target_step(struct target_state *state, enum target_event event)
{
	struct target_state before = *state;

	if (!__real_target_step(state, event))
		return false;
	STORY("step: %s %s %s %s %s", phases[before.phase], subscriptions[before.subscription], events[event],
	    phases[state->phase], subscriptions[state->subscription]);
	return true;
}
/* NOLINTEND(bugprone-reserved-identifier) */
