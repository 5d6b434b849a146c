/* The requests of readyd-protocol(7): what each line of a session asks, and its answers. */
#ifndef DAEMON_REQUESTS_H
#define DAEMON_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "src/wire.h"

struct event_base;
struct gates;
struct quota;
struct session;
struct witness;

struct requests {
	struct event_base *base;
	struct witness *witness;
	struct gates *gates;
	const struct marker_place *place;
	uint64_t epoch;
	struct quota *quota;
	size_t waits_per_client; /* limit */
	/* Writes "key=value ..." into buf. */
	void (*stats)(void *context, char *buf, size_t size);
	void *context;
	uint64_t handled;
	/* The last QUERY, and the input that it came with. */
	struct {
		uint64_t batch, start;
		struct readyd_answer answer;
	} last;
};

/* The hooks of a session; context is a struct requests. */
void requests_on_line(struct session *session, const char *line, size_t len, void *context);
void requests_on_resume(struct session *session, void *context);
void requests_on_closing(struct session *session, void *context);

#endif
