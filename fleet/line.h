/* The command line of readyctl-fleet. */
#ifndef FLEET_LINE_H
#define FLEET_LINE_H

#include "fleet/broker.h"
#include "fleet/target.h"

enum { EXIT_READY = 0, EXIT_USAGE = 2, EXIT_UNREACHABLE = 6, EXIT_TIMED_OUT = 124, EXIT_FAILED = 125 };

struct line {
	struct broker_options broker;
	struct target *targets; /* of wait; each once */
	size_t target_count;
	size_t count;	    /* --count; 0: all */
	int64_t timeout_ms; /* -1: none */
	const char *node;   /* of list; NULL: every node */
	bool json;
	int64_t began; /* clock_ms() */
};

/* Return the exit status. */
int command_wait(struct line *line);
int command_list(struct line *line);
int command_monitor(struct line *line);

#endif
