#include "config.h"

#include "fleet/bridge.h"

/* Without a retained message for so long, the broker has sent them all. A broker limits how many it holds for
 * one subscriber and drops the others; so as long as a look finds something to clear, another one follows it.
 */
#define QUIET_MS 3000
/* At least so long between two checks: a broker that is slow because it has much to do gets little more of
 * it. */
#define CHECK_MS 30000

static void begin(struct bridge *bridge, int64_t now)
{
	int mid;

	bridge->is_sweeping = broker_subscribe(bridge->broker, bridge->processes_topic, &mid) == 0;
	bridge->has_swept_any = false;
	bridge->swept_at = now;
}

void bridge_sweep_begin(struct bridge *bridge, int64_t now)
{
	bridge->is_doubtful = bridge->is_checking = false;
	begin(bridge, now);
}

/* What the broker shows while something is in flight may be what it held before. */
static int check(struct bridge *bridge, int64_t now)
{
	if (!bridge->is_doubtful || !mirror_is_at_rest(&bridge->mirror))
		return -1;
	if (now < bridge->check_at)
		return (int)(bridge->check_at - now);
	bridge->check_at = now + CHECK_MS;
	bridge->is_doubtful = false;
	bridge->is_checking = true;
	mirror_begin_check(&bridge->mirror);
	begin(bridge, now);
	return QUIET_MS;
}

void bridge_sweep_found(
    struct bridge *bridge, const struct topic *topic, const char *payload, size_t length, int64_t now)
{
	struct payload_process state;
	bool is_read;

	if (!bridge->is_sweeping)
		return;
	bridge->swept_at = now;
	is_read = payload_read_process(payload, length, &state) == NULL;
	bridge->has_swept_any |=
	    mirror_found(&bridge->mirror, topic->pid, topic->start, is_read ? &state : NULL);
}

static void end(struct bridge *bridge)
{
	bridge->is_sweeping = false;
	(void)broker_unsubscribe(bridge->broker, bridge->processes_topic);
	if (bridge->is_checking)
		mirror_end_check(&bridge->mirror);
	bridge->is_checking = false;
}

int bridge_sweep(struct bridge *bridge, int64_t now)
{
	int64_t left = bridge->swept_at + QUIET_MS - now;

	if (!broker_is_open(bridge->broker))
		return -1;
	if (bridge->is_sweeping && left > 0)
		return (int)left;
	if (bridge->is_sweeping) {
		end(bridge);
		if (bridge->has_swept_any)
			begin(bridge, now);
		return 0;
	}
	return check(bridge, now);
}
