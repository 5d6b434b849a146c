/*
 * What the topics carry: one JSON object each. What others have published is not trusted: a message that is
 * not what this program would write gives a reason, never a part of its content. Pure.
 */
#ifndef FLEET_PAYLOAD_H
#define FLEET_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "readyd/readyd.h"

#define PAYLOAD_SIZE 1024 /* the most that is written, and read */
#define PAYLOAD_NAME 64

enum payload_state {
	PAYLOAD_OFFLINE,
	PAYLOAD_ONLINE,
	PAYLOAD_UNKNOWN /* the bridge runs, but its daemon does not answer */
};

struct payload_status {
	enum payload_state state;
	uint64_t epoch;
	int64_t time_ms; /* CLOCK_REALTIME of the node; 0: not said */
	char version[32];
};

struct payload_process {
	enum readyd_verdict verdict;
	enum readyd_reason reason;
	int wait_status;    /* -1: not known */
	bool status_hidden; /* from the user that the bridge runs as */
	uint64_t epoch, seq;
	int64_t time_ms;
	char name[PAYLOAD_NAME];
};

const char *payload_state_name(enum payload_state state);

/* Return the length. */
size_t payload_write_status(char buf[PAYLOAD_SIZE], const struct payload_status *status);
size_t payload_write_process(char buf[PAYLOAD_SIZE], const struct payload_process *process);
/* The members of a process without the braces, for the output of the commands. */
size_t payload_write_members(char *buf, size_t size, const struct payload_process *process);

/* NULL, or why the message is refused: a static string. */
const char *payload_read_status(const char *text, size_t length, struct payload_status *status);
const char *payload_read_process(const char *text, size_t length, struct payload_process *process);

#endif
