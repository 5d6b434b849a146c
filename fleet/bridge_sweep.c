#include "config.h"

#include "fleet/bridge.h"

/* Without a retained message for so long, the broker has sent them all. A broker limits how many it holds for
 * one subscriber and drops the others; so as long as a look finds something to clear, another one follows it.
 */
#define QUIET_MS 3000

void bridge_sweep_begin(struct bridge *bridge, int64_t now)
{
	int mid;

	bridge->is_sweeping = broker_subscribe(bridge->broker, bridge->processes_topic, &mid) == 0;
	bridge->has_swept_any = false;
	bridge->swept_at = now;
}

void bridge_sweep_found(struct bridge *bridge, const struct topic *topic, int64_t now)
{
	if (!bridge->is_sweeping)
		return;
	bridge->swept_at = now;
	bridge->has_swept_any |= mirror_found(&bridge->mirror, topic->pid, topic->start);
}

int bridge_sweep(struct bridge *bridge, int64_t now)
{
	int64_t left = bridge->swept_at + QUIET_MS - now;

	if (!bridge->is_sweeping || !broker_is_open(bridge->broker))
		return -1;
	if (left > 0)
		return (int)left;
	bridge->is_sweeping = false;
	(void)broker_unsubscribe(bridge->broker, bridge->processes_topic);
	if (bridge->has_swept_any)
		bridge_sweep_begin(bridge, now);
	return bridge->is_sweeping ? QUIET_MS : -1;
}
