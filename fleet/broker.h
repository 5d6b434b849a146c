/*
 * The connection to an MQTT broker (3.1.1), by libmosquitto, for a loop of poll(2): it connects again by
 * itself, with growing delays and jitter. Each connection begins with a clean session and nothing in flight;
 * what has to be published or subscribed to is the business of on_open. Events come during broker_turn()
 * alone. Resolving the name of the broker blocks.
 */
#ifndef FLEET_BROKER_H
#define FLEET_BROKER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet/backoff.h"

#define BROKER_HOST_SIZE 256
#define BROKER_ADDRESSES 8

struct broker_address {
	char host[BROKER_HOST_SIZE];
	uint16_t port;
};

struct broker_options {
	/* The servers of one cluster, which are tried in turn. */
	struct broker_address addresses[BROKER_ADDRESSES];
	size_t address_count;
	const char *user, *password; /* or NULL */
	const char *cafile, *cert, *key;
	bool tls;
};

struct broker_events {
	void (*on_open)(void *context);
	/* Why there is no connection, in each attempt; is_refused: the broker, or one side's certificate,
	 * does not allow it, so that another attempt would hardly help. */
	void (*on_lost)(const char *why, bool is_refused, void *context);
	void (*on_message)(
	    const char *topic, const char *payload, size_t length, bool retained, void *context);
	void (*on_acknowledged)(int mid, void *context); /* of a publication */
	void (*on_subscribed)(int mid, bool is_granted, void *context);
};

struct broker;

/* The options must outlive the broker. will_topic NULL: no will. NULL: libmosquitto has no memory. */
struct broker *broker_new(const struct broker_options *options, const char *client_id,
    const struct broker_events *events, void *context);
/* Closes the connection without a DISCONNECT, which publishes the will. */
void broker_free(struct broker *broker);

/* Of the next connection. */
void broker_set_will(struct broker *broker, const char *topic, const char *payload);
/* Ends the connection in order, without its will, and begins another one at once. */
void broker_reopen(struct broker *broker);
/* The connection is of no use: it counts as lost in the next turn, and another one follows after a delay. */
void broker_lose(struct broker *broker, const char *why);
/* From now on, a connection that counts as lost ends without a DISCONNECT, which publishes the will: there
 * may be none after it that says something else. */
void broker_leave_will(struct broker *broker);
/* The last connection ended in order, without its will, and there is none yet after it. */
bool broker_took_leave(const struct broker *broker);
/* Ends the connection in order; none follows. */
void broker_close(struct broker *broker);

/* The server that was tried last. */
const struct broker_address *broker_address(const struct broker *broker);
bool broker_is_open(const struct broker *broker);
/* The broker has not answered yet, but may have the will already: this is no time to reopen. */
bool broker_is_connecting(const struct broker *broker);
/* What to poll, and for how long at most; fd -1: nothing. */
int broker_prepare(struct broker *broker, struct pollfd *fd, int64_t now_ms);
void broker_turn(struct broker *broker, const struct pollfd *fd, int64_t now_ms);

/* QoS 1. 0, or -1: the connection is lost, which on_lost will tell. */
int broker_publish(struct broker *broker, const char *topic, const char *payload, size_t length, int *mid);
int broker_subscribe(struct broker *broker, const char *topic, int *mid);
int broker_unsubscribe(struct broker *broker, const char *topic);

#endif
