/* The story of a schedule, what the waiters were told, and whether it is true. */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "readyd/readyd.h"

#define VERDICTS 6

/* One process that a client waits for. */
struct waited {
	pid_t pid;
	int life;	    /* SIM_NONE: no process has been found yet */
	bool meant;	    /* the caller named the life */
	bool start_unknown; /* it could not be read, or the process ended meanwhile */
	bool told;
	bool cancelled;
	int64_t added;
};

struct figures {
	uint64_t schedules, steps, told[VERDICTS], uncertain;
	int64_t latest_ms[4]; /* after the faults had ended, by the state of the daemon then */
	int64_t prompt_ms;    /* the same where nothing but the event itself was to be waited for */
};

extern struct figures figures;
extern bool story_wanted;

__attribute__((format(printf, 1, 2))) void story(const char *format, ...);
#define STORY(...) ((void)(story_wanted && (story(__VA_ARGS__), true)))

/* Why the schedule has failed; NULL: it has not. */
extern const char *failure;
__attribute__((format(printf, 1, 2))) void fail(const char *format, ...);

struct life;
/* Whether its own marker may look older than the process: then a wait goes on until it is rewritten. */
bool history_may_look_stale(const struct life *life);
/* A client was told this. */
void history_check(int client, struct waited *waited, const struct readyd_answer *answer);

#endif
