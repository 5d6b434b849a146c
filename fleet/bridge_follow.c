#include "config.h"

#include <string.h>

#include "fleet/bridge.h"
#include "fleet/say.h"
#include "src/clock.h"

static void to_payload(const struct readyd_event *event, struct payload_process *state)
{
	*state = (struct payload_process){.verdict = event->verdict,
	    .reason = event->reason,
	    .wait_status = event->wait_status,
	    .status_hidden = (event->flags & READYD_FLAG_STATUS_HIDDEN) != 0,
	    .epoch = event->epoch,
	    .seq = event->seq,
	    .time_ms = event->time_ms};
	_Static_assert(sizeof(state->name) == sizeof(event->name), "it is copied whole");
	memcpy(state->name, event->name, sizeof(state->name));
}

/* A pid without a start names nothing beyond the moment. */
static bool has_start(struct bridge *bridge, const struct readyd_event *event)
{
	if (event->start == 0 && !bridge->warned_of_starts)
		say("process %ld is left out, since its start is not known here (hidepid); run readyd-mqtt "
		    "as root "
		    "or in the group of readyd's --trusted-group",
		    (long)event->pid);
	bridge->warned_of_starts |= event->start == 0;
	return event->start != 0;
}

static void put(struct bridge *bridge, const struct readyd_event *event, int64_t now)
{
	int64_t age = clock_now_ns(CLOCK_REALTIME) / 1000000 - event->time_ms;
	struct payload_process state;

	if (!has_start(bridge, event))
		return;
	to_payload(event, &state);
	mirror_put(&bridge->mirror, event->pid, event->start, &state, now,
	    event->change == READYD_CHANGE_STATE && age > 0 ? age : 0);
}

static void on_live(struct bridge *bridge, const struct readyd_event *event, int64_t now)
{
	const struct mirror_position position = {event->epoch, event->seq, now};

	mirror_end_snapshot(&bridge->mirror, &position);
	bridge->seq = event->seq;
	bridge->was_live = true;
	bridge->is_lost = false;
	bridge->epoch = event->epoch;
	bridge->state_is_said = false;
	bridge->mark = mirror_mark(&bridge->mirror);
}

static void on_lost(struct bridge *bridge, int64_t now)
{
	say("readyd does not answer; the node is unknown until it does");
	if (!bridge->is_lost)
		bridge->lost_at = now;
	bridge->is_lost = true;
}

static void take(struct bridge *bridge, const struct readyd_event *event, int64_t now)
{
	switch (event->change) {
	case READYD_CHANGE_SNAPSHOT:
		mirror_begin_snapshot(&bridge->mirror);
		return;
	case READYD_CHANGE_LIVE:
		if (bridge->is_lost)
			say("readyd answers: epoch %llu", (unsigned long long)event->epoch);
		on_live(bridge, event, now);
		return;
	case READYD_CHANGE_RESUMED:
		say("readyd answers again, and nothing was lost");
		bridge->is_lost = false;
		return;
	case READYD_CHANGE_GAP:
		return;
	case READYD_CHANGE_LOST:
		on_lost(bridge, now);
		return;
	case READYD_CHANGE_FORGOTTEN:
		mirror_forget(&bridge->mirror, event->pid, event->start);
		return;
	case READYD_CHANGE_STATE:
	case READYD_CHANGE_READY:
	case READYD_CHANGE_EXITED:
	case READYD_CHANGE_DIED:
	case READYD_CHANGE_STALE:
	case READYD_CHANGE_REMOVED:
	case READYD_CHANGE_REWRITTEN:
	case READYD_CHANGE_WAITED:
		put(bridge, event, now);
		return;
	}
}

int bridge_follow(struct bridge *bridge, int64_t now)
{
	struct readyd_event event = READYD_EVENT_INIT;
	int result;

	while ((result = readyd_monitor_next(bridge->monitor, &event)) == 1)
		take(bridge, &event, now);
	return result;
}

int bridge_set_state(struct bridge *bridge, int64_t now)
{
	enum payload_state before = bridge->state;
	int64_t left = bridge->lost_at + BRIDGE_GRACE_MS - now;

	if (bridge->is_ending)
		bridge->state = PAYLOAD_OFFLINE;
	else if (!bridge->is_lost)
		bridge->state = PAYLOAD_ONLINE;
	else
		bridge->state = left > 0 ? PAYLOAD_UNKNOWN : PAYLOAD_OFFLINE;
	if (bridge->state != before)
		bridge->state_is_said = false;
	return bridge->is_lost && left > 0 && !bridge->is_ending ? (int)left : -1;
}
