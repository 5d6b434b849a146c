#include "config.h"

#include <stdio.h>
#include <string.h>

#include "fleet/bridge.h"
#include "fleet/say.h"
#include "fleet/view.h"
#include "src/clock.h"

/* A broker acknowledges also what its rules forbid (MQTT 3.1.1). */
#define DEAF_MS 10000
/* A server of a cluster without a majority may acknowledge, after a time-out of its own (NATS 2.9: 4
 * seconds), what it could not retain. */
#define SLOW_MS 3000
/* At least so long between two corrections of what another client has published under this node's name. */
#define CORRECTION_MS 1000

static size_t write_status(const struct bridge *bridge, enum payload_state state, char buf[PAYLOAD_SIZE])
{
	struct payload_status status = {
	    .state = state, .epoch = bridge->epoch, .time_ms = clock_now_ns(CLOCK_REALTIME) / 1000000};

	snprintf(status.version, sizeof(status.version), "%s", PACKAGE_VERSION);
	return payload_write_status(buf, &status);
}

void bridge_connect(struct bridge *bridge)
{
	char will[PAYLOAD_SIZE];

	(void)write_status(bridge, PAYLOAD_OFFLINE, will);
	broker_set_will(bridge->broker, bridge->status_topic, will);
	bridge->will_epoch = bridge->epoch;
	broker_reopen(bridge->broker);
}

void bridge_on_open(struct bridge *bridge, int64_t now)
{
	int mid;

	say("connected to the broker %s:%u as node %s", broker_address(bridge->broker)->host,
	    broker_address(bridge->broker)->port, bridge->options->node);
	bridge->last_complaint = 0;
	bridge->status_mid = 0;
	mirror_restart(&bridge->mirror);
	bridge->mark = mirror_mark(&bridge->mirror);
	bridge->state_is_said = bridge->is_heard = false;
	bridge->heartbeat_at = bridge->deaf_at = -1;
	(void)broker_subscribe(bridge->broker, bridge->status_topic, &mid);
	bridge_sweep_begin(bridge, now);
}

/* What comes to this node's status by another hand, as the will of a connection that the broker has given up
 * late, is corrected. */
static void on_status(struct bridge *bridge, const char *payload, size_t length, bool retained, int64_t now)
{
	struct payload_status status;

	bridge->is_heard = true;
	if (retained || !bridge->state_is_said || !bridge->is_acknowledged)
		return;
	if (payload_read_status(payload, length, &status) == NULL && status.state == bridge->state &&
	    status.epoch == bridge->epoch)
		return;
	if (bridge->heartbeat_at < 0 || bridge->heartbeat_at > now + CORRECTION_MS)
		bridge->heartbeat_at = now + CORRECTION_MS;
}

void bridge_on_message(
    struct bridge *bridge, const char *topic, const char *payload, size_t length, bool retained, int64_t now)
{
	struct topic parsed;

	if (topic_parse(topic, &parsed) != 0 || strcmp(parsed.node, bridge->options->node) != 0)
		return;
	if (parsed.kind == TOPIC_STATUS)
		on_status(bridge, payload, length, retained, now);
	else if (retained && length > 0)
		bridge_sweep_found(bridge, &parsed, payload, length, now);
}

void bridge_on_acknowledged(struct bridge *bridge, int mid, int64_t now)
{
	int64_t sent;

	if (mid == bridge->status_mid) {
		bridge->is_acknowledged = true;
		return;
	}
	sent = mirror_acknowledged(&bridge->mirror, mid);
	if (sent >= 0 && now - sent >= SLOW_MS)
		bridge->is_doubtful = true;
}

static void publish_processes(struct bridge *bridge, int64_t now)
{
	char topic[TOPIC_SIZE], payload[PAYLOAD_SIZE];
	struct mirror_entry *entry;
	size_t length;
	int mid;

	while ((entry = mirror_next(&bridge->mirror)) != NULL) {
		topic_of_process(topic, bridge->options->node, (pid_t)entry->key.pid, entry->key.start);
		length = entry->is_wanted ? payload_write_process(payload, &entry->state) : 0;
		if (broker_publish(bridge->broker, topic, payload, length, &mid) != 0)
			return;
		mirror_sent(&bridge->mirror, entry, mid, now);
	}
}

static void publish_status(struct bridge *bridge, int64_t now)
{
	char payload[PAYLOAD_SIZE];
	size_t length = write_status(bridge, bridge->state, payload);

	if (broker_publish(bridge->broker, bridge->status_topic, payload, length, &bridge->status_mid) != 0)
		return;
	bridge->state_is_said = true;
	bridge->is_acknowledged = false;
	bridge->heartbeat_at = now + VIEW_HEARTBEAT_MS;
	if (bridge->deaf_at < 0)
		bridge->deaf_at = now + DEAF_MS;
}

/* That the node is not online is said at once; that it is, when the broker has its processes. */
static bool status_is_due(const struct bridge *bridge, int64_t now)
{
	if (bridge->state_is_said)
		return now >= bridge->heartbeat_at;
	return bridge->state != PAYLOAD_ONLINE || mirror_has_passed(&bridge->mirror, bridge->mark);
}

static void complain_once(struct bridge *bridge, int64_t now)
{
	if (bridge->is_heard || bridge->deaf_at < 0 || now < bridge->deaf_at)
		return;
	say("the broker does not deliver %s, so others may not see it either: check its rules (ACL) for this "
	    "user",
	    bridge->status_topic);
	bridge->is_heard = true;
}

int bridge_publish(struct bridge *bridge, int64_t now)
{
	if (!broker_is_open(bridge->broker))
		return -1;
	if (bridge->state != PAYLOAD_ONLINE && status_is_due(bridge, now))
		publish_status(bridge, now);
	publish_processes(bridge, now);
	if (bridge->state == PAYLOAD_ONLINE && status_is_due(bridge, now))
		publish_status(bridge, now);
	complain_once(bridge, now);
	return bridge->state_is_said && bridge->heartbeat_at > now ? (int)(bridge->heartbeat_at - now) : -1;
}
