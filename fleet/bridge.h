/*
 * readyd-mqtt: follows the monitor of a daemon and tells an MQTT broker what is. Both sides are levels, not
 * events: the mirror has what the broker has to hold, and after each loss of a connection all of it is
 * published again.
 */
#ifndef FLEET_BRIDGE_H
#define FLEET_BRIDGE_H

#include "fleet/broker.h"
#include "fleet/mirror.h"
#include "fleet/payload.h"
#include "fleet/topic.h"
#include "readyd/readyd.h"

/* So long the node is "unknown" before it is "offline", when the daemon does not answer: restarting it takes
 * less. */
#define BRIDGE_GRACE_MS 10000

struct bridge_options {
	struct broker_options broker;
	struct readyd_options daemon;
	char node[TOPIC_NODE_SIZE];
	int64_t keep_ms;
};

struct bridge {
	const struct bridge_options *options;
	struct readyd_monitor *monitor;
	struct broker *broker;
	unsigned refusals; /* of subscriptions, in a row */
	struct mirror mirror;

	/* What the daemon says; see bridge_follow.c. */
	bool was_live;	     /* the mirror has its processes */
	bool is_lost;	     /* there is no connection to it */
	int64_t lost_at;     /* clock_ms() */
	uint64_t epoch, seq; /* of the last snapshot */
	int64_t ask_at;	     /* no questions before this; see bridge_unlisted.c */
	bool warned_of_starts;

	/* What the broker is told; see bridge_publish.c. */
	char status_topic[TOPIC_SIZE], processes_topic[TOPIC_SIZE];
	uint64_t will_epoch;
	enum payload_state state; /* what it has to hold */
	bool state_is_said;	  /* and has been sent */
	uint64_t mark;		  /* of the mirror: "online" is said only behind it */
	int64_t heartbeat_at;	  /* when the status is sent again; -1: not by time */
	int status_mid;		  /* of the last status */
	bool is_acknowledged;
	bool is_heard; /* the broker has delivered a status of this connection */
	int64_t deaf_at;

	/* What the broker holds; see bridge_sweep.c. */
	bool is_sweeping, has_swept_any;
	bool is_doubtful; /* it may not hold what it has acknowledged */
	bool is_checking; /* this sweep looks for that */
	int64_t check_at; /* no other one before this */
	int64_t swept_at;
	int64_t last_complaint;
	bool is_ending;
};

/* bridge_follow.c: takes what the monitor has. 0, or -1: it cannot go on; errno. */
int bridge_follow(struct bridge *bridge, int64_t now);
/* The state by what the daemon says. Returns how long it stays; -1: until the daemon says otherwise. */
int bridge_set_state(struct bridge *bridge, int64_t now);

/* bridge_unlisted.c: asks the daemon for processes that a snapshot lacks, since they may have ended while
 * none ran. Returns when the next question is due, as above. */
int bridge_ask_unlisted(struct bridge *bridge, int64_t now);

/* bridge_publish.c: begins a connection; see broker_set_will(). */
void bridge_connect(struct bridge *bridge);
void bridge_on_open(struct bridge *bridge, int64_t now);
void bridge_on_message(
    struct bridge *bridge, const char *topic, const char *payload, size_t length, bool retained, int64_t now);
void bridge_on_acknowledged(struct bridge *bridge, int mid, int64_t now);
/* Sends what there is to send. Returns how long that may be enough; -1: until something happens. */
int bridge_publish(struct bridge *bridge, int64_t now);

/* bridge_sweep.c: looks for what earlier bridges have left in the broker, and for what it lacks. */
void bridge_sweep_begin(struct bridge *bridge, int64_t now);
void bridge_sweep_found(
    struct bridge *bridge, const struct topic *topic, const char *payload, size_t length, int64_t now);
int bridge_sweep(struct bridge *bridge, int64_t now);

/* bridge.c: runs until a signal; the exit status. */
int bridge_run(const struct bridge_options *options);

#endif
