/*
 * What the commands of readyctl-fleet share: a connection, its subscriptions, and the view that results.
 * After a loss, the connection is established again, all is subscribed to again, and nothing that was seen
 * before counts.
 */
#ifndef FLEET_CLIENT_H
#define FLEET_CLIENT_H

#include "fleet/line.h"
#include "fleet/view.h"

struct client {
	const struct line *line;
	struct broker *broker;
	struct view view;
	char (*topics)[TOPIC_SIZE]; /* to subscribe to */
	size_t topic_count, granted;
	unsigned refusals;   /* connections in a row in which a subscription was refused */
	bool has_refused;    /* in this connection */
	int64_t quiet_since; /* when the last retained message or acknowledgement came */
	int signals, caught;
	bool is_refused, was_told; /* was_told: that there is no connection */
	char why[256];		   /* there is none; "": there is one, or it was not tried yet */
	/* What has changed; each may be NULL. state NULL: the topic was cleared. */
	void (*on_status)(const struct view_node *node, void *context);
	void (*on_process)(
	    const char *node, pid_t pid, uint64_t start, const struct payload_process *state, void *context);
	void *context;
};

enum client_outcome { CLIENT_GOES_ON, CLIENT_INTERRUPTED, CLIENT_FAILED };

/* 0, or -1 with errno. The topics are freed by client_close(). */
int client_open(struct client *client, const struct line *line, char (*topics)[TOPIC_SIZE], size_t count);
/* Handles what comes, for at most so long; -1: no limit. FAILED: it has been reported. */
enum client_outcome client_turn(struct client *client, int64_t timeout_ms);
/* Whether the broker has answered each subscription and has been quiet for a moment since, so that what it
 * retains has probably come. */
bool client_is_settled(const struct client *client);
/* How long until that may be; -1: something has to come first. */
int64_t client_settles_in(const struct client *client);
void client_close(struct client *client);
/* Ends the program by the signal that was caught. */
_Noreturn void client_die(const struct client *client);

#endif
