/* The requests of readyd-protocol(7): parses each line of a connection and answers it. */
#ifndef DAEMON_REQUESTS_H
#define DAEMON_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/secrecy.h"
#include "src/wire.h"

struct loop;
struct gates;
struct monitors;
struct quota;
struct connection;
struct tracker;

struct requests {
	bool hides; /* /proc does: what it hides from an asker is not told */
	struct loop *loop;
	struct tracker *tracker;
	struct gates *gates;
	struct monitors *monitors;
	const struct marker_place *place;
	uint64_t epoch;
	struct quota *quota;
	size_t waits_per_client; /* limit */
	/* Writes "key=value ..." into buf. */
	void (*stats)(char *buf, size_t size, void *context);
	void *context;
	uint64_t handled;
	/* The last QUERY, and the turn in which it came. */
	struct {
		uint64_t batch, start;
		struct readyd_answer answer;
		struct owner owner;
	} last;
};

/* The hooks of a connection; context is a struct requests. */
void requests_on_line(struct connection *connection, const char *line, size_t len, void *context);
void requests_on_resume(struct connection *connection, void *context);
bool requests_close_some(struct connection *connection, void *context);
void requests_on_closing(struct connection *connection, void *context);
void requests_on_drained(struct connection *connection, void *context);

#endif
