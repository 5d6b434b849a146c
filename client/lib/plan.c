#include "config.h"

#include "client/lib/plan.h"
#include "src/hot.h"

/* A target with a subscription (gate or WAIT) needs no watch. Once a target has none while no daemon is
 * available, the directory is watched until all have one. An unconfirmed target that holds a gate waits for
 * the gate to close. */
HOT struct plan plan_make(
    const struct target_set *set, enum readyd_backend backend, bool absent, bool watching)
{
	const size_t *waiting = set->tally[TARGET_WAITING], *unconfirmed = set->tally[TARGET_UNCONFIRMED];
	size_t in_doubt = target_set_phase(set, TARGET_UNCONFIRMED);
	size_t free_of_gate = in_doubt - unconfirmed[SUBSCRIPTION_GATE];
	size_t uncovered = target_set_phase(set, TARGET_NOT_STARTED) + waiting[SUBSCRIPTION_NONE] +
			   waiting[SUBSCRIPTION_ASKED] + unconfirmed[SUBSCRIPTION_NONE] +
			   unconfirmed[SUBSCRIPTION_ASKED];
	bool forced = backend == READYD_BACKEND_DAEMON || backend == READYD_BACKEND_REMOTE;
	bool alone = backend == READYD_BACKEND_FILE;
	struct plan plan;

	plan.ask = !alone && waiting[SUBSCRIPTION_NONE] + free_of_gate > 0;
	plan.urgent = free_of_gate > 0;
	plan.expect = unconfirmed[SUBSCRIPTION_GATE] > 0 || (!forced && in_doubt > 0);
	plan.trust = free_of_gate > 0 && !forced && (alone || absent);
	plan.watch = uncovered > 0 && !forced && (alone || absent || watching);
	plan.rest = uncovered == 0 && in_doubt == 0;
	plan.close = plan.rest && waiting[SUBSCRIPTION_WAIT] == 0;
	return plan;
}
